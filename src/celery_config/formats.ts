import type { CeleryConfig, Setting } from "./names.ts";
import { invalidSetting, toText } from "./values.ts";
import { ConfigurationError } from "../errors.ts";

/** The formats of results, by kombu's names for them. */
const FORMATS: ReadonlyMap<string, string> = new Map([
  ["json", "json"],
  ["application/json", "json"],
  ["msgpack", "msgpack"],
  ["application/x-msgpack", "msgpack"],
  ["yaml", "yaml"],
  ["application/x-yaml", "yaml"],
]);

/** The option `serializer`: the format that results are stored in. */
export function mapSerializer(setting: Setting | undefined): string {
  const name = toText(setting) ?? "json";
  const format = FORMATS.get(name);
  if (setting === undefined || format !== undefined) return format ?? name;
  const why = name === "pickle" || name === "application/x-python-serialize"
    ? ": pickles are never read, since reading one can run any code"
    : "";
  throw invalidSetting(setting, `json, msgpack or yaml${why}`);
}

/** The option `acceptContent`: the formats of results, or else of all messages; undefined for json alone. */
export function mapAcceptContent(
  settings: CeleryConfig["settings"],
  serializer: string,
): string[] | undefined {
  const own = settings.get("result_accept_content");
  const isOwn = own !== undefined && own.value !== null;
  const setting = isOwn ? own : settings.get("accept_content");
  if (setting === undefined || setting.value === null) return undefined;
  const { name, value } = setting;
  if (!Array.isArray(value)) {
    throw invalidSetting(setting, "a list of formats");
  }
  const names: unknown[] = value;
  const formats = new Set<string>();
  for (const each of names) {
    const format = typeof each === "string" ? FORMATS.get(each) : undefined;
    // Messages may have formats that results do not.
    if (format !== undefined) formats.add(format);
  }
  if (formats.size === 0) {
    throw new ConfigurationError(
      `Cannot use ${name}: it accepts none of json, msgpack and yaml, the formats that results can have`,
    );
  }
  // Many applications accept messages in YAML but store no results in it, and
  // Celery reads results in their own format only.
  if (!isOwn && formats.has(serializer) && serializer !== "yaml") {
    formats.delete("yaml");
  }
  return formats.size === 1 && formats.has("json") ? undefined : [...formats];
}
