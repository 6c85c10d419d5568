import type { Runtime } from "../../src/runtime.ts";
import { CommandReader } from "./command_reader.ts";
import { FakeTransport } from "./fake_transport.ts";

const decoder = new TextDecoder();

/** An encoded reply; null: the server stays silent. */
export type Answer = string | null;

/** Writes a bulk string. */
export function bulk(text: string): string {
  return `$${new TextEncoder().encode(text).length}\r\n${text}\r\n`;
}

/** Writes an array of encoded replies. */
export function array(...items: string[]): string {
  return `*${items.length}\r\n${items.join("")}`;
}

/** Writes a message on a channel. */
export function message(channel: string, payload: string): string {
  return array(bulk("message"), bulk(channel), bulk(payload));
}

/** The server's end of one connection. It answers like Redis unless the test overrides it. */
export class FakePeer {
  /** The connection's bytes. */
  readonly transport = new FakeTransport();
  /** Every command received, its arguments joined by spaces. */
  readonly commands: string[] = [];
  /** Overrides answers, by the command's first word, or its first two. */
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

  /** Sends bytes unasked. */
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

/** Creates a peer for each dial. */
export class FakeNetwork {
  /** The dialled peers, in order. */
  readonly peers: FakePeer[] = [];
  /** Called before a peer is connected; returns an error to refuse the dial. */
  onDial: (peer: FakePeer, number: number) => Error | void = () => {};
  /** Whether dials hang until they are aborted. */
  isBlackHole = false;
  /** The number of aborted dials. */
  aborted = 0;

  /** The runtime's `dial`. */
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

  /** The peer of the dial with this index. */
  peer(index: number): FakePeer {
    const peer = this.peers[index];
    if (peer === undefined) throw new Error(`Peer ${index} was not dialled`);
    return peer;
  }
}
