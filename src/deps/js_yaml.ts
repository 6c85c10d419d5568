// A YAML parser that asks for no permission, and whose tags can all be replaced.

// @ts-types="./js_yaml.d.ts"
export {
  FAILSAFE_SCHEMA,
  load,
  type Schema,
  Type,
  YAMLException,
} from "npm:js-yaml@4.1.1";
