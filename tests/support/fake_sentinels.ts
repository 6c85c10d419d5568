import type { Runtime, TcpAddress } from "../../src/runtime.ts";
import { array, bulk, FakePeer, message } from "./fake_peer.ts";

/** What a Sentinel says of a master. */
export interface FakeMaster {
  /** Its name; `mymaster`, if not given. */
  name?: string;
  /** The host where it listens. */
  at: string;
  /** The port there; 6379, if not given. */
  port?: number;
  /** Where clients are to go, if that is elsewhere already. */
  present?: string;
  /** Sentinel's words; `master`, if not given. */
  flags?: string;
  /** The number of its fail-over. */
  epoch?: number;
  /** How many other Sentinels there are. */
  others?: number;
}

/** A host of a {@linkcode FakeSentinels}. */
export interface FakeHost {
  /** What each new connection to it is prepared with; an error refuses. */
  accept: (peer: FakePeer) => Error | void;
  /** Whether a dial is never answered. */
  isBlackHole: boolean;
  /** The connections, in order. */
  readonly peers: FakePeer[];
}

/** Sentinels and servers to dial, by their host names; a host that was not named refuses. */
export class FakeSentinels {
  readonly #hosts = new Map<string, FakeHost>();
  /** How many dials were given up. */
  aborted = 0;

  /** To be a runtime's `dial`. */
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

  /** A host, whatever it is. */
  host(name: string): FakeHost {
    const host = this.#hosts.get(name) ??
      { accept() {}, isBlackHole: false, peers: [] };
    this.#hosts.set(name, host);
    return host;
  }

  /** Lets a host be a Redis server of a role. */
  server(name: string, role = "master"): FakeHost {
    const host = this.host(name);
    host.accept = (peer) => {
      peer.answers.ROLE = array(bulk(role), ":0\r\n");
    };
    return host;
  }

  /** Lets a host be a Sentinel that says this; from now on, if it is one. */
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

  /** The connections to a host that subscribed, and are open. */
  listeners(name: string): FakePeer[] {
    return this.host(name).peers.filter(({ commands, transport }) =>
      transport.closed === 0 &&
      commands.some((command) => command.startsWith("SUBSCRIBE"))
    );
  }

  /** Every connection that there was. */
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
