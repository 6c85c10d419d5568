import { RedisConnectionError } from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import type { RespValue } from "../wire/resp.ts";
import { formatAddress } from "../address.ts";

/** What one Sentinel knows of a master. */
export interface MasterState {
  /** The name that the Sentinels have for it. */
  readonly name: string;
  /** Where it listens, as it is announced. */
  readonly address: TcpAddress;
  /** Sentinel's words about it: `s_down`, `o_down`, and so on. */
  readonly flags: readonly string[];
  /** How many other Sentinels this one knows of. */
  readonly otherSentinels: number;
  /** The number of the fail-over that made it the master: the highest is the newest. */
  readonly epoch: number;
}

/** Whether a Sentinel does not take the master for down. */
export function isUp({ flags }: MasterState): boolean {
  return !flags.includes("s_down") && !flags.includes("o_down");
}

/** Whether it is connected with the master, too: just after a fail-over, and just after a crash, it is not. */
export function isSeen(state: MasterState): boolean {
  return isUp(state) && !state.flags.includes("disconnected");
}

/** Whether two addresses are the same; a host name is as good as its capitals. */
export function isSameAddress(one: TcpAddress, other: TcpAddress): boolean {
  return formatAddress(one).toLowerCase() ===
    formatAddress(other).toLowerCase();
}

/**
 * Reads the reply to SENTINEL MASTERS.
 *
 * @throws {RedisConnectionError} if it is of another form.
 */
export function mastersOf(reply: RespValue): MasterState[] {
  return entriesOf(reply).map((fields) => ({
    name: fieldOf(fields, "name"),
    address: addressOf(fieldOf(fields, "ip"), fieldOf(fields, "port")),
    flags: fieldOf(fields, "flags").split(","),
    otherSentinels: Number(fieldOf(fields, "num-other-sentinels")),
    epoch: Number(fieldOf(fields, "config-epoch")),
  }));
}

/**
 * Reads the addresses in the reply to SENTINEL SENTINELS.
 *
 * @throws {RedisConnectionError} if it is of another form.
 */
export function sentinelsOf(reply: RespValue): TcpAddress[] {
  return entriesOf(reply).map((fields) =>
    addressOf(fieldOf(fields, "ip"), fieldOf(fields, "port"))
  );
}

/**
 * Reads the reply to SENTINEL GET-MASTER-ADDR-BY-NAME.
 *
 * @throws {RedisConnectionError} if it is of another form.
 */
export function presentAddressOf(reply: RespValue): TcpAddress {
  if (!Array.isArray(reply) || reply.length !== 2) {
    throw malformed("no host and port");
  }
  return addressOf(String(reply[0]), String(reply[1]));
}

/** A switch of a master, as the channel `+switch-master` tells it. */
export interface MasterSwitch {
  /** The name that the Sentinels have for the master. */
  readonly name: string;
  /** Where the new one listens. */
  readonly address: TcpAddress;
}

/** Reads a message of `+switch-master`: name, old host and port, new host and port; undefined if it is none. */
export function switchOf(payload: string): MasterSwitch | undefined {
  const words = payload.split(" ");
  const [name, , , host, port] = words;
  if (
    words.length !== 5 || name === undefined || host === undefined ||
    port === undefined || !isPort(port)
  ) return undefined;
  return { name, address: { hostname: host, port: Number(port) } };
}

/**
 * Reads a message of `+monitor`, which comes when SENTINEL MONITOR names a
 * master, with its host and port; undefined if it is none.
 */
export function monitorOf(payload: string): MasterSwitch | undefined {
  const [kind, name, host, port] = payload.split(" ");
  if (
    kind !== "master" || name === undefined || host === undefined ||
    port === undefined || !isPort(port)
  ) return undefined;
  return { name, address: { hostname: host, port: Number(port) } };
}

function addressOf(hostname: string, port: string): TcpAddress {
  if (!isPort(port)) throw malformed(`a port ${JSON.stringify(port)}`);
  return { hostname, port: Number(port) };
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text);
}

/** The entries of a list, each of which is a list of names and values. */
function entriesOf(reply: RespValue): Map<string, string>[] {
  if (!Array.isArray(reply)) throw malformed("no list");
  return reply.map((entry) => {
    if (!Array.isArray(entry)) throw malformed("an entry that is no list");
    const fields = new Map<string, string>();
    for (let i = 0; i + 1 < entry.length; i += 2) {
      fields.set(String(entry[i]), String(entry[i + 1]));
    }
    return fields;
  });
}

function fieldOf(fields: Map<string, string>, name: string): string {
  const value = fields.get(name);
  if (value === undefined) throw malformed(`an entry without ${name}`);
  return value;
}

function malformed(what: string): RedisConnectionError {
  return new RedisConnectionError(`Read ${what} as the reply of a Sentinel`);
}
