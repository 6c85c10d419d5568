/**
 * The seam between this module and Redis: what a driver must provide. The
 * default driver is in `server/driver.ts`.
 *
 * @module
 */

import type { Command } from "./wire/command.ts";
import type { MessageHandler, RespValue } from "./wire/resp.ts";

/** The value of a key: text if its bytes are UTF-8, bytes if they are not. */
export type RedisText = string | Uint8Array;

/** What a driver reports about a link that it made. */
export interface LinkEvents {
  /** Called with each message of a subscribed channel, in the server's order. It must not throw. */
  readonly onMessage: MessageHandler;
  /** Called with what works less well than it should, but does not end the link. */
  onNotice(notice: Error): void;
  /**
   * Called with the date on which the link's credentials expire; of several
   * dates the earliest counts. The link is replaced some time before it.
   */
  onExpires?(at: Date): void;
  /**
   * Called with subscribed channels that the link has resubscribed, on another
   * node of a cluster. Messages published in between may be lost, so their keys
   * must be read again. A driver for one server never calls it.
   */
  onMoved?(channels: readonly string[]): void;
  /**
   * Called with what the link is waiting for while it connects, such as
   * `dialling redis.test:6379`; undefined once it waits for nothing. A timeout
   * error names it.
   */
  onStep?(step: string | undefined): void;
}

/**
 * The settings of a backend's server, for its driver. Anything undefined
 * was not given. Durations are milliseconds.
 */
export interface DriverSettings {
  /** The URL, as given. It may hold a user, a password, and a query. */
  readonly url?: string | URL | undefined;
  /** The ACL user; takes precedence over the URL's. */
  readonly username?: string | undefined;
  /** The password; takes precedence over the URL's. */
  readonly password?: string | undefined;
  /** The name for CLIENT LIST; takes precedence over the URL's. */
  readonly clientName?: string | undefined;
  /** How long one attempt to connect may take; takes precedence over the URL's. */
  readonly connectTimeout?: number | undefined;
  /** How long the server may be silent before it is probed; takes precedence over the URL's. */
  readonly heartbeat?: number | undefined;
}

/** Makes links to Redis. */
export interface RedisDriver {
  /**
   * Returns a driver for a backend's URL and options. This one stays unchanged,
   * and may serve other backends. Called once, by the backend's constructor. A
   * driver that accepts no settings omits this method: a backend then refuses a
   * URL, and the options that it would have to pass on.
   *
   * @throws {ConfigurationError} if it cannot work with them, or if they
   * contradict what the driver was given itself.
   */
  configure?(settings: DriverSettings): RedisDriver;
  /**
   * Makes one attempt to reach Redis, with fresh connections that are
   * authenticated and on their database. It never retries: that is up to its
   * caller.
   *
   * @throws {RedisConnectionError} if the failure is transient.
   * @throws {RedisError} if the server refuses.
   * @throws {ConfigurationError} if no attempt can succeed.
   */
  connect(events: LinkEvents, signal: AbortSignal): Promise<RedisLink>;
  /**
   * Resolves as soon as the next attempt has a better chance, such as after a
   * fail-over: it is then made at once. Called between two attempts. Also
   * resolves when the signal aborts, and leaves nothing behind. Never rejects. A
   * driver that cannot know omits this method.
   */
  topologyChanged?(signal: AbortSignal): Promise<void>;
}

/**
 * One live attachment to Redis: commands, and the messages of the channels it
 * subscribed to. It ends once, for good. It also ends when a call is not
 * answered in time, even while messages arrive.
 */
export interface RedisLink {
  /** Sends one command; commands are pipelined in call order. */
  command(command: Command): Promise<RespValue>;
  /** Sends commands as one transaction; resolves to their replies. */
  transaction(commands: readonly Command[]): Promise<RespValue[]>;
  /** Reads keys from the server that their writers use; `null` for a missing key. */
  read(keys: readonly string[]): Promise<(RedisText | null)[]>;
  /**
   * Subscribes; resolves when the server has confirmed each channel.
   *
   * @throws {UnreachableChannelsError} if some belong to an unreachable node of
   * a cluster: the link stays open, and the others are subscribed.
   */
  subscribe(channels: readonly string[]): Promise<void>;
  /** Unsubscribes; resolves when the server has confirmed each channel. */
  unsubscribe(channels: readonly string[]): Promise<void>;
  /**
   * Resolves once every message published before this call has been passed to
   * `onMessage`.
   */
  fence(): Promise<void>;
  /**
   * Whether one transaction, or one script, may use all these keys: in a cluster
   * they must share a slot. A link to one server omits this method: it always
   * may.
   */
  sharesNode?(keys: readonly string[]): boolean;
  /** Resolves with the reason once the link accepts no more calls. Never rejects. */
  readonly ended: Promise<Error>;
  /**
   * Ends the link for `reason`. Commands already sent may finish, within a
   * deadline. Resolves when the link has released everything. Never rejects.
   */
  end(reason: Error): Promise<void>;
  /** Lets the link keep the process alive, or not. */
  keepAlive(keep: boolean): void;
}
