import type { Runtime } from "../../src/runtime.ts";
import { CommandReader } from "./command_reader.ts";
import { FakeTransport } from "./fake_transport.ts";

const decoder = new TextDecoder();

/** A reply as it goes over the wire; null: the server says nothing. */
export type Answer = string | null;

/** Writes a bulk string. */
export function bulk(text: string): string {
  return `$${new TextEncoder().encode(text).length}\r\n${text}\r\n`;
}

/** Writes an array of what is written already. */
export function array(...items: string[]): string {
  return `*${items.length}\r\n${items.join("")}`;
}

/** Writes a message of a channel. */
export function message(channel: string, payload: string): string {
  return array(bulk("message"), bulk(channel), bulk(payload));
}

/** The server's side of one connection: it answers as Redis does, unless the test says otherwise. */
export class FakePeer {
  /** The bytes. */
  readonly transport = new FakeTransport();
  /** Every command that came, its words joined by spaces. */
  readonly commands: string[] = [];
  /** Answers by the command's first word, or its first two, instead of the usual ones. */
  readonly answers: Record<string, Answer> = {};
  readonly #reader = new CommandReader();
  readonly #channels = new Set<string>();

  constructor() {
    this.transport.onWrite = (bytes) => {
      for (const words of this.#reader.push(bytes)) {
        const command = words.map((word) => decoder.decode(word));
        this.commands.push(command.join(" "));
        const answer = this.#answer(command);
        if (answer !== null) this.transport.receive(answer);
      }
    };
  }

  /** Sends something unasked. */
  say(text: string): void {
    this.transport.receive(text);
  }

  #answer(words: string[]): Answer {
    const [name = "", ...rest] = words;
    const special = this.answers[`${name} ${rest[0]}`] ?? this.answers[name];
    if (special !== undefined) return special;
    if (`${name} ${rest[0]}` in this.answers || name in this.answers) {
      return null;
    }
    switch (name) {
      case "PING":
        return this.#channels.size > 0
          ? array(bulk("pong"), bulk(rest[0] ?? ""))
          : rest[0] === undefined
          ? "+PONG\r\n"
          : bulk(rest[0]);
      case "SUBSCRIBE":
      case "UNSUBSCRIBE":
        return rest.map((channel) => {
          if (name === "SUBSCRIBE") this.#channels.add(channel);
          else this.#channels.delete(channel);
          return array(
            bulk(name.toLowerCase()),
            bulk(channel),
            `:${this.#channels.size}\r\n`,
          );
        }).join("");
      case "PUBSUB":
        return array(bulk(rest[1] ?? ""), ":1\r\n");
      case "MGET":
        return array(...rest.map((key) => bulk(`value of ${key}`)));
      case "GET":
        return bulk(`value of ${rest[0]}`);
      default:
        return "+OK\r\n";
    }
  }
}

/** Peers to dial, one after the other. */
export class FakeNetwork {
  /** Those that were dialled, in order. */
  readonly peers: FakePeer[] = [];
  /** Prepares a peer before it is connected; returns an error to refuse. */
  onDial: (peer: FakePeer, number: number) => Error | void = () => {};
  /** Whether a dial waits until it is aborted. */
  isBlackHole = false;
  /** How many dials were aborted. */
  aborted = 0;

  /** To be a runtime's `dial`. */
  readonly dial: Runtime["dial"] = (_address, signal) => {
    if (this.isBlackHole) {
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          this.aborted++;
          reject(signal.reason);
        }, { once: true })
      );
    }
    const peer = new FakePeer();
    const refusal = this.onDial(peer, this.peers.length);
    if (refusal !== undefined) return Promise.reject(refusal);
    this.peers.push(peer);
    return Promise.resolve(peer.transport);
  };

  /** The peer that was dialled as number `index`. */
  peer(index: number): FakePeer {
    const peer = this.peers[index];
    if (peer === undefined) throw new Error(`Peer ${index} was not dialled`);
    return peer;
  }
}
