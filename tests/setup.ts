/**
 * Installs what the tests need and the machine lacks, where it can do so
 * without asking: as root on Debian and its kin. Elsewhere it says what is
 * lacking and how to get it; the tests that need it then count as ignored.
 *
 * @module
 */

import { adviceFor, has, type Need } from "./support/needs.ts";

/** What can be installed. */
type Installable = Exclude<Need, "DENO_REDIS_MODULE">;

/** The Debian packages that bring what is needed. */
const PACKAGES: Record<Installable, string[]> = {
  "redis-server": ["redis-server"],
  "redis-sentinel": ["redis-sentinel"],
  "redis-cli": ["redis-tools"],
  "celery": ["python3-celery", "python3-redis"],
  "python msgpack": ["python3-msgpack"],
  "python yaml": ["python3-yaml"],
  "openssl": ["openssl"],
};

/** Tells Debian's installation scripts not to start services. */
const POLICY_FILE = "/usr/sbin/policy-rc.d";
const POLICY = "#!/bin/sh\nexit 101\n";

if (import.meta.main) await setUp();

async function setUp(): Promise<void> {
  const lacking = (Object.keys(PACKAGES) as Installable[]).filter((need) =>
    !has(need)
  );
  if (lacking.length === 0) return;
  if (await canInstall()) {
    const packages = lacking.flatMap((need) => PACKAGES[need]);
    say(`Installing ${packages.join(", ")} for the tests`);
    try {
      await withoutServices(async () => {
        await run("apt-get", "update", "-q");
        await run("apt-get", "install", "-q", "-y", ...packages);
      });
      return;
    } catch (error) {
      // Not fatal: each test names what it lacks.
      say(String(error));
    }
  }
  for (const need of lacking) {
    say(`Tests that need ${need} will be ignored: ${adviceFor(need)}`);
  }
}

async function canInstall(): Promise<boolean> {
  return Deno.build.os === "linux" && Deno.uid() === 0 &&
    await exists("/usr/bin/apt-get");
}

/** Keeps Debian from starting a Redis on port 6379 during installation. */
async function withoutServices(work: () => Promise<void>): Promise<void> {
  if (await exists(POLICY_FILE)) return await work();
  await Deno.writeTextFile(POLICY_FILE, POLICY, { mode: 0o755 });
  try {
    await work();
  } finally {
    await Deno.remove(POLICY_FILE);
  }
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await new Deno.Command(command, {
    args,
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdin: "null",
  }).output();
  if (code === 0) return;
  const decoder = new TextDecoder();
  throw new Error(
    `${command} ${args.join(" ")} ended with ${code}:\n${
      decoder.decode(stdout)
    }${decoder.decode(stderr)}`,
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
