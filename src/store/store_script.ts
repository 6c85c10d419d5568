/** Where a document is published: on a channel, or on a sharded one, which Redis has from 7. */
export type PublishCommand = "PUBLISH" | "SPUBLISH";

/**
 * Stores a document and publishes it, unless a SUCCESS stands: check, write
 * and publication are one.
 *
 * It settles the state of what stands from its first bytes. (Decoding it whole
 * would hold the server for a third of a second on a document of 20 MB, and
 * fails on some that Python writes.) Where these do not tell, the client reads
 * the document and calls again with the bytes that it saw: they still have to
 * stand.
 *
 * KEYS: the task's key. ARGV: the document; the seconds it is kept, 0 for
 * ever; "1" if an equal document may be this very call's, whose reply was
 * lost; and, if the client has judged it, the document that stands.
 *
 * Replies: 1, stored; 0, a SUCCESS stands; 2, the client has to judge.
 */
export const STORE_SCRIPT: string = storeScript("PUBLISH");

/** The same, published on the sharded channel. */
export const SHARDED_STORE_SCRIPT: string = storeScript("SPUBLISH");

function storeScript(publish: PublishCommand): string {
  return `local key, document, expires = KEYS[1], ARGV[1], ARGV[2]
local head = redis.call('GETRANGE', key, 0, 127)
if ARGV[4] then
  if redis.call('GET', key) ~= ARGV[4] then return 2 end
elseif head ~= '' then
  local state, last = string.match(head, '^%s*{%s*"status"%s*:%s*"([^"\\\\]*)(.?)')
  if last ~= '"' then
    local size, rest = string.match(head, '^[\\128-\\143]\\166status([\\160-\\191])(.*)')
    if not size then return 2 end
    state = string.sub(rest, 1, string.byte(size) - 160)
  end
  if state == 'SUCCESS' then
    if ARGV[3] == '1' and redis.call('GET', key) == document then return 1 end
    return 0
  end
end
if expires == '0' then
  redis.call('SET', key, document)
else
  redis.call('SETEX', key, expires, document)
end
redis.call('${publish}', key, document)
return 1
`;
}
