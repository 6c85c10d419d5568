import { ConfigurationError } from "../errors.ts";
import { closest } from "../util/nearest.ts";
import {
  type PolicyName,
  RETRY_POLICY,
  type SettingName,
  SETTINGS,
  type SettingUse,
  TRANSPORT_OPTIONS,
  type TransportName,
} from "./settings.ts";

/** A setting as the configuration has it. */
export interface Setting {
  /** Its name, as written. */
  readonly name: string;
  /** Its value. */
  readonly value: unknown;
}

/** The settings about results, by Celery's new names. */
export interface CeleryConfig {
  /** The settings. */
  readonly settings: ReadonlyMap<SettingName, Setting>;
  /** The keys of `result_backend_transport_options`. */
  readonly transport: ReadonlyMap<TransportName, Setting>;
  /** The keys of its `retry_policy`. */
  readonly policy: ReadonlyMap<PolicyName, Setting>;
}

/** How the names of settings about other parts of Celery begin. */
const UNRELATED_PREFIXES =
  /^(arangodb|azureblockblob|beat|broker|cache|cassandra|control|cosmosdbsql|couchbase|couchdb|database|dynamodb|elasticsearch|events?|gcs|mongodb|s3|security|task|worker)_/;

/** Other settings that are not about results. */
const UNRELATED: ReadonlySet<string> = new Set([
  "enable_utc",
  "imports",
  "include",
  "timezone",
  "visibility_timeout",
]);

/** How the old names of other settings begin: of the worker, beat, the monitor, and Django's Celery apps. */
const OLD_UNRELATED_PREFIXES = /^(CELERYD|CELERYBEAT|CELERYMON|DJANGO_CELERY)_/;

/** Old names of other settings, without `CELERY_`. */
const OLD_UNRELATED: ReadonlySet<string> = new Set([
  "ACKS_LATE",
  "ACKS_ON_FAILURE",
  "ACKS_ON_FAILURE_OR_TIMEOUT",
  "ACKS_ON_TIMEOUT",
  "ALLOW_ERROR_CB_ON_CHORD_HEADER",
  "ALWAYS_EAGER",
  "ANNOTATIONS",
  "CREATE_MISSING_QUEUES",
  "CREATE_MISSING_QUEUE_EXCHANGE_TYPE",
  "CREATE_MISSING_QUEUE_TYPE",
  "DEFAULT_DELIVERY_MODE",
  "DEFAULT_EXCHANGE",
  "DEFAULT_EXCHANGE_TYPE",
  "DEFAULT_PRIORITY",
  "DEFAULT_QUEUE",
  "DEFAULT_QUEUE_TYPE",
  "DEFAULT_RATE_LIMIT",
  "DEFAULT_ROUTING_KEY",
  "DISABLE_RATE_LIMITS",
  "EAGER_PROPAGATES_EXCEPTIONS",
  "ENABLE_REMOTE_CONTROL",
  "IGNORE_RESULT",
  "INHERIT_PARENT_PRIORITY",
  "MESSAGE_COMPRESSION",
  "QUEUES",
  "QUEUE_MAX_PRIORITY",
  "REDIRECT_STDOUTS",
  "REDIRECT_STDOUTS_LEVEL",
  "REJECT_ON_WORKER_LOST",
  "RESULT_DBURI",
  "RESULT_DB_SHORT_LIVED_SESSIONS",
  "RESULT_DB_TABLENAMES",
  "RESULT_ENGINE_OPTIONS",
  "ROUTES",
  "SEND_EVENTS",
  "SEND_TASK_SENT_EVENT",
  "STORE_EAGER_RESULT",
  "STORE_ERRORS_EVEN_IF_IGNORED",
  "TRACK_STARTED",
]);

const OLD_NAMES: ReadonlyMap<string, SettingName> = oldNames();

/**
 * Resolves a configuration to Celery's new names. Names may be new, old, or in
 * Django's form (`CELERY_` and the new name in capitals). Celery's settings that
 * are not about results are ignored.
 *
 * @throws {ConfigurationError} if there are unknown names, which are all listed
 * with the closest known one, or if a setting has two different values under two
 * names.
 */
