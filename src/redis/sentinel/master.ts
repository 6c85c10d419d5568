import { RedisConnectionError } from "../../errors.ts";
import type { TcpAddress } from "../../runtime.ts";
import { formatAddress } from "../address.ts";
import type { RespValue } from "../wire/resp.ts";

/** What one Sentinel reports about a master. */
export interface MasterState {
  /** The name under which the Sentinels watch it. */
  readonly name: string;
  /** The address that the Sentinels announce for it. */
  readonly address: TcpAddress;
  /** Sentinel's flags: `s_down`, `o_down`, and so on. */
  readonly flags: readonly string[];
  /** How many other Sentinels this one knows. */
  readonly otherSentinels: number;
  /** The number of the fail-over that made it the master: the highest is the newest. */
  readonly epoch: number;
}

/** Whether a Sentinel considers the master up. */
export function isUp({ flags }: MasterState): boolean {
  return !flags.includes("s_down") && !flags.includes("o_down");
}

/** Whether a Sentinel is also connected to it: not so just after a fail-over or a crash. */
export function isConnected(state: MasterState): boolean {
  return isUp(state) && !state.flags.includes("disconnected");
}

/** Whether two addresses are the same. Host names are compared without case. */
export function isSameAddress(one: TcpAddress, other: TcpAddress): boolean {
  return formatAddress(one).toLowerCase() ===
    formatAddress(other).toLowerCase();
}

/**
 * Parses the reply to SENTINEL MASTERS.
 *
 * @throws {RedisConnectionError} if the reply is malformed.
 */
export function parseMasters(reply: RespValue): MasterState[] {
  return parseEntries(reply).map((fields) => ({
    name: requireField(fields, "name"),
    address: parseAddress(
      requireField(fields, "ip"),
      requireField(fields, "port"),
    ),
    flags: requireField(fields, "flags").split(","),
    otherSentinels: Number(requireField(fields, "num-other-sentinels")),
    epoch: Number(requireField(fields, "config-epoch")),
  }));
}

/**
 * Parses the addresses in the reply to SENTINEL SENTINELS.
 *
 * @throws {RedisConnectionError} if the reply is malformed.
 */
export function parseSentinels(reply: RespValue): TcpAddress[] {
  return parseEntries(reply).map((fields) =>
    parseAddress(requireField(fields, "ip"), requireField(fields, "port"))
  );
}

/**
 * Parses the reply to SENTINEL GET-MASTER-ADDR-BY-NAME.
 *
 * @throws {RedisConnectionError} if the reply is malformed.
 */
export function parseMasterAddress(reply: RespValue): TcpAddress {
  if (!Array.isArray(reply) || reply.length !== 2) {
    throw malformed("something other than a host and a port");
  }
  return parseAddress(String(reply[0]), String(reply[1]));
}

/** A master's name and address, as Sentinels publish them. */
export interface MasterAnnouncement {
  /** The name under which the Sentinels watch the master. */
  readonly name: string;
  /** Its new address. */
  readonly address: TcpAddress;
}

/**
 * Parses a message of `+switch-master`: name, old host and port, new host and
 * port. Returns undefined if it has another form.
 */
export function parseSwitch(payload: string): MasterAnnouncement | undefined {
  const words = payload.split(" ");
  const [name, , , hostname, port] = words;
  return words.length === 5 ? announcement(name, hostname, port) : undefined;
}

/**
 * Parses a message of `+monitor`, which SENTINEL MONITOR publishes: the word
 * `master`, name, host and port. Returns undefined if it has another form.
 */
export function parseMonitor(payload: string): MasterAnnouncement | undefined {
  const [kind, name, hostname, port] = payload.split(" ");
  return kind === "master" ? announcement(name, hostname, port) : undefined;
}

function announcement(
  name: string | undefined,
  hostname: string | undefined,
  port: string | undefined,
): MasterAnnouncement | undefined {
  return name === undefined || hostname === undefined || port === undefined ||
      !isPort(port)
    ? undefined
    : { name, address: { hostname, port: Number(port) } };
}

function parseAddress(hostname: string, port: string): TcpAddress {
  if (!isPort(port)) throw malformed(`a port ${JSON.stringify(port)}`);
  return { hostname, port: Number(port) };
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text);
}

/** The entries of a list. Each is itself a list of names and values in turn. */
function parseEntries(reply: RespValue): Map<string, string>[] {
  if (!Array.isArray(reply)) throw malformed("something other than a list");
  return reply.map((entry) => {
    if (!Array.isArray(entry)) throw malformed("an entry that is not a list");
    const fields = new Map<string, string>();
    for (let i = 0; i + 1 < entry.length; i += 2) {
      fields.set(String(entry[i]), String(entry[i + 1]));
    }
    return fields;
  });
}

function requireField(fields: Map<string, string>, name: string): string {
  const value = fields.get(name);
  if (value === undefined) throw malformed(`an entry without ${name}`);
  return value;
}

function malformed(what: string): RedisConnectionError {
  return new RedisConnectionError(`Read ${what} as the reply of a Sentinel`);
}
