/** A script in use. */
interface KnownScript {
  readonly text: string;
  /** The commands whose names the script is given as an argument. */
  readonly argumentCommands: Set<string>;
}

// By digest: that is how a server names a script.
const scripts = new Map<string, KnownScript>();

/** What a server's error says about a script that failed. */
export interface ScriptFault {
  /** Every command that the script runs, in lower case. */
  readonly commands: readonly string[];
  /** The command on the line that failed, if known. */
  readonly failed: string | undefined;
}

/**
 * Remembers a script for advice on its errors. `argumentCommand` is a command
 * that the script calls by an argument: `redis.call(ARGV[1], ...)`.
 */
export function rememberScript(
  digest: string,
  text: string,
  argumentCommand?: string,
): void {
  const argumentCommands = scripts.get(digest)?.argumentCommands ?? new Set();
  if (argumentCommand !== undefined) argumentCommands.add(argumentCommand);
  scripts.set(digest, { text, argumentCommands });
}

/** Finds the script that an error names; undefined if it names none, or an unknown one. */
export function scriptFault(message: string): ScriptFault | undefined {
  const digest = /(?:script: |f_)([0-9a-f]{40})/.exec(message)?.[1];
  const script = digest === undefined ? undefined : scripts.get(digest);
  if (script === undefined) return undefined;
  const line = /@user_script: ?(\d+)/.exec(message)?.[1];
  return {
    commands: findCommands(script.text, script),
    failed: findCommands(script.text.split("\n")[Number(line) - 1], script)[0],
  };
}

function findCommands(
  text = "",
  { argumentCommands }: KnownScript,
): string[] {
  const calls = text.matchAll(/redis\.call\((?:'(\w+)'|ARGV)/g);
  const names = Array.from(calls, ([, name]) => name ?? [...argumentCommands])
    .flat();
  return [...new Set(names.map((name) => name.toLowerCase()))];
}
