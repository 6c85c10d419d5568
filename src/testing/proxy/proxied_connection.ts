/**
 * One client's connection through a {@linkcode FaultProxy}.
 *
 * @module
 */

import type { Command } from "../command_parser.ts";
import type { HoldPoint } from "./hold.ts";
import {
  ClientInput,
  type CommandObserver,
  isSubscribe,
  ServerInput,
} from "./input.ts";
import { type Piece, ProxyLane } from "./lane.ts";
import { Pulse } from "./pulse.ts";
import type { FaultDirection, FaultTarget } from "./target.ts";

/** What a connection tells its proxy, and asks of it. */
export interface ProxiedConnectionHost extends CommandObserver {
  /** Connects to the server; `signal` fires where the client did not wait. */
  dial(signal: AbortSignal): Promise<Deno.TcpConn>;
}

const READ_BYTES = 65_536;
const UNSUBSCRIBE = /^[PS]?UNSUBSCRIBE$/;

/** Two sockets, and what is done to the bytes between them. */
export class ProxiedConnection {
  /** Resolves when both sockets are closed and nothing is under way. */
  readonly closed: Promise<void>;
  readonly #client: Deno.TcpConn;
  readonly #host: ProxiedConnectionHost;
  readonly #lanes: Record<FaultDirection, ProxyLane> = {
    toClient: new ProxyLane(),
    toServer: new ProxyLane(),
  };
  /** Ends the waits of delays and holds. */
  readonly #interrupted = new AbortController();
  #server: Deno.TcpConn | undefined;
  #writers: Promise<void> = Promise.resolve();
  readonly #input: { toServer: ClientInput; toClient: ServerInput };
  #subscribed = false;
  #silent = false;
  #cutting = false;
  #isClosed = false;
  /** Replies that the commands passed on so far are answered with. */
  #owed = 0;
  /** Replies that went to the client, or are about to. */
  #replies = 0;
  /** Holds for the replies with these numbers, in order. */
  readonly #heldReplies: { reply: number; hold: HoldPoint }[] = [];

  /** Takes over a client's socket. */
  constructor(client: Deno.TcpConn, host: ProxiedConnectionHost) {
    this.#client = client;
    this.#host = host;
    this.#silent = host.faults.silence === "all";
    this.#input = {
      toServer: new ClientInput(host, this.#silent),
      toClient: new ServerInput(),
    };
    this.closed = this.#run().catch(() => {}).finally(() => this.reset());
  }

  /** What the connection counts as at this moment. */
  get kind(): FaultTarget {
    return this.#subscribed ? "subscribed" : "command";
  }

  /** Whether a fault for `which` is for this connection. */
  matches(which: FaultTarget): boolean {
    return which === "all" || which === this.kind;
  }

  /** Lets go what is held on this connection. */
  releaseHolds(): void {
    for (const hold of this.#input.toServer.holds) hold.release();
  }

  /** Swallows everything from now on, to the connection's end. */
  fallSilent(): void {
    this.#silent = true;
    this.#input.toServer.silence();
    this.#lanes.toClient.clear();
    this.#lanes.toServer.clear();
  }

  /** Passes on what was read, except what is held, and closes both sides. */
  async cut(): Promise<void> {
    this.#cutting = true;
    this.#interrupted.abort();
    this.#end("toClient");
    this.#end("toServer");
    await this.#writers;
    this.reset();
    await this.closed;
  }

  /** Closes both sides at once; what was read is lost. */
  reset(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#silent = true;
    this.#interrupted.abort();
    for (const lane of [this.#lanes.toClient, this.#lanes.toServer]) {
      lane.clear();
      lane.end();
    }
    // What nobody can hold any more must not keep a test waiting.
    this.releaseHolds();
    this.#client.close();
    this.#server?.close();
  }

  async #run(): Promise<void> {
    this.#client.setNoDelay(true);
    // A client that comes while all is silent must not disturb the server.
    if (this.#silent) return await this.#read("toServer", this.#client);
    const server = await this.#host.dial(this.#interrupted.signal);
    if (this.#isClosed) return server.close();
    server.setNoDelay(true);
    this.#server = server;
    this.#writers = Promise.all([
      this.#write("toServer", server),
      this.#write("toClient", this.#client),
    ]).then(() => {}, () => {
      if (!this.#silent) this.reset();
    });
    await Promise.all([
      this.#read("toServer", this.#client),
      this.#read("toClient", server),
    ]);
    await this.#writers;
  }

  async #read(direction: FaultDirection, from: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    let isLost = false;
    try {
      for (;;) {
        const count = await from.read(buffer);
        if (count === null) break;
        const piece = this.#input[direction].toPiece(buffer.slice(0, count));
        if (this.#silent || this.#cutting || piece === undefined) continue;
        await this.#lanes[direction].push(piece);
      }
    } catch {
      isLost = true;
    }
    if (!this.#silent) {
      return isLost ? this.reset() : this.#end(direction);
    }
    // A silent connection's client must not learn that the server went away;
    // when the client goes, nobody is left to be silent to.
    if (direction === "toServer") this.reset();
  }

  /** Nothing more is read in this direction; what was is still passed on. */
  #end(direction: FaultDirection): void {
    const lane = this.#lanes[direction];
    const rest = direction === "toServer"
      ? this.#input.toServer.takeRest()
      : undefined;
    // Not waited for: nothing comes behind it that would have to be held back.
    if (rest !== undefined) lane.push(rest);
    lane.end();
  }

  async #write(direction: FaultDirection, to: Deno.TcpConn): Promise<void> {
    for (;;) {
      const piece = await this.#lanes[direction].next();
      if (piece === undefined) break;
      const delay = this.#host.faults.delays[direction];
      if (delay !== undefined && this.matches(delay.which)) {
        await this.#sleep(piece.at + delay.ms - performance.now());
      }
      if (this.#silent) continue;
      const finished = direction === "toServer"
        ? await this.#passCommands(piece, to)
        : await this.#passFrames(piece, to);
      if (!finished) return;
    }
    // The other side learns that this one has nothing more to say.
    if (!this.#silent) await to.closeWrite();
  }

  /** Passes commands on, up to a held one until that is released; false: stop here. */
  async #passCommands(piece: Piece, server: Deno.TcpConn): Promise<boolean> {
    let sent = 0;
    let end = 0;
    for (const command of piece.commands ?? []) {
      const plan = piece.plans?.get(command);
      if (plan?.fallsSilent) {
        await this.#send(server, piece.bytes.subarray(sent, end));
        this.fallSilent();
        return true;
      }
      if (plan?.hold !== undefined) {
        await this.#send(server, piece.bytes.subarray(sent, end));
        sent = end;
        if (!await this.#held(plan.hold)) return false;
        if (this.#silent) return true;
      }
      this.#pass(command, plan?.replyHold);
      end = command.end;
    }
    await this.#send(server, piece.bytes.subarray(sent));
    return true;
  }

  /** Takes note of a command that goes to the server now. */
  #pass(command: Command, replyHold: HoldPoint | undefined): void {
    if (replyHold !== undefined) {
      this.#heldReplies.push({ reply: this.#owed, hold: replyHold });
    }
    this.#subscribed ||= isSubscribe(command);
    // One confirmation a channel. Without channels, UNSUBSCRIBE has as many as
    // there are subscriptions, which nobody counts here: taken for one.
    this.#owed += isSubscribe(command) || UNSUBSCRIBE.test(command.name)
      ? Math.max(1, command.args.length - 1)
      : 1;
  }

  /** Passes replies and messages on; false: stop here. */
  async #passFrames(piece: Piece, client: Deno.TcpConn): Promise<boolean> {
    const { bytes, frames = [], beginsFrame = true, endsFrame = true } = piece;
    let sent = 0;
    let begin = 0;
    for (const [index, { end, isReply }] of frames.entries()) {
      if (index > 0 || beginsFrame) {
        const held = this.#heldReplies[0];
        if (held !== undefined && isReply && this.#replies >= held.reply) {
          await this.#send(client, bytes.subarray(sent, begin));
          sent = begin;
          this.#heldReplies.shift();
          if (!await this.#held(held.hold)) return false;
          if (this.#silent) return true;
        }
        const truncation = this.#host.faults.takeTruncation(this.kind);
        if (truncation !== undefined) {
          const half = begin + Math.ceil((end - begin) / 2);
          await this.#send(client, bytes.subarray(sent, half));
          this.reset();
          truncation.done.resolve();
          return false;
        }
      }
      const isWhole = endsFrame || index < frames.length - 1;
      if (isReply && isWhole) this.#replies++;
      begin = end;
    }
    await this.#send(client, bytes.subarray(sent));
    return true;
  }

  /** Waits for a hold's release; false if the connection ends before. */
  async #held(hold: HoldPoint): Promise<boolean> {
    if (!this.#interrupted.signal.aborted) await this.#wait(hold.enter());
    this.#input.toServer.holds.delete(hold);
    return hold.isReleased;
  }

  async #sleep(ms: number): Promise<void> {
    if (ms <= 0 || this.#interrupted.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await this.#wait(promise);
    clearTimeout(timer);
  }

  /** Waits for `promise`, or for the connection's end. */
  async #wait(promise: Promise<void>): Promise<void> {
    const { signal } = this.#interrupted;
    const ended = Promise.withResolvers<void>();
    const onAbort = (): void => ended.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    await Promise.race([promise, ended.promise]);
    signal.removeEventListener("abort", onAbort);
  }

  async #send(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
    const { split } = this.#host.faults;
    if (split !== undefined && this.matches(split)) {
      return await this.#sendSplit(to, bytes);
    }
    for (let sent = 0; sent < bytes.length && !this.#silent;) {
      sent += await to.write(bytes.subarray(sent));
    }
  }

  async #sendSplit(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
    using pulse = await Pulse.start();
    for (let index = 0; index < bytes.length && !this.#silent; index++) {
      await to.write(bytes.subarray(index, index + 1));
      await pulse.roundTrip();
    }
  }
}
