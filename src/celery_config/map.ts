import { mapAcceptContent, mapSerializer } from "./formats.ts";
import { type CeleryConfig, resolveNames, type Setting } from "./names.ts";
import { mapRetry } from "./retry_policy.ts";
import { mapSentinel } from "./sentinel.ts";
import { mapUrl } from "./url.ts";
import {
  invalidSetting,
  isFalsy,
  toBoolean,
  toMilliseconds,
  toNumber,
  toText,
} from "./values.ts";
import { ConfigurationError } from "../errors.ts";
import type { ResultBackendOptions } from "../options.ts";
import { parseSentinelUrl, type SentinelUrl } from "../redis/sentinel/url.ts";
import { resolveHeartbeat } from "../redis/url/resolve_heartbeat.ts";
import { isSentinelUrl } from "../redis/url/scheme.ts";
import { parseRedisUrl, type RedisUrl } from "../redis/url/url.ts";
import { withoutUndefined } from "../util/without_undefined.ts";

/** The options that a Celery configuration maps to. */
export type CeleryOptions = Omit<ResultBackendOptions, "serializer"> & {
  /** Celery's `result_serializer`. The backend checks whether it knows the name. */
  serializer?: string;
};

/** The arguments of a backend. */
export interface CeleryMapping {
  /** The URL. */
  readonly url: string;
  /** The options that differ from the defaults. */
  readonly options: CeleryOptions;
}

/**
 * Maps Celery's settings to a URL and options. `settings.ts` lists what each
 * setting maps to.
 *
 * @throws {ConfigurationError} if a name is unknown, a setting has two values, or
 * a value is out of range or not supported.
 */
export function mapCeleryConfig(
  config: Record<string, unknown>,
): CeleryMapping {
  const celery = resolveNames(config);
  const { settings, transport } = celery;
  refuseUnsupported(celery);
  const url = mapUrl(settings);
  const hasSentinels = isSentinelUrl(url);
  const parsed = hasSentinels ? parseSentinelUrl(url) : parseRedisUrl(url);
  const sentinel = hasSentinels
    ? mapSentinel(celery, parsed.tls !== undefined)
    : undefined;
  const retries = mapRetry(celery);
  const serializer = mapSerializer(settings.get("result_serializer"));
  const isOrdered = toBoolean(transport.get("result_chord_ordered"));
  const joinTimeout = toNumber(settings.get("result_chord_join_timeout"), 0);
  return {
    url,
    options: withoutUndefined({
      ...retries,
      ...mapConnection(settings, parsed),
      sentinel,
      expires: mapExpires(settings.get("result_expires")),
      keyPrefix: toText(transport.get("global_keyprefix")),
      serializer: serializer === "json" ? undefined : serializer,
      acceptContent: mapAcceptContent(settings, serializer),
      resultExtended: toBoolean(settings.get("result_extended")) ?? false,
      chordOrdered: isOrdered === false ? false : undefined,
      chordJoinTimeout: joinTimeout === undefined || joinTimeout === 3
        ? undefined
        : joinTimeout * 1000,
    }),
  };
}

/** The connection options that the URL leaves out. */
function mapConnection(
  settings: CeleryConfig["settings"],
  parsed: RedisUrl | SentinelUrl,
) {
  const username = toText(settings.get("redis_username"));
  const password = toText(settings.get("redis_password"));
  const clientName = toText(settings.get("redis_client_name"));
  const connectTimeout = toMilliseconds(
    settings.get("redis_socket_connect_timeout"),
  );
  const heartbeat = resolveHeartbeat({
    heartbeat: parsed.heartbeat ??
      toMilliseconds(settings.get("redis_backend_health_check_interval")),
    socketTimeout: parsed.socketTimeout ?? readSocketTimeout(settings),
  });
  return {
    username: parsed.username === undefined ? username : undefined,
    password: parsed.password === undefined ? password : undefined,
    clientName: parsed.clientName === undefined ? clientName : undefined,
    connectTimeout: parsed.connectTimeout === undefined
      ? connectTimeout
      : undefined,
    heartbeat: heartbeat === resolveHeartbeat(parsed) ? undefined : heartbeat,
  };
}

function readSocketTimeout(
  settings: CeleryConfig["settings"],
): number | undefined {
  const setting = settings.get("redis_socket_timeout");
  const timeout = toMilliseconds(setting);
  if (
    setting === undefined || setting.value === null || timeout !== undefined
  ) {
    return timeout;
  }
  // With 0, redis-py waits for no reply at all.
  throw invalidSetting(setting, "seconds above 0, or null");
}

function mapExpires(setting: Setting | undefined): number | null | undefined {
  if (setting === undefined) return undefined;
  // Python's None is no expiry, not the default.
  if (setting.value === null) return null;
  const expected =
    "at least 1 second (the total_seconds() of a timedelta), or null (or 0) for no expiry";
  if (typeof setting.value === "object") {
    throw invalidSetting(setting, expected);
  }
  const seconds = toNumber(setting, 0);
  if (seconds === 0 || (seconds !== undefined && seconds >= 1)) return seconds;
  throw invalidSetting(setting, expected);
}

/** Rejects settings that name Python classes. */
function refuseUnsupported({ settings }: CeleryConfig): void {
  const provider = settings.get("redis_backend_credential_provider");
  if (provider !== undefined && !isFalsy(provider.value)) {
    throw new ConfigurationError(
      `Cannot use ${provider.name}: it is a Python class; leave it out, and pass the option credentials, a function, as an override`,
    );
  }
  const classes = settings.get("override_backends");
  if (
    classes !== undefined && typeof classes.value === "object" &&
    classes.value !== null && Object.hasOwn(classes.value, "redis")
  ) {
    throw new ConfigurationError(
      `Cannot use ${classes.name}: it replaces redis with a Python class`,
    );
  }
}
