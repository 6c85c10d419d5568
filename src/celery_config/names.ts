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

/** A value, and the name that the configuration gives it. */
export interface Given {
  /** The name as it was written. */
  readonly name: string;
  /** What it was given. */
  readonly value: unknown;
}

/** What of a configuration is about results, by Celery's new names. */
export interface GivenSettings {
  /** The settings. */
  readonly settings: ReadonlyMap<SettingName, Given>;
  /** The keys of `result_backend_transport_options`. */
  readonly transport: ReadonlyMap<TransportName, Given>;
  /** The keys of its `retry_policy`. */
  readonly policy: ReadonlyMap<PolicyName, Given>;
}

/** The parts of Celery that its other settings are about: the names begin with these. */
const FAMILIES =
  /^(arangodb|azureblockblob|beat|broker|cache|cassandra|control|cosmosdbsql|couchbase|couchdb|database|dynamodb|elasticsearch|events?|gcs|mongodb|s3|security|task|worker)_/;

/** Other settings that have no family. */
const ALONE: ReadonlySet<string> = new Set([
  "enable_utc",
  "imports",
  "include",
  "timezone",
  "visibility_timeout",
]);

/** Old names whose beginning tells: the worker, beat, the monitor; and those of Django's Celery apps. */
const OLD_FAMILIES = /^(CELERYD|CELERYBEAT|CELERYMON|DJANGO_CELERY)_/;

/** Old names of settings about tasks and workers, behind `CELERY_`. */
const OLD_ALONE: ReadonlySet<string> = new Set([
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
 * Sorts a configuration by Celery's new names: new, old, and in the form that
 * Django's settings have (`CELERY_` and the new name in capitals). What is
 * Celery's but not about results is left out.
 *
 * @throws {ConfigurationError} if there are names that nobody knows: all of
 * them are listed, with the one that was probably meant; if one setting was given two
 * values under two names.
 */
export function givenSettings(config: Record<string, unknown>): GivenSettings {
  const unknown: string[] = [];
  let hasDjango = false;
  const settings = new Map<SettingName, Given>();
  for (const [name, value] of entriesOf("the Celery configuration", config)) {
    if (value === undefined) continue;
    const setting = settingOf(name);
    if (setting === undefined) {
      if (isOther(name)) continue;
      unknown.push(hint(name, "", SETTINGS));
      hasDjango ||= isOfDjango(name);
      continue;
    }
    const before = settings.get(setting);
    if (before !== undefined && !isSame(before.value, value)) {
      throw new ConfigurationError(
        `Cannot use both ${before.name} and ${name}: they are the same setting, and their values differ`,
      );
    }
    settings.set(setting, { name, value });
  }
  const transport = partsOf(
    settings.get("result_backend_transport_options"),
    TRANSPORT_OPTIONS,
    unknown,
  );
  const policy = partsOf(transport.get("retry_policy"), RETRY_POLICY, unknown);
  if (unknown.length > 0) {
    throw new ConfigurationError(
      `Cannot use the Celery configuration, which has names that nobody knows: ${
        unknown.join(", ")
      }${
        hasDjango
          ? ". Of Django's settings, hand over those that begin with CELERY_"
          : ""
      }`,
    );
  }
  return { settings, transport, policy };
}

/** The members of a setting that is a dictionary. */
function partsOf<Name extends string>(
  given: Given | undefined,
  known: Readonly<Record<Name, SettingUse>>,
  unknown: string[],
): Map<Name, Given> {
  const parts = new Map<Name, Given>();
  if (given === undefined || given.value === null) return parts;
  for (const [key, value] of entriesOf(given.name, given.value)) {
    const name = `${given.name}.${key}`;
    if (!isKey(known, key)) unknown.push(hint(key, `${given.name}.`, known));
    else if (value !== undefined) parts.set(key, { name, value });
  }
  return parts;
}

function entriesOf(name: string, value: unknown): [string, unknown][] {
  if (
    typeof value === "object" && value !== null && !Array.isArray(value)
  ) return Object.entries(value);
  throw new ConfigurationError(
    `Cannot use ${name}: expected an object of names and values`,
  );
}

function settingOf(name: string): SettingName | undefined {
  if (isKey(SETTINGS, name)) return name;
  const old = OLD_NAMES.get(name);
  if (old !== undefined) return old;
  const own = behindNamespace(name)?.toLowerCase();
  return own !== undefined && isKey(SETTINGS, own) ? own : undefined;
}

/** Whether it is Celery's, but not about results in Redis. */
function isOther(name: string): boolean {
  const own = behindNamespace(name);
  if (own !== undefined) {
    const lower = own.toLowerCase();
    return FAMILIES.test(lower) || ALONE.has(lower) || OLD_ALONE.has(own);
  }
  if (OLD_FAMILIES.test(name)) return true;
  // Old names without `CELERY_` are the new ones in capitals.
  const lower = name === name.toUpperCase() ? name.toLowerCase() : name;
  return FAMILIES.test(lower) || ALONE.has(lower);
}

/** What follows `CELERY_`, if that is where a name in capitals begins. */
function behindNamespace(name: string): string | undefined {
  return /^CELERY_([A-Z0-9_]+)$/.exec(name)?.[1];
}

function hint(name: string, before: string, known: object): string {
  const close = closest(behindNamespace(name) ?? name, Object.keys(known));
  const shown = JSON.stringify(before + name);
  return close === undefined
    ? shown
    : `${shown} (did you mean ${before}${close}?)`;
}

/** Whether it is named as Django's own settings are: somebody handed over the whole module. */
function isOfDjango(name: string): boolean {
  return /^[A-Z][A-Z0-9_]*$/.test(name) && behindNamespace(name) === undefined;
}

function isKey<Name extends string>(
  known: Readonly<Record<Name, SettingUse>>,
  name: string,
): name is Name {
  return Object.hasOwn(known, name);
}

/** Whether two values mean the same. Those that cannot be compared, such as cyclic ones, do not. */
function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object") return false;
  try {
    return jsonOf(one) === jsonOf(other);
  } catch {
    return false;
  }
}

function jsonOf(value: unknown): string {
  return JSON.stringify(
    value,
    (_, member) => typeof member === "bigint" ? `${member}n` : member,
  );
}

function oldNames(): Map<string, SettingName> {
  const names = new Map<string, SettingName>();
  // The table's own keys.
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const use: SettingUse = SETTINGS[name];
    for (const old of use.old ?? []) names.set(old, name);
  }
  return names;
}
