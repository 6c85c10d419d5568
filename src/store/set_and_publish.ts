import type { Command, CommandArgument } from "../redis/wire/command.ts";
import type { PublishCommand } from "./store_script.ts";

/** The commands that set a key and publish its value on the channel of the same name, as Celery does. */
export function setAndPublish(
  key: string,
  value: CommandArgument,
  expires: number,
  publish: PublishCommand = "PUBLISH",
): Command[] {
  return [
    expires === 0 ? ["SET", key, value] : ["SETEX", key, expires, value],
    [publish, key, value],
  ];
}
