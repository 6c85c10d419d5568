/** Sets a time zone other than UTC until disposal: Celery before 5.5 writes times without a zone. */
export function timeZone(name: string): Disposable {
  const before = Deno.env.get("TZ");
  Deno.env.set("TZ", name);
  return {
    [Symbol.dispose](): void {
      if (before === undefined) Deno.env.delete("TZ");
      else Deno.env.set("TZ", before);
    },
  };
}
