import { RedisConnectionError, RedisError } from "../../errors.ts";
import type { Address } from "../../runtime.ts";
import type { Command } from "../wire/command.ts";
import type { RespValue } from "../wire/resp.ts";
import { formatAddress } from "../address.ts";

/** Sends commands to a server. */
export interface CommandSender {
  /** Sends a command and resolves to its reply. */
  request(command: Command): Promise<RespValue>;
}

/**
 * Checks that a server is a master. If an ACL forbids both ways to ask, it is
 * assumed to be one, and a notice says so.
 *
 * @throws {RedisConnectionError} if it is not: it may become one, or another
 * server is.
 */
export async function expectMaster(
  server: CommandSender,
  address: Address,
  onNotice: (notice: Error) => void,
): Promise<void> {
  const role = await askRole(server, ["ROLE"], onNotice) ??
    await askRole(server, ["INFO", "replication"], onNotice);
  if (role === undefined || role === "master") return;
  throw new RedisConnectionError(
    `Cannot use the Redis server at ${
      formatAddress(address)
    }: its role is ${role}, and results are stored and read on the master`,
  );
}

/** The role according to one command; undefined if that is refused. */
async function askRole(
  server: CommandSender,
  command: Command,
  onNotice: (notice: Error) => void,
): Promise<string | undefined> {
  let reply: RespValue;
  try {
    reply = await server.request(command);
  } catch (error) {
    if (!(error instanceof RedisError) || !isRefusal(error)) throw error;
    onNotice(
      new RedisError(
        error.message,
        "allow this user ROLE, so that a replica is not mistaken for the master",
        { cause: error },
      ),
    );
    return undefined;
  }
  if (Array.isArray(reply)) return String(reply[0]);
  return /^role:(\w+)/m.exec(String(reply))?.[1];
}

/** Whether another command may give the answer. */
function isRefusal({ code, message }: RedisError): boolean {
  return code === "NOPERM" || message.startsWith("ERR unknown command");
}
