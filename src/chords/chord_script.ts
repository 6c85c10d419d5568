/**
 * Adds a part to a chord and counts the parts, atomically. It changes nothing
 * if another call has claimed the chord, and it is idempotent: a part that
 * returns again is counted once.
 *
 * In a sorted set, an equal part is the same member. A different part with the
 * same score may be from another run of the same task, which the script cannot
 * tell, since the serializer decides how a part names its task. It replies with
 * these parts; the client decides which of them to replace, and calls again
 * with what it read: a compare-and-set, which counts only if they are
 * unchanged. In a list, equal parts are removed first.
 *
 * KEYS: the parts, the extra parts, the size, the claim; or the parts alone, in
 * a cluster where the keys are on several nodes. ARGV: the part; its score,
 * empty for a list; the expiry of all keys in seconds, 0 for none; the caller's
 * claim; "1" to add the part; one character for each part that the client read,
 * "x" to remove it; these parts.
 *
 * Replies: ["claimed", the other claim]; ["conflict", parts...]; or ["counted",
 * parts, extra parts or nil, size or nil, claim or nil].
 */
export const CHORD_SCRIPT =
  `local parts, extra, size, claim = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local part, score, expires = ARGV[1], ARGV[2], ARGV[3]
local function get(key) return key and redis.call('GET', key) end
local claimed = get(claim)
if claimed and claimed ~= ARGV[4] then return {'claimed', claimed} end
local count
if score == '' then
  redis.call('LREM', parts, 0, part)
  count = redis.call('RPUSH', parts, part)
else
  if score ~= '+inf' and not redis.call('ZSCORE', parts, part) then
    local others = redis.call('ZRANGEBYSCORE', parts, score, score)
    local unchanged = #others == #ARGV - 6
    for i, other in ipairs(others) do
      unchanged = unchanged and other == ARGV[6 + i]
    end
    if not unchanged then
      table.insert(others, 1, 'conflict')
      return others
    end
    for i, other in ipairs(others) do
      if string.sub(ARGV[6], i, i) == 'x' then redis.call('ZREM', parts, other) end
    end
  end
  if ARGV[5] == '1' then redis.call('ZADD', parts, score, part) end
  count = redis.call('ZCOUNT', parts, '-inf', '+inf')
end
local extras, total = get(extra), get(size)
if expires ~= '0' then
  for i = 1, math.min(#KEYS, 3) do redis.call('EXPIRE', KEYS[i], expires) end
end
return {'counted', count, extras, total, claimed}
`;
