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
import { onAbort } from "../../util/on_abort.ts";

/** The proxy, as its connections see it. */
export interface ProxiedConnectionHost extends CommandObserver {
  /** Connects to the server; `signal` aborts once the client disconnects. */
  dial(signal: AbortSignal): Promise<Deno.TcpConn>;
}

const READ_BYTES = 65_536;
const UNSUBSCRIBE = /^[PS]?UNSUBSCRIBE$/;

/** Two sockets, with faults between them. */
export class ProxiedConnection {
  /** Resolves when both sockets are closed and nothing is pending. */
  readonly closed: Promise<void>;
  readonly #client: Deno.TcpConn;
  readonly #host: ProxiedConnectionHost;
  readonly #lanes: Record<FaultDirection, ProxyLane> = {
    toClient: new ProxyLane(),
    toServer: new ProxyLane(),
  };
  /** Interrupts delays and holds. */
  readonly #interrupted = new AbortController();
  #server: Deno.TcpConn | undefined;
  #writers: Promise<void> = Promise.resolve();
  readonly #input: { toServer: ClientInput; toClient: ServerInput };
  #isSubscribed = false;
  #isSilent = false;
  #isCutting = false;
  #isClosed = false;
  /** How many replies the server owes for all commands passed on so far. */
  #owed = 0;
  /** How many replies were passed on, or are about to be. */
  #passedReplies = 0;
  /** The holds on replies, by index, in order. */
  readonly #heldReplies: { reply: number; hold: HoldPoint }[] = [];

  /** Serves an accepted client. */
  constructor(client: Deno.TcpConn, host: ProxiedConnectionHost) {
    this.#client = client;
    this.#host = host;
    this.#isSilent = host.faults.silence === "all";
    this.#input = {
      toServer: new ClientInput(host, this.#isSilent),
      toClient: new ServerInput(),
    };
    this.closed = this.#run().catch(() => {}).finally(() => this.reset());
  }

  /** The current kind of the connection. */
  get kind(): FaultTarget {
    return this.#isSubscribed ? "subscribed" : "command";
  }

  /** Whether a fault for `which` applies to this connection. */
  matches(which: FaultTarget): boolean {
    return which === "all" || which === this.kind;
  }

  /** Releases all holds on this connection. */
  releaseHolds(): void {
    for (const hold of this.#input.toServer.holds) hold.release();
  }

  /** Drops everything from now on, until the connection ends. */
  fallSilent(): void {
    this.#isSilent = true;
    this.#input.toServer.silence();
    this.#lanes.toClient.clear();
    this.#lanes.toServer.clear();
  }

  /** Passes on everything that was read, except what is held, and closes both sides. */
  async cut(): Promise<void> {
    this.#isCutting = true;
    this.#interrupted.abort();
    this.#end("toClient");
    this.#end("toServer");
    await this.#writers;
    this.reset();
    await this.closed;
  }

  /** Closes both sides at once, and drops what was read. */
  reset(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isSilent = true;
    this.#interrupted.abort();
    for (const lane of [this.#lanes.toClient, this.#lanes.toServer]) {
      lane.clear();
      lane.end();
    }
    // A hold that can no longer be reached must not keep a test waiting.
    this.releaseHolds();
    this.#client.close();
    this.#server?.close();
  }

  async #run(): Promise<void> {
    this.#client.setNoDelay(true);
    // A client that connects while everything is silent must not reach the server.
    if (this.#isSilent) return await this.#read("toServer", this.#client);
    const server = await this.#host.dial(this.#interrupted.signal);
    if (this.#isClosed) return server.close();
    server.setNoDelay(true);
    this.#server = server;
    this.#writers = Promise.all([
      this.#write("toServer", server),
      this.#write("toClient", this.#client),
    ]).then(() => {}, () => {
      if (!this.#isSilent) this.reset();
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
        if (this.#isSilent || this.#isCutting || piece === undefined) continue;
        await this.#lanes[direction].push(piece);
      }
    } catch {
      isLost = true;
    }
    if (!this.#isSilent) {
      return isLost ? this.reset() : this.#end(direction);
    }
    // The client of a silent connection must not notice that the server
    // disconnected. When the client itself disconnects, the connection ends.
    if (direction === "toServer") this.reset();
  }

  /** Ends reading in this direction; what was read is still passed on. */
  #end(direction: FaultDirection): void {
    const lane = this.#lanes[direction];
    const rest = direction === "toServer"
      ? this.#input.toServer.takeRest()
      : undefined;
    // Not awaited: nothing follows that would need backpressure.
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
      if (this.#isSilent) continue;
      const isOpen = direction === "toServer"
        ? await this.#passCommands(piece, to)
        : await this.#passFrames(piece, to);
      if (!isOpen) return;
    }
    // Pass on the end of the stream.
    if (!this.#isSilent) await to.closeWrite();
  }

  /** Passes commands on, and waits at a held one; false if the connection ended. */
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
        if (!await this.#waitForRelease(plan.hold)) return false;
        if (this.#isSilent) return true;
      }
      this.#record(command, plan?.replyHold);
      end = command.end;
    }
    await this.#send(server, piece.bytes.subarray(sent));
    return true;
  }

  /** Records a command that is about to be passed on. */
  #record(command: Command, replyHold: HoldPoint | undefined): void {
    if (replyHold !== undefined) {
      this.#heldReplies.push({ reply: this.#owed, hold: replyHold });
    }
    this.#isSubscribed ||= isSubscribe(command);
    // There is one confirmation per channel. An UNSUBSCRIBE without channels has
    // one per subscription, which are not counted here: assume one.
    this.#owed += isSubscribe(command) || UNSUBSCRIBE.test(command.name)
      ? Math.max(1, command.args.length - 1)
      : 1;
  }

  /** Passes replies and messages on; false if the connection ended. */
  async #passFrames(piece: Piece, client: Deno.TcpConn): Promise<boolean> {
    const { bytes, frames = [], beginsFrame = true, endsFrame = true } = piece;
    let sent = 0;
    let begin = 0;
    for (const [index, { end, isReply }] of frames.entries()) {
      if (index > 0 || beginsFrame) {
        const held = this.#heldReplies[0];
        if (
          held !== undefined && isReply && this.#passedReplies >= held.reply
        ) {
          await this.#send(client, bytes.subarray(sent, begin));
          sent = begin;
          this.#heldReplies.shift();
          if (!await this.#waitForRelease(held.hold)) return false;
          if (this.#isSilent) return true;
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
      if (isReply && isWhole) this.#passedReplies++;
      begin = end;
    }
    await this.#send(client, bytes.subarray(sent));
    return true;
  }

  /** Waits for a hold's release; false if the connection ends first. */
  async #waitForRelease(hold: HoldPoint): Promise<boolean> {
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
    const ended = Promise.withResolvers<void>();
    using _ = onAbort(this.#interrupted.signal, () => ended.resolve());
    await Promise.race([promise, ended.promise]);
  }

  async #send(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
    const { split } = this.#host.faults;
    if (split !== undefined && this.matches(split)) {
      return await this.#sendSplit(to, bytes);
    }
    for (let sent = 0; sent < bytes.length && !this.#isSilent;) {
      sent += await to.write(bytes.subarray(sent));
    }
  }

  async #sendSplit(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
    using pulse = await Pulse.start();
    for (let index = 0; index < bytes.length && !this.#isSilent; index++) {
      await to.write(bytes.subarray(index, index + 1));
      await pulse.roundTrip();
    }
  }
}