export function resolveNames(config: Record<string, unknown>): CeleryConfig {
  const unknown: string[] = [];
  let hasDjango = false;
  const settings = new Map<SettingName, Setting>();
  for (const [name, value] of toEntries("the Celery configuration", config)) {
    if (value === undefined) continue;
    const setting = findSetting(name);
    if (setting === undefined) {
      if (isUnrelated(name)) continue;
      unknown.push(describeUnknown(name, "", SETTINGS));
      hasDjango ||= isDjangoSetting(name);
      continue;
    }
    const before = settings.get(setting);
    if (before !== undefined && !isEqual(before.value, value)) {
      throw new ConfigurationError(
        `Cannot use both ${before.name} and ${name}: they are the same setting, and their values differ`,
      );
    }
    settings.set(setting, { name, value });
  }
  const transport = readMembers(
    settings.get("result_backend_transport_options"),
    TRANSPORT_OPTIONS,
    unknown,
  );
  const policy = readMembers(
    transport.get("retry_policy"),
    RETRY_POLICY,
    unknown,
  );
  if (unknown.length > 0) {
    throw new ConfigurationError(
      `Cannot use the Celery configuration, which has unknown names: ${
        unknown.join(", ")
      }${
        hasDjango
          ? ". Of Django's settings, pass only those that begin with CELERY_"
          : ""
      }`,
    );
  }
  return { settings, transport, policy };
}

/** The members of a setting that is an object. */
function readMembers<Name extends string>(
  setting: Setting | undefined,
  known: Readonly<Record<Name, SettingUse>>,
  unknown: string[],
): Map<Name, Setting> {
  const parts = new Map<Name, Setting>();
  if (setting === undefined || setting.value === null) return parts;
  for (const [key, value] of toEntries(setting.name, setting.value)) {
    const name = `${setting.name}.${key}`;
    if (!isKey(known, key)) {
      unknown.push(describeUnknown(key, `${setting.name}.`, known));
    } else if (value !== undefined) parts.set(key, { name, value });
  }
  return parts;
}

function toEntries(name: string, value: unknown): [string, unknown][] {
  if (
    typeof value === "object" && value !== null && !Array.isArray(value)
  ) return Object.entries(value);
  throw new ConfigurationError(
    `Cannot use ${name}: expected an object of names and values`,
  );
}

function findSetting(name: string): SettingName | undefined {
  if (isKey(SETTINGS, name)) return name;
  const old = OLD_NAMES.get(name);
  if (old !== undefined) return old;
  const bare = withoutNamespace(name)?.toLowerCase();
  return bare !== undefined && isKey(SETTINGS, bare) ? bare : undefined;
}

/** Whether a setting is Celery's, but not about results in Redis. */
function isUnrelated(name: string): boolean {
  const bare = withoutNamespace(name);
  if (bare !== undefined) {
    const lower = bare.toLowerCase();
    return UNRELATED_PREFIXES.test(lower) || UNRELATED.has(lower) ||
      OLD_UNRELATED.has(bare);
  }
  if (OLD_UNRELATED_PREFIXES.test(name)) return true;
  // Old names without `CELERY_` are the new ones in capitals.
  const lower = name === name.toUpperCase() ? name.toLowerCase() : name;
  return UNRELATED_PREFIXES.test(lower) || UNRELATED.has(lower);
}

/** A name in capitals without its `CELERY_`; undefined for any other name. */
function withoutNamespace(name: string): string | undefined {
  return /^CELERY_([A-Z0-9_]+)$/.exec(name)?.[1];
}

function describeUnknown(name: string, before: string, known: object): string {
  const close = closest(withoutNamespace(name) ?? name, Object.keys(known));
  const shown = JSON.stringify(before + name);
  return close === undefined
    ? shown
    : `${shown} (did you mean ${before}${close}?)`;
}

/** Whether the name is like those of Django's own settings: the caller may have passed the whole module. */
function isDjangoSetting(name: string): boolean {
  return /^[A-Z][A-Z0-9_]*$/.test(name) && withoutNamespace(name) === undefined;
}

function isKey<Name extends string>(
  known: Readonly<Record<Name, SettingUse>>,
  name: string,
): name is Name {
  return Object.hasOwn(known, name);
}

/** Whether two values are equal. Values that cannot be compared, such as cyclic ones, are not. */
function isEqual(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object") return false;
  try {
    return toJson(one) === toJson(other);
  } catch {
    return false;
  }
}

function toJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_, member) => typeof member === "bigint" ? `${member}n` : member,
  );
}

function oldNames(): Map<string, SettingName> {
  const names = new Map<string, SettingName>();
  // Object.keys() of the table.
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const use: SettingUse = SETTINGS[name];
    for (const old of use.old ?? []) names.set(old, name);
  }
  return names;
}
