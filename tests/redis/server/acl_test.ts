import { RedisError } from "../../../src/errors.ts";
import {
  escapePattern,
  isCommandRefusal,
  permissionAdvice,
  toSubject,
} from "../../../src/redis/server/acl.ts";
import { rememberScript } from "../../../src/redis/server/script_faults.ts";
import type { Command } from "../../../src/redis/wire/command.ts";
import { assertEquals } from "../../support/assert.ts";

const ACL = { username: "app", keyPatterns: ["shop\\*_meta-*", "other-*"] };
const KEY = "shop*_meta-1";

// The wording of Redis 6.2, 7.0 and 7.2.
const COMMAND = [
  "NOPERM this user has no permissions to run the 'x' command or its subcommand",
  "NOPERM this user has no permissions to run the 'x' command",
  "NOPERM User app has no permissions to run the 'x' command",
  "NOPERM User my-key has no permissions to run the 'x' command",
  "NOPERM User channels has no permissions to run the 'x' command",
];
const KEYS = [
  "NOPERM this user has no permissions to access one of the keys used as arguments",
  "NOPERM No permissions to access a key",
];
const CHANNELS = [
  "NOPERM this user has no permissions to access one of the channels used as arguments",
  "NOPERM No permissions to access a channel",
  "ERR The user executing the script can't publish to the channel mentioned in the command script: abc, on @user_script:1.",
];
const IN_SCRIPT = [
  "ERR The user executing the script can't run this command or subcommand script: abc, on @user_script:1.",
  "ERR Error running script (call to f_abc): @user_script:1: @user_script: 1: The user executing the script can't run this command or subcommand",
  "ERR ACL failure in script: User app has no permissions to run the 'x' command script: abc, on @user_script:1.",
  "ERR ACL failure in script: User key has no permissions to run the 'x' command script: abc, on @user_script:1.",
];

Deno.test("permissionAdvice names the rule that would allow what was refused", () => {
  const cases: [string[], Command, string | undefined][] = [
    [COMMAND, ["GET", KEY], "+get"],
    [COMMAND, ["PUBSUB", "NUMSUB", KEY], "+pubsub|numsub"],
    [COMMAND, ["CLIENT", "SETNAME", "n"], "+client|setname"],
    [COMMAND, ["EVALSHA", "abc", 1, KEY], "+eval +evalsha"],
    [KEYS, ["GET", KEY], "~shop\\*_meta-*"],
    [KEYS, ["EVAL", "return 1", 1, KEY], "~shop\\*_meta-*"],
    [KEYS, ["GET", "an[y]"], "~an\\[y\\]"],
    [KEYS, ["EXEC"], "~*"],
    [CHANNELS, ["SUBSCRIBE", "other-1"], "&other-*"],
    [CHANNELS, ["EVALSHA", "abc", 1, KEY], "&shop\\*_meta-*"],
  ];
  for (const [messages, command, rule] of cases) {
    for (const message of messages) {
      assertEquals(
        permissionAdvice(new RedisError(message), toSubject(command), ACL),
        `what would allow it: ACL SETUSER app ${rule}`,
        message,
      );
    }
  }
  const { length } = IN_SCRIPT.filter((message) =>
    permissionAdvice(
      new RedisError(message),
      toSubject(["EVALSHA", "abc", 1, KEY]),
      {},
    ) ===
      "the ACL of user default must allow every command that the script runs"
  );
  assertEquals(length, IN_SCRIPT.length);
  for (const message of ["ERR no", "WRONGTYPE a key", "NOAUTH no channel"]) {
    assertEquals(
      permissionAdvice(new RedisError(message), toSubject(["GET"]), ACL),
      undefined,
    );
  }
});

Deno.test("permissionAdvice lists the commands of a known script, one given as an argument included", () => {
  const digest = "0123456789abcdef0123456789abcdef01234567";
  rememberScript(
    digest,
    "local a = redis.call('GET', KEYS[1])\nredis.call('SET', KEYS[1], a)\nredis.call(ARGV[1], KEYS[1], a)",
    "SPUBLISH",
  );
  for (const message of IN_SCRIPT) {
    assertEquals(
      permissionAdvice(
        new RedisError(
          message.replace(
            /\babc\b|f_abc/,
            (name) => name.replace("abc", digest),
          ),
        ),
        toSubject(["EVALSHA", digest, 1, KEY]),
        ACL,
      ),
      "what would allow it: ACL SETUSER app +get +set +spublish",
      message,
    );
  }
});

Deno.test("isCommandRefusal distinguishes a refused command from a refused key or channel", () => {
  for (const message of [...COMMAND, ...IN_SCRIPT]) {
    assertEquals(isCommandRefusal(new RedisError(message)), true, message);
    const cause = new RedisError(message);
    const advised = new RedisError(message, "a key", { cause });
    assertEquals(isCommandRefusal(advised), true, message);
  }
  for (const message of [...KEYS, ...CHANNELS, "ERR no", "NOSCRIPT no"]) {
    assertEquals(isCommandRefusal(new RedisError(message)), false, message);
  }
});

Deno.test("escapePattern escapes every wildcard", () => {
  assertEquals(escapePattern("a*b?[c]\\d-^"), "a\\*b\\?\\[c\\]\\\\d-^");
});
