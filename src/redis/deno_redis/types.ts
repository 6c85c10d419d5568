/**
 * The part of deno.land/x/redis that the driver uses, as structural types.
 * Nothing is imported from the package, so any version from 0.32.1 to 0.41 fits.
 *
 * @module
 */

import type { CommandArgument } from "../wire/command.ts";

/** The options that the driver passes to the package's `connect`. */
export interface DenoRedisConnectOptions {
  /** A host name or an IP address. */
  hostname: string;
  /** The port. */
  port: number;
  /** Whether to speak TLS. */
  tls?: boolean;
  /** PEM texts of additional certificate authorities to trust; since 0.36. */
  caCerts?: string[];
  /** Always 0: the package must not retry by itself. */
  maxRetryCount: number;
  /** Always true, so that short commands are not delayed; since 0.41. */
  noDelay: boolean;
  /** Gives a signal that cancels a dial; since 0.40. */
  signal: () => AbortSignal;
}

/** The package's `connect`. */
export type DenoRedisConnect = (
  options: DenoRedisConnectOptions,
) => Promise<DenoRedisClient>;

/** How the package should return a reply. */
export interface DenoRedisReplyOptions {
  /** Whether to return strings as bytes. */
  returnUint8Arrays?: boolean;
}

/** Commands that the package collects and sends at once. */
export interface DenoRedisPipeline {
  /** Adds a command. The resolved value is not used. */
  sendCommand(
    command: string,
    args: CommandArgument[],
    options: DenoRedisReplyOptions,
  ): Promise<unknown>;
  /** Sends the commands. Resolves to the replies; a refusal is an error among them. */
  flush(): Promise<unknown[]>;
}

/** A message of a subscribed channel. */
export interface DenoRedisMessage {
  /** The channel. */
  channel: string;
  /** The payload. */
  message: Uint8Array;
}

/** The subscribed side of a client. */
export interface DenoRedisSubscription {
  /** Writes SUBSCRIBE, without waiting for the confirmation. */
  subscribe(...channels: (string | Uint8Array)[]): Promise<void>;
  /** Writes UNSUBSCRIBE, without waiting for the confirmation. */
  unsubscribe(...channels: (string | Uint8Array)[]): Promise<void>;
  /** Iterates over messages, without confirmations. */
  receiveBuffers(): AsyncIterableIterator<DenoRedisMessage>;
}

/** What the package's `connect` resolves to. */
export interface DenoRedisClient {
  /** Whether the package considers itself connected. */
  readonly isConnected: boolean;
  /** Begins a pipeline. */
  pipeline(): DenoRedisPipeline;
  /** Subscribes. The client can then do nothing else. */
  subscribe(
    ...channels: (string | Uint8Array)[]
  ): Promise<DenoRedisSubscription>;
  /** Reports changes of the connection; since 0.37. */
  addEventListener?(
    type: "close" | "connect" | "reconnecting",
    callback: () => void,
  ): void;
  /** Closes the connection. */
  close(): void;
}
