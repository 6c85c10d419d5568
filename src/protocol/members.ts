/**
 * Reads the optional members of a document, and keeps the unknown ones.
 *
 * @module
 */

import { isDict } from "../formats/is_dict.ts";
import { setOwn } from "../formats/own_property.ts";
import type { AnyMeta } from "./any_meta.ts";

/** Sets the member of `meta` for the document's member `key`; an unknown one goes to `extra`. */
export function readMember(meta: AnyMeta, key: string, value: unknown): void {
  switch (key) {
    case "group_id":
      if (typeof value === "string") meta.groupId = value;
      else keepAsExtra(meta, key, value);
      break;
    case "parent_id":
      if (typeof value === "string") meta.parentId = value;
      else keepAsExtra(meta, key, value);
      break;
    case "name":
      if (typeof value === "string") meta.name = value;
      else keepAsExtra(meta, key, value);
      break;
    case "args":
      if (Array.isArray(value)) meta.args = value;
      else keepAsExtra(meta, key, value);
      break;
    case "kwargs":
      if (isDict(value)) meta.kwargs = value;
      else keepAsExtra(meta, key, value);
      break;
    case "worker":
      if (typeof value === "string") meta.worker = value;
      else keepAsExtra(meta, key, value);
      break;
    case "retries":
      if (typeof value === "number") meta.retries = value;
      else keepAsExtra(meta, key, value);
      break;
    case "queue":
      if (typeof value === "string") meta.queue = value;
      else keepAsExtra(meta, key, value);
      break;
    default:
      setOwn(meta.extra, key, value);
  }
}

/** Adds a known member of the wrong type to `extra`; null means that it is missing. */
export function keepAsExtra(meta: AnyMeta, key: string, value: unknown): void {
  if (value !== null) setOwn(meta.extra, key, value);
}
