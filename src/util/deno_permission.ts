/** Deno's permissions, each with what it is needed for. */
export type Grants = Readonly<
  Partial<Record<"net" | "read" | "write", string>>
>;

/** Says how the permissions that are missing are given. */
export function grantAdvice(grants: Grants): string {
  const flags = Object.entries(grants).map(([name, value]) =>
    `--allow-${name}=${value}`
  );
  return `run with ${flags.join(" ")}${isWorker() ? workerAdvice(grants) : ""}`;
}

/** A Worker has the permissions of its program, or fewer. */
function workerAdvice(grants: Grants): string {
  const members = Object.entries(grants).map(([name, value]) =>
    `${name}: [${JSON.stringify(value)}]`
  );
  return `, and where this Worker is started with permissions of its own, with deno: { permissions: { ${
    members.join(", ")
  } } }`;
}

function isWorker(): boolean {
  return "WorkerGlobalScope" in globalThis;
}
