/**
 * What the commands of the memory Redis know of the connection that sent them,
 * and of the server that it is connected to.
 *
 * @module
 */

import type { Database } from "./database.ts";
import type { PubSub, Subscriber, SubscriptionKind } from "./pubsub.ts";
import type { Reply } from "./reply.ts";
import type { ScriptCache } from "./script_cache.ts";
import type { Transaction } from "./transaction.ts";

/** A command's name and arguments, as the client sent them. */
export type Arguments = readonly Uint8Array[];

/** One connection, as a command sees it. */
export interface Session extends Subscriber {
  /** An id that no other connection to this server has had. */
  readonly id: number;
  /** The client's `host:port`. */
  readonly address: string;
  /** What all connections share. */
  readonly server: ServerState;
  /** The state of MULTI and WATCH. */
  readonly transaction: Transaction;
  /** What the connection subscribed to. */
  readonly subscriptions: Record<SubscriptionKind, Set<string>>;
  /** Whether only commands for subscribers are allowed. */
  readonly isSubscribed: boolean;
  /** The selected database. */
  readonly database: Database;
  /** The index of the selected database. */
  databaseIndex: number;
  /** The name that CLIENT SETNAME set. */
  name: string;
  /** Whether the client authenticated, or need not. */
  isAuthenticated: boolean;
  /**
   * Runs a command on behalf of a script.
   *
   * @throws {ReplyError} If scripts may not call the command, or it fails.
   */
  callFromScript(args: Arguments): Reply;
  /** Drops all subscriptions and the transaction. */
  reset(): void;
  /** Stops reading, and closes the connection once everything queued has been sent. */
  closeSoon(): void;
  /** Closes the connection at once. Idempotent. */
  close(): void;
}

/** What all connections to one memory Redis share, as a command sees it. */
export interface ServerState {
  /** The numbered databases. */
  readonly databases: readonly Database[];
  /** The credentials that AUTH checks; undefined: no password is required. */
  readonly credentials: Credentials | undefined;
  /** The number of words of each command, by its name in capitals. */
  readonly commands: ReadonlyMap<string, { readonly arity: number }>;
  /** The subscriptions. */
  readonly pubsub: PubSub;
  /** The open connections, by id. */
  readonly sessions: ReadonlyMap<number, Session>;
  /** The scripts loaded since the server started. */
  readonly scripts: ScriptCache;
  /** When the server started, in milliseconds since 1970. */
  readonly startedAt: number;
}

/** The one user of a server that requires a password. */
export interface Credentials {
  /** The user's name; `default` where AUTH takes only a password. */
  readonly username: string;
  /** The password. */
  readonly password: string;
}
