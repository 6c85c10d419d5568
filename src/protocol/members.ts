/**
 * The members of a document that not every document has, and what becomes of
 * those that nobody expects.
 *
 * @module
 */

import type { EventOrigin, MetaFields } from "./meta.ts";
import { isDict } from "../formats/is_dict.ts";
import { setOwn } from "../formats/own_property.ts";

/** A meta or an event that is being made, before its type is narrowed by its state. */
export interface Shape extends MetaFields {
  /** The state, any. */
  state: string;
  /** Whether it is ready. */
  ready: boolean;
  /** What goes with the state. */
  result: unknown;
  /** Where an event came from; a meta has none. */
  origin?: EventOrigin;
}

/** Sets the member of `meta` that stands at `key` in the document; what has no name of its own goes to `extra`. */
export function readMember(meta: Shape, key: string, value: unknown): void {
  switch (key) {
    case "group_id":
      if (typeof value === "string") meta.groupId = value;
      else keep(meta, key, value);
      break;
    case "parent_id":
      if (typeof value === "string") meta.parentId = value;
      else keep(meta, key, value);
      break;
    case "name":
      if (typeof value === "string") meta.name = value;
      else keep(meta, key, value);
      break;
    case "args":
      if (Array.isArray(value)) meta.args = value;
      else keep(meta, key, value);
      break;
    case "kwargs":
      if (isDict(value)) meta.kwargs = value;
      else keep(meta, key, value);
      break;
    case "worker":
      if (typeof value === "string") meta.worker = value;
      else keep(meta, key, value);
      break;
    case "retries":
      if (typeof value === "number") meta.retries = value;
      else keep(meta, key, value);
      break;
    case "queue":
      if (typeof value === "string") meta.queue = value;
      else keep(meta, key, value);
      break;
    default:
      setOwn(meta.extra, key, value);
  }
}

/** Keeps a known member of the wrong type; null only says that there is none. */
export function keep(meta: Shape, key: string, value: unknown): void {
  if (value !== null) setOwn(meta.extra, key, value);
}
