/**
 * What all connections to a memory Redis have in common.
 *
 * @module
 */

import type { MemoryClient } from "./client.ts";
import type { CommandTable } from "./command.ts";
import { commands } from "./commands.ts";
import { PubSub } from "./pubsub.ts";
import type { ScriptCache } from "./script_cache.ts";
import { Database } from "./store.ts";

/** The one user of a server that asks for a password. */
export interface Credentials {
  /** The user's name; `default` where AUTH takes a password alone. */
  readonly username: string;
  /** The password. */
  readonly password: string;
}

/** Data, subscriptions and connections. */
export class MemoryServer {
  /** The numbered databases. */
  readonly databases: readonly Database[];
  /** Who has to authenticate, and how; undefined: nobody. */
  readonly credentials: Credentials | undefined;
  /** The commands that the server knows. */
  readonly commands: CommandTable = commands;
  /** Subscriptions. */
  readonly pubsub: PubSub = new PubSub();
  /** The connections that are up, by their ids. */
  readonly clients: Map<number, MemoryClient> = new Map();
  /** Scripts that were loaded since the start. */
  readonly scripts: ScriptCache;
  /** When the server was started. */
  startedAt: number = Date.now();
  #lastClientId = 0;

  /** A server without data. */
  constructor(
    databases: number,
    credentials: Credentials | undefined,
    scripts: ScriptCache,
  ) {
    this.scripts = scripts;
    this.databases = Array.from({ length: databases }, () => new Database());
    this.credentials = credentials;
  }

  /** A number that no connection has had. */
  nextClientId(): number {
    return ++this.#lastClientId;
  }
}
