/**
 * What all connections to a memory Redis have in common.
 *
 * @module
 */

import type { CommandTable } from "./command.ts";
import { Database } from "./database.ts";
import { PubSub } from "./pubsub.ts";
import type { ScriptCache } from "./script_cache.ts";
import type { Credentials, ServerState, Session } from "./session.ts";

/** What a {@linkcode MemoryServer} is made of. */
export interface MemoryServerOptions {
  /** How many numbered databases it has. */
  databases: number;
  /** The commands it knows. */
  commands: CommandTable;
  /** The scripts it knows. */
  scripts: ScriptCache;
  /** The credentials it requires; undefined: none. */
  credentials: Credentials | undefined;
}

/** Data, subscriptions and connections. */
export class MemoryServer<Client extends Session> implements ServerState {
  /** The numbered databases. */
  readonly databases: readonly Database[];
  /** The credentials that AUTH checks; undefined: no password is required. */
  readonly credentials: Credentials | undefined;
  /** The commands that the server knows. */
  readonly commands: CommandTable;
  /** The subscriptions. */
  readonly pubsub: PubSub = new PubSub();
  /** The open connections, by id. */
  readonly sessions: Map<number, Client> = new Map();
  /** The scripts loaded since the server started. */
  readonly scripts: ScriptCache;
  /** When the server started, in milliseconds since 1970. */
  startedAt: number = Date.now();
  #lastSessionId = 0;

  /** Creates a server without data. */
  constructor(options: MemoryServerOptions) {
    const { databases, commands, scripts, credentials } = options;
    this.databases = Array.from({ length: databases }, () => new Database());
    this.commands = commands;
    this.scripts = scripts;
    this.credentials = credentials;
  }

  /** An id that no connection has had. */
  nextSessionId(): number {
    return ++this.#lastSessionId;
  }
}
