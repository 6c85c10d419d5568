/**
 * The seam between this module and Redis: what a way to reach Redis must
 * offer. The default way is in `tcp_link.ts`.
 *
 * @module
 */

import type { Command } from "./wire/command.ts";
import type { MessageHandler, RespValue } from "./wire/resp.ts";

/** What is stored at a key: text where the bytes are UTF-8, bytes where they are not. */
export type RedisText = string | Uint8Array;

/** What a driver tells about a link that it made. */
export interface LinkEvents {
  /** Takes each message of a subscribed channel, in the order of the server. It must not throw. */
  readonly onMessage: MessageHandler;
  /** Takes what works less well than it should, and is no reason to stop. */
  onNotice(notice: Error): void;
  /**
   * Told until when the link may live, where credentials run out; of several
   * dates the earliest counts. Some time before it, another link takes its
   * place.
   */
  onExpires?(at: Date): void;
  /**
   * Told of subscribed channels that the link has subscribed to anew, at
   * another node of a cluster. What was published in between may not have been
   * handed on: their keys have to be read again. A driver for one server never
   * calls it.
   */
  onMoved?(channels: readonly string[]): void;
  /**
   * Told what the link waits for while a connection is made, such as `dialling
   * redis.test:6379`; undefined when that is over. An error tells of it when the
   * time is up before anything was read.
   */
  onStep?(step: string | undefined): void;
}

/**
 * What a backend was given about its server, to hand to its driver. What is
 * undefined was not given. Durations are milliseconds.
 */
export interface DriverSettings {
  /** The URL, as it was given. It may hold a user, a password, and a query. */
  readonly url?: string | URL | undefined;
  /** The ACL user, who goes before the URL's. */
  readonly username?: string | undefined;
  /** The password, which goes before the URL's. */
  readonly password?: string | undefined;
  /** The name for CLIENT LIST, which goes before the URL's. */
  readonly clientName?: string | undefined;
  /** How long one attempt to connect may take; it goes before the URL's. */
  readonly connectTimeout?: number | undefined;
  /** How long the server may be silent before it is probed; it goes before the URL's. */
  readonly heartbeat?: number | undefined;
}

/** A way to reach Redis. */
export interface RedisDriver {
  /**
   * Gives a driver that goes where a backend's URL and options say; this one
   * stays as it is, and may serve other backends. Called once, by the backend's
   * constructor. A driver that takes no such settings has no such method: a
   * backend then refuses a URL, or what else it would have to hand over.
   *
   * @throws {ConfigurationError} if it cannot work with them, or was itself
   * given something else.
   */
  configure?(settings: DriverSettings): RedisDriver;
  /**
   * Makes one attempt to reach Redis, with fresh connections that are
   * authenticated and on their database. It never tries twice: retrying is its
   * caller's.
   *
   * @throws {RedisConnectionError} if another attempt may succeed.
   * @throws {RedisError} if the server refuses.
   * @throws {ConfigurationError} if no attempt can succeed.
   */
  connect(events: LinkEvents, signal: AbortSignal): Promise<RedisLink>;
  /**
   * Listens, between two attempts, for what makes the next one worth while: it
   * is then made at once. Resolves when there is such news, or when the signal
   * aborts; nothing is left behind then. Never rejects. A driver that cannot
   * hear of any has no such method.
   */
  topologyChanged?(signal: AbortSignal): Promise<void>;
}

/**
 * One live attachment to Redis: commands, and the messages of the channels it
 * subscribed to. It ends once, for good: also when a call is not answered
 * within a deadline, though messages come in.
 */
export interface RedisLink {
  /** Sends one command; commands are pipelined in call order. */
  command(command: Command): Promise<RespValue>;
  /** Sends commands as one transaction; resolves to their replies. */
  transaction(commands: readonly Command[]): Promise<RespValue[]>;
  /** Reads keys at the server that their writers use; `null` where there is none. */
  read(keys: readonly string[]): Promise<(RedisText | null)[]>;
  /**
   * Subscribes; resolves when the server has confirmed each channel.
   *
   * @throws {UnreachableChannelsError} if some are at a node of a cluster that
   * cannot be reached: the link lives on, and the others are subscribed.
   */
  subscribe(channels: readonly string[]): Promise<void>;
  /** Unsubscribes; resolves when the server has confirmed each channel. */
  unsubscribe(channels: readonly string[]): Promise<void>;
  /**
   * Resolves after every message has been handed on that was published before
   * this call.
   */
  fence(): Promise<void>;
  /**
   * Whether one transaction, or one script, may name all these keys: in a
   * cluster they have to share a slot. A link without this method has one
   * server, and they always may.
   */
  sharesNode?(keys: readonly string[]): boolean;
  /** Resolves with the reason, once the link takes no more calls. Never rejects. */
  readonly ended: Promise<Error>;
  /**
   * Ends the link for `reason`. Commands already sent may finish, within a
   * deadline. Resolves when nothing of the link is left.
   */
  end(reason: Error): Promise<void>;
  /** Lets the link keep the process alive, or not. */
  keepAlive(keep: boolean): void;
}
