// The scripts in use, by digest: errors name a script by it.
const texts = new Map<string, string>();

/** What a server's error says about a script that failed. */
export interface ScriptFault {
  /** Every command that the script runs, in lower case. */
  readonly commands: readonly string[];
  /** The command on the line that failed, if known. */
  readonly failed: string | undefined;
}

/** Registers the text of a script, for advice on its errors. */
export function rememberScript(digest: string, text: string): void {
  texts.set(digest, text);
}

/** Finds the script that an error names; undefined if it names none, or an unknown one. */
export function scriptFault(message: string): ScriptFault | undefined {
  const digest = /(?:script: |f_)([0-9a-f]{40})/.exec(message)?.[1];
  const text = digest === undefined ? undefined : texts.get(digest);
  if (text === undefined) return undefined;
  const line = /@user_script: ?(\d+)/.exec(message)?.[1];
  return {
    commands: findCommands(text),
    failed: findCommands(text.split("\n")[Number(line) - 1] ?? "")[0],
  };
}

function findCommands(text: string): string[] {
  const calls = text.matchAll(/redis\.call\('(\w+)'/g);
  return [...new Set(Array.from(calls, ([, name = ""]) => name.toLowerCase()))];
}
