/**
 * The assertions that the tests use: std/assert from npm, where it resolves on
 * every network, with typings of our own, since the package has none.
 *
 * @module
 */

// @ts-types="./assert.d.ts"
export { assert } from "npm:deno-std@1.4.0/assert/assert.js";
// @ts-types="./assert.d.ts"
export { assertEquals } from "npm:deno-std@1.4.0/assert/equals.js";
// @ts-types="./assert.d.ts"
export { assertExists } from "npm:deno-std@1.4.0/assert/exists.js";
// @ts-types="./assert.d.ts"
export { assertInstanceOf } from "npm:deno-std@1.4.0/assert/instance_of.js";
// @ts-types="./assert.d.ts"
export { assertMatch } from "npm:deno-std@1.4.0/assert/match.js";
// @ts-types="./assert.d.ts"
export { assertNotEquals } from "npm:deno-std@1.4.0/assert/not_equals.js";
// @ts-types="./assert.d.ts"
export { assertRejects } from "npm:deno-std@1.4.0/assert/rejects.js";
// @ts-types="./assert.d.ts"
export { assertStrictEquals } from "npm:deno-std@1.4.0/assert/strict_equals.js";
// @ts-types="./assert.d.ts"
export { assertStringIncludes } from "npm:deno-std@1.4.0/assert/string_includes.js";
// @ts-types="./assert.d.ts"
export { assertThrows } from "npm:deno-std@1.4.0/assert/throws.js";
// @ts-types="./assert.d.ts"
export { fail } from "npm:deno-std@1.4.0/assert/fail.js";
