/**
 * Returns a chord's part, and counts, as one: nothing if another has claimed
 * the chord; otherwise the part is there once, however often it was returned.
 *
 * In a sorted set, an equal part is the same member. One that another run of
 * the same task returned has the same score: the client judges those, and calls
 * again with what it saw, which still has to stand. (Which task a part is of
 * depends on the serializer, which Lua does not know.) In a list, equal parts
 * are removed first.
 *
 * KEYS: the parts, the extra parts, the size, the claim; or the parts alone, in
 * a cluster where they are at several nodes. ARGV: the part; its
 * score, empty for a list; the seconds that all are kept, 0 for ever; the
 * caller's claim; "1" if the part is to be added; one character for each part
 * that the client judged, "x" if it goes; these parts.
 *
 * Replies: ["claimed", by whom]; ["judge", parts...]; or ["counted", parts,
 * extra parts or nil, size or nil, claim or nil].
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
    local judged = #others == #ARGV - 6
    for i, other in ipairs(others) do
      judged = judged and other == ARGV[6 + i]
    end
    if not judged then
      table.insert(others, 1, 'judge')
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
