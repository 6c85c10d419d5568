import { hashDocument } from "../../src/source/document_hash.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { seededRandom } from "../support/seeded_random.ts";

Deno.test("hashDocument returns a safe integer, the same for equal documents", () => {
  for (
    const document of ["", "a", "{}", "\u00fc\u{1f600}", new Uint8Array(3)]
  ) {
    const hash = hashDocument(document);
    assert(Number.isSafeInteger(hash) && hash >= 0);
    assertEquals(hashDocument(document.slice()), hash);
  }
});

Deno.test("hashDocument distinguishes documents that differ little", () => {
  const random = seededRandom(1);
  const base = JSON.stringify({ status: "PROGRESS", result: { done: 0 } });
  const documents = new Set<string>([base, "", "\0", "\0\0"]);
  for (let i = 0; i < 50_000; i++) {
    documents.add(base.replace("0", String(i)));
    const at = Math.trunc(random() * base.length);
    documents.add(
      base.slice(0, at) + String.fromCharCode(random() * 128) +
        base.slice(at + 1),
    );
  }
  for (let i = 0; i < base.length; i++) {
    documents.add(base.slice(0, i) + base.slice(i + 1));
    documents.add(
      base.slice(0, i) + base.slice(i + 1, i + 2) + base[i] + base.slice(i + 2),
    );
  }
  assertEquals(new Set([...documents].map(hashDocument)).size, documents.size);
});
