import type { Runtime, TcpAddress } from "../../src/runtime.ts";
import { array, bulk, FakePeer, message } from "./fake_peer.ts";

/** What a Sentinel reports about a master. */
export interface FakeMaster {
  /** Its name. @default {"mymaster"} */
  name?: string;
  /** Its host. */
  at: string;
  /** Its port. @default {6379} */
  port?: number;
  /** The host that clients should use, if it differs. */
  present?: string;
  /** Its flags. @default {"master"} */
  flags?: string;
  /** The number of its fail-over. @default {0} */
  epoch?: number;
  /** How many other Sentinels there are. @default {2} */
  others?: number;
}

/** A host of a {@linkcode FakeSentinels}. */
export interface FakeHost {
  /** Prepares each new connection. Returns an error to refuse it. */
  accept: (peer: FakePeer) => Error | void;
  /** Whether dials hang. */
  isBlackHole: boolean;
  /** The connections, in order. */
  readonly peers: FakePeer[];
}

/** A network of Sentinels and servers, by host name. Unknown hosts refuse. */
export class FakeSentinels {
  readonly #hosts = new Map<string, FakeHost>();
  /** How many dials were aborted. */
  aborted = 0;

  /** The `dial` of a runtime. */
  readonly dial: Runtime["dial"] = (address, signal) => {
    const { hostname } = address as TcpAddress; // Nothing else is dialled here.
    const host = this.#hosts.get(hostname);
    if (host === undefined) {
      return Promise.reject(new Deno.errors.ConnectionRefused("refused"));
    }
    if (host.isBlackHole) {
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          this.aborted++;
          reject(signal.reason);
        }, { once: true })
      );
    }
    const peer = new FakePeer();
    const refusal = host.accept(peer);
    if (refusal !== undefined) return Promise.reject(refusal);
    host.peers.push(peer);
    return Promise.resolve(peer.transport);
  };

  /** The host of this name. */
  host(name: string): FakeHost {
    const host = this.#hosts.get(name) ??
      { accept() {}, isBlackHole: false, peers: [] };
    this.#hosts.set(name, host);
    return host;
  }

  /** Makes a host a Redis server with this role. */
  server(name: string, role = "master"): FakeHost {
    const host = this.host(name);
    host.accept = (peer) => {
      peer.answers.ROLE = array(bulk(role), ":0\r\n");
    };
    return host;
  }

  /** Makes a host a Sentinel that reports these masters from now on. */
  sentinel(
    name: string,
    masters: FakeMaster[],
    others: string[] = [],
  ): FakeHost {
    const host = this.host(name);
    host.accept = (peer) => {
      peer.answers["SENTINEL MASTERS"] = array(...masters.map(entryOf));
      peer.answers["SENTINEL SENTINELS"] = array(
        ...others.map((other) => fieldsOf({ ip: other, port: "26379" })),
      );
      peer.answers["SENTINEL GET-MASTER-ADDR-BY-NAME"] = presentOf(masters[0]);
    };
    return host;
  }

  /** Publishes on every subscribed connection to a Sentinel. */
  publish(name: string, channel: string, payload: string): void {
    for (const peer of this.listeners(name)) {
      peer.say(message(channel, payload));
    }
  }

  /** The open connections to a host that have subscribed. */
  listeners(name: string): FakePeer[] {
    return this.host(name).peers.filter(({ commands, transport }) =>
      transport.closed === 0 &&
      commands.some((command) => command.startsWith("SUBSCRIBE"))
    );
  }

  /** All connections so far. */
  get peers(): FakePeer[] {
    return [...this.#hosts.values()].flatMap(({ peers }) => peers);
  }
}

function entryOf(
  {
    name = "mymaster",
    at,
    port = 6379,
    flags = "master",
    epoch = 0,
    others = 2,
  }: FakeMaster,
): string {
  return fieldsOf({
    name,
    ip: at,
    port: String(port),
    flags,
    "num-other-sentinels": String(others),
    "config-epoch": String(epoch),
  });
}

function fieldsOf(fields: Record<string, string>): string {
  return array(...Object.entries(fields).flat().map(bulk));
}

function presentOf(master: FakeMaster | undefined): string {
  return master === undefined ? "*-1\r\n" : array(
    bulk(master.present ?? master.at),
    bulk(String(master.port ?? 6379)),
  );
}
