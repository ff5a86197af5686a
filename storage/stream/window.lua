-- The rule of thermal/threshold.py, applied atomically to a batch of one stream.
-- Numbers are passed as text with 17 significant digits, which preserves every double.
--
-- KEYS  1 state (hash)   2 window by sequence (zset)   3 window by score (zset)
--       4 decisions by frame (hash)   5 decided frames by sequence (zset)
--       6 open: decided frames that may not be in the database yet, by sequence (zset)
--       7 flagged: sequence numbers of recent anomalies (zset)
-- ARGV  1 config fingerprint   2 size   3 steady quantile   4 learning quantile   5 tail
--       6 step factor   7 learn_frames   8 first threshold   9 decisions kept   10 ttl in s
--       11 frames considered for a hold   12 most of them that may be flagged without one
--       13 most open decisions
--       then, for every frame: id, score
-- Returns {} if the stream must be restored first, else {epoch, {decision, ...}, {frame, decision,
-- ...}}; the last list holds the open decisions of other batches. Fails if a key does not hold what
-- this script writes; some such keys it notices only after it has written to others.
local unpack = unpack or table.unpack -- Redis has Lua 5.1, fakeredis a later version
local state, by_seq, by_score, decisions, order, open, flagged = unpack(KEYS)
local size, steady_q, learning_q = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local tail, step, learn_frames = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local first_threshold, kept, ttl = tonumber(ARGV[8]), tonumber(ARGV[9]), ARGV[10]
local hold_frames, hold_limit, most_open = tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])

local held = redis.call('HMGET', state, 'epoch', 'config', 'seq', 'threshold', 'learned', 'settled')
if not held[1] or held[2] ~= ARGV[1] then return {} end
local epoch, seq, threshold = held[1], tonumber(held[3]), tonumber(held[4])
local learned, settled = tonumber(held[5]), held[6] == '1'

-- sizes first, so that a key of another size costs no time
local windowed, decided = redis.call('ZCARD', by_score), redis.call('HLEN', decisions)
if windowed > size or windowed ~= redis.call('ZCARD', by_seq)
  or redis.call('ZCARD', flagged) > hold_frames
  or decided ~= redis.call('ZCARD', order) or decided > 2 * kept + most_open
  or redis.call('ZCARD', open) > most_open
then
  return redis.error_reply('MALFORMED the keys of the stream do not fit together')
end

local function text(number) return string.format('%.17g', number) end

local function score_of(member) return tonumber(string.sub(member, string.find(member, ':') + 1)) end

local function quantile(n, q)
  local position = q * (n - 1)
  local low = math.floor(position)
  local pair = redis.call('ZRANGE', by_score, low, low + 1)
  local lower = score_of(pair[1])
  if low + 1 >= n then return lower end
  return lower + (score_of(pair[2]) - lower) * (position - low)
end

local function enter(score_text)
  local member = seq .. ':' .. score_text
  redis.call('ZADD', by_seq, seq, member)
  redis.call('ZADD', by_score, score_text, member)
  local excess = redis.call('ZCARD', by_seq) - size
  if excess > 0 then
    local oldest = redis.call('ZRANGE', by_seq, 0, excess - 1)
    redis.call('ZREM', by_seq, unpack(oldest))
    redis.call('ZREM', by_score, unpack(oldest))
  end
end

local function decide(score_text)
  local score, previous = tonumber(score_text), threshold
  local n = redis.call('ZCARD', by_score)
  local learning = learned < learn_frames
  local held = settled and not learning and redis.call('ZCARD', flagged) > hold_limit
  local body = 0
  if learning then
    if n > 0 then body = quantile(n, learning_q) end
    threshold = math.max(first_threshold, body * tail)
  else
    body = quantile(n, steady_q)
    threshold = body * tail
    if held then
      threshold = previous
    elseif settled then
      threshold = math.min(math.max(threshold, previous / step), previous * step)
    end
  end
  local exceeding = redis.call('ZCOUNT', by_score, score_text, '+inf')
  local anomaly = score > threshold
  seq = seq + 1
  if learning then learned = n + 1 end
  settled = not learning
  if anomaly then redis.call('ZADD', flagged, seq, seq) end
  redis.call('ZREMRANGEBYSCORE', flagged, '-inf', seq - hold_frames)
  if learning or not (anomaly or held) then enter(score_text) end
  return table.concat({
    seq, score_text, text(previous), text(threshold), text(body), n, exceeding,
    anomaly and 1 or 0, learning and 1 or 0, held and 1 or 0,
  }, ' ')
end

local answers, mine = {}, {}
for i = 14, #ARGV, 2 do
  local frame = ARGV[i]
  local decision = redis.call('HGET', decisions, frame)
  if not decision then
    decision = decide(ARGV[i + 1])
    redis.call('HSET', decisions, frame, decision)
    redis.call('ZADD', order, seq, frame)
    redis.call('ZADD', open, seq, frame)
  end
  answers[#answers + 1] = decision
  mine[frame] = true
end
redis.call('HSET', state, 'seq', seq, 'threshold', text(threshold), 'learned', learned,
  'settled', settled and '1' or '0')

local others = {}
for _, frame in ipairs(redis.call('ZRANGE', open, 0, -1)) do
  if not mine[frame] then
    others[#others + 1] = frame
    others[#others + 1] = redis.call('HGET', decisions, frame)
  end
end

for _, frame in ipairs(redis.call('ZRANGEBYSCORE', order, '-inf', seq - kept)) do
  if not redis.call('ZSCORE', open, frame) then
    redis.call('HDEL', decisions, frame)
    redis.call('ZREM', order, frame)
  end
end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ttl) end
return {epoch, answers, others}
