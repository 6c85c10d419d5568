// std/async, from the copy that the npm registry serves: it resolves in remote
// modules and in Workers, wherever npm does. Its `mod.js` does not load, so
// each file is named by itself.

// @ts-types="./retry.d.ts"
export { retry, RetryError } from "npm:deno-std@1.4.0/async/retry.js";
