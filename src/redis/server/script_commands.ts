// The scripts in use, by digest: that is how a server names one.
const texts = new Map<string, string>();

/** What a server's error says about a script. */
export interface ScriptFault {
  /** Every command that the script runs, in lower case. */
  readonly commands: readonly string[];
  /** The command on the line where it stopped; undefined if that cannot be told. */
  readonly failed: string | undefined;
}

/** Remembers the text of a script for advice on its errors. */
export function rememberScript(digest: string, text: string): void {
  texts.set(digest, text);
}

/** Finds the script that an error is about; undefined if it is unknown. */
export function scriptFault(message: string): ScriptFault | undefined {
  const digest = /(?:script: |f_)([0-9a-f]{40})/.exec(message)?.[1];
  const text = digest === undefined ? undefined : texts.get(digest);
  if (text === undefined) return undefined;
  const line = /@user_script: ?(\d+)/.exec(message)?.[1];
  return {
    commands: commandsIn(text),
    failed: commandsIn(text.split("\n")[Number(line) - 1] ?? "")[0],
  };
}

function commandsIn(text: string): string[] {
  const calls = text.matchAll(/redis\.call\('(\w+)'/g);
  return [...new Set(Array.from(calls, ([, name = ""]) => name.toLowerCase()))];
}
