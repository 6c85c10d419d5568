/**
 * All commands of the memory Redis.
 *
 * @module
 */

import { collectionCommands } from "./collection_commands.ts";
import type { CommandSpec, CommandTable } from "./command.ts";
import { connectionCommands } from "./connection_commands.ts";
import { keyCommands } from "./key_commands.ts";
import { pubsubCommands } from "./pubsub_commands.ts";
import { serverCommands } from "./server_commands.ts";
import { stringCommands } from "./string_commands.ts";

/** Commands by their names, in capitals. */
export const commands: CommandTable = new Map<string, CommandSpec>([
  ...connectionCommands,
  ...stringCommands,
  ...keyCommands,
  ...collectionCommands,
  ...pubsubCommands,
  ...serverCommands,
]);
