/** Deno permissions, each with the resource that needs it. */
export type Grants = Readonly<
  Partial<Record<"net" | "read" | "write", string>>
>;

/** Explains how to grant missing permissions. */
export function grantAdvice(grants: Grants): string {
  const flags = Object.entries(grants).map(([name, value]) =>
    `--allow-${name}=${value}`
  );
  return `run with ${flags.join(" ")}${isWorker() ? workerAdvice(grants) : ""}`;
}

/** A Worker has the permissions of its program, or fewer of them. */
function workerAdvice(grants: Grants): string {
  const members = Object.entries(grants).map(([name, value]) =>
    `${name}: [${JSON.stringify(value)}]`
  );
  return `, and if this Worker is started with its own permissions, with deno: { permissions: { ${
    members.join(", ")
  } } }`;
}

function isWorker(): boolean {
  return "WorkerGlobalScope" in globalThis;
}
