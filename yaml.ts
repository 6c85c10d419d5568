/**
 * YAML, for where Celery's `result_serializer` is `yaml`. An entry of its own,
 * so that only those who import it load a YAML parser. It needs no permission.
 *
 * @module
 */

export { yaml } from "./src/formats/yaml/yaml.ts";

export type { Serializer } from "./src/formats/custom.ts";
