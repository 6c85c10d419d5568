/**
 * What is used of deno.land/x/redis, by its shape: nothing of the package is
 * imported, so that any version from 0.32.1 to 0.41 will do.
 *
 * @module
 */

import type { CommandArgument } from "../wire/command.ts";

/** What the package's `connect` is called with. */
export interface DenoRedisConnectOptions {
  /** A host name or an IP address. */
  hostname: string;
  /** The port. */
  port: number;
  /** Whether to speak TLS. */
  tls?: boolean;
  /** PEM texts of the certificate authorities to trust beside the usual ones; known from 0.36 on. */
  caCerts?: string[];
  /** Always 0: the package is not to try again by itself. */
  maxRetryCount: number;
  /** Always true, known from 0.41 on: short commands are not held back. */
  noDelay: boolean;
  /** Ends a dial; known from 0.40 on. */
  signal: () => AbortSignal;
}

/** The package's `connect`. */
export type DenoRedisConnect = (
  options: DenoRedisConnectOptions,
) => Promise<DenoRedisClient>;

/** What the package calls a reply's form. */
export interface DenoRedisReplyOptions {
  /** Whether strings come as the bytes that they are. */
  returnUint8Arrays?: boolean;
}

/** Commands that the package gathers and sends at once. */
export interface DenoRedisPipeline {
  /** Adds a command; what it resolves to says nothing. */
  sendCommand(
    command: string,
    args: CommandArgument[],
    options: DenoRedisReplyOptions,
  ): Promise<unknown>;
  /** Sends what was added, and resolves to the replies; a refusal is an error among them. */
  flush(): Promise<unknown[]>;
}

/** A message of a subscribed channel. */
export interface DenoRedisMessage {
  /** Where it was published. */
  channel: string;
  /** What was published. */
  message: Uint8Array;
}

/** The subscribed side of a client. */
export interface DenoRedisSubscription {
  /** Writes SUBSCRIBE, and waits for no confirmation. */
  subscribe(...channels: (string | Uint8Array)[]): Promise<void>;
  /** Writes UNSUBSCRIBE, and waits for no confirmation. */
  unsubscribe(...channels: (string | Uint8Array)[]): Promise<void>;
  /** Messages as they come; confirmations are left out. */
  receiveBuffers(): AsyncIterableIterator<DenoRedisMessage>;
}

/** What the package's `connect` resolves to. */
export interface DenoRedisClient {
  /** Whether the package takes itself for connected. */
  readonly isConnected: boolean;
  /** Gathers commands. */
  pipeline(): DenoRedisPipeline;
  /** Subscribes; the client then serves for nothing else. */
  subscribe(
    ...channels: (string | Uint8Array)[]
  ): Promise<DenoRedisSubscription>;
  /** Tells of what happens to the connection; from 0.37 on. */
  addEventListener?(
    type: "close" | "connect" | "reconnecting",
    callback: () => void,
  ): void;
  /** Closes the connection. */
  close(): void;
}
