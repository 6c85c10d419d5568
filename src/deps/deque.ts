// std/data-structures, from the same copy as std/async (see async.ts).

// @ts-types="./deque.d.ts"
export { Deque } from "npm:deno-std@1.4.0/data_structures/deque.js";
