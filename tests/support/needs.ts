/**
 * Tests that need more than Deno. On a machine that lacks something, such a test
 * is ignored, and its name says what is missing. With `CI=true` it fails instead,
 * unless the need is optional. Each need is probed by running it, because it may
 * come from elsewhere than a package.
 *
 * @module
 */

/** What a test may need. */
export type Need =
  | "redis-server"
  | "redis-sentinel"
  | "redis-cli"
  | "celery"
  | "python msgpack"
  | "python yaml"
  | "openssl"
  | "DENO_REDIS_MODULE";

/**
 * The Python that has Celery: `CELERY_PYTHON`, for a virtual environment, or the
 * one that apt's `python3-celery` belongs to.
 */
export const CELERY_PYTHON: string = Deno.env.get("CELERY_PYTHON") ??
  "/usr/bin/python3";

/**
 * The module of deno.land/x/redis to test with, such as
 * `https://deno.land/x/redis@v0.41.2/mod.ts`. Without it, those tests are ignored.
 */
export const DENO_REDIS_MODULE: string | undefined =
  Deno.env.get("DENO_REDIS_MODULE") || undefined;

interface Probe {
  /** A command that succeeds if the need is met; or whether it is met. */
  found: [string, ...string[]] | boolean;
  /** Whether even CI may lack it. */
  isOptional?: boolean;
  /** How to install it. */
  advice: string;
}

const probes: Record<Need, Probe> = {
  "redis-server": {
    found: ["redis-server", "--version"],
    advice:
      "install Redis: apt-get install redis-server, or brew install redis",
  },
  "redis-sentinel": {
    found: ["redis-sentinel", "--version"],
    advice:
      "install Redis Sentinel: apt-get install redis-sentinel, or brew install redis",
  },
  "redis-cli": {
    found: ["redis-cli", "--version"],
    advice:
      "install Redis's tools: apt-get install redis-tools, or brew install redis",
  },
  "celery": {
    found: [CELERY_PYTHON, "-c", "import celery, redis"],
    advice:
      "install Celery: apt-get install python3-celery python3-redis, or set CELERY_PYTHON to a Python that has both",
  },
  "python msgpack": {
    found: [CELERY_PYTHON, "-c", "import msgpack; msgpack.packb({})"],
    advice:
      "install msgpack for Python: apt-get install python3-msgpack, or pip install msgpack where CELERY_PYTHON is",
  },
  "python yaml": {
    found: [CELERY_PYTHON, "-c", "import yaml; yaml.safe_dump({})"],
    advice:
      "install PyYAML: apt-get install python3-yaml, or pip install pyyaml where CELERY_PYTHON is",
  },
  "openssl": {
    found: ["openssl", "version"],
    advice: "install OpenSSL: apt-get install openssl, or brew install openssl",
  },
  "DENO_REDIS_MODULE": {
    found: DENO_REDIS_MODULE !== undefined,
    // Not every network reaches deno.land and jsr.io.
    isOptional: true,
    advice: "set DENO_REDIS_MODULE to https://deno.land/x/redis@v0.41.2/mod.ts",
  },
};

const found = new Map<Need, boolean>();

/** Whether the machine has it. Probes it once. */
export function has(need: Need): boolean {
  const known = found.get(need);
  if (known !== undefined) return known;
  const { found: probe } = probes[need];
  const isThere = typeof probe === "boolean" ? probe : succeeds(probe);
  found.set(need, isThere);
  return isThere;
}

/** How to install what is missing. */
export function adviceFor(need: Need): string {
  return probes[need].advice;
}

/**
 * Declares a test that needs something besides Deno.
 *
 * ```ts ignore
 * Deno.test(needs("redis-server", {
 *   name: "ResultBackend.storeResult() survives a restart",
 *   fn: async () => {},
 * }));
 * ```
 */
export function needs(
  what: Need | readonly Need[],
  test: Deno.TestDefinition,
): Deno.TestDefinition {
  const wanted = typeof what === "string" ? [what] : what;
  const lacking = wanted.filter((need) => !has(need));
  if (lacking.length === 0) return test;
  const names = lacking.join(", ");
  const isOptional = lacking.some((need) => probes[need].isOptional);
  if (isOptional || Deno.env.get("CI") !== "true") {
    return { ...test, ignore: true, name: `${test.name} [needs ${names}]` };
  }
  return {
    ...test,
    fn: () => {
      const advice = lacking.map(adviceFor).join("; ");
      throw new Error(
        `Cannot run this test without ${names}, and CI is true: ${advice}`,
      );
    },
  };
}

function succeeds([command, ...args]: [string, ...string[]]): boolean {
  try {
    return new Deno.Command(command, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
