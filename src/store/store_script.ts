/** The command that publishes a document: on a plain channel, or on a sharded one (Redis 7). */
export type PublishCommand = "PUBLISH" | "SPUBLISH";

/**
 * Stores a document and publishes it, unless the stored one is a SUCCESS. The
 * check, the write and the publication are atomic.
 *
 * The script tells the stored state from the document's first bytes. (Decoding
 * all of it would block the server for a third of a second on a document of
 * 20 MB, and fails on some documents that Python writes.) If those bytes do not
 * tell, the client reads the document, decides, and calls again with what it
 * read: a compare-and-set, which stores only if the document is unchanged.
 *
 * KEYS: the task's key. ARGV: the document; its expiry in seconds, 0 for none;
 * the {@linkcode PublishCommand}; "1" on a retry, when an equal document may be
 * this call's own, stored before its reply was lost; and, for the
 * compare-and-set, the document that the client read.
 *
 * Replies: 1, stored; 0, the stored document is a SUCCESS; 2, the client has to
 * read the stored document.
 */
export const STORE_SCRIPT =
  `local key, document, expires = KEYS[1], ARGV[1], ARGV[2]
local head = redis.call('GETRANGE', key, 0, 127)
if ARGV[5] then
  if redis.call('GET', key) ~= ARGV[5] then return 2 end
elseif head ~= '' then
  local state, last = string.match(head, '^%s*{%s*"status"%s*:%s*"([^"\\\\]*)(.?)')
  if last ~= '"' then
    local size, rest = string.match(head, '^[\\128-\\143]\\166status([\\160-\\191])(.*)')
    if not size then return 2 end
    state = string.sub(rest, 1, string.byte(size) - 160)
  end
  if state == 'SUCCESS' then
    if ARGV[4] == '1' and redis.call('GET', key) == document then return 1 end
    return 0
  end
end
if expires == '0' then
  redis.call('SET', key, document)
else
  redis.call('SETEX', key, expires, document)
end
redis.call(ARGV[3], key, document)
return 1
`;
