/**
 * The command table of the memory Redis.
 *
 * @module
 */

import { clientCommands } from "./client_commands.ts";
import type { CommandSpec, CommandTable } from "./command.ts";
import { connectionCommands } from "./connection_commands.ts";
import { keyCommands } from "./key_commands.ts";
import { listCommands } from "./list_commands.ts";
import { pubsubCommands } from "./pubsub_commands.ts";
import { scriptCommands } from "./script_commands.ts";
import { serverCommands } from "./server_commands.ts";
import { sortedSetCommands } from "./sorted_set_commands.ts";
import { stringCommands } from "./string_commands.ts";
import { transactionCommands } from "./transaction_commands.ts";

/** All commands by name, in capitals. */
export const commands: CommandTable = new Map<string, CommandSpec>([
  ...clientCommands,
  ...connectionCommands,
  ...keyCommands,
  ...listCommands,
  ...pubsubCommands,
  ...scriptCommands,
  ...serverCommands,
  ...sortedSetCommands,
  ...stringCommands,
  ...transactionCommands,
]);
