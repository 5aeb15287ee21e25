-- Frames in and out, and their answers.
--   owned:<owner>, held:<owner>     sorted set of ids by index; hash: n:<kind> and bytes
--   answer:<id>, tagged:...         hash of an answer; newest answers with a tag, by their index
--   paces, paces_learned            hash and sorted set: seconds a megapixel-step
--   progress:<id>, stop:<id>        of running jobs
--   joining                         as idle, of workers that run jobs which others may join: they
--                                   are handed nothing, and are woken where no other waits
--   idle, idle_workers              sorted set: what wakes a worker, the token of its next lease, by
--                                   until when it waits; hash: token -> JSON of the worker, what it
--                                   has in memory, its channel. In memory alone, as offer:<token>,
--                                   the frame that the worker was handed, and offers, such frames
--                                   by until when it must come; after a restart their leases end
local MAX_TAGGED = 1000 -- answers that are found by one tag and value
local MAX_TAG_VALUE = 200 -- bytes

-- A charge waits in the stream for the ledger: JSON of webapp/queues/charge_codec.py.
local function add_charge(facts)
    if call('XLEN', P .. 'charges') >= args.max_charges then
        acts.count_up('charges_dropped', '{}', '{}', 1)
    else
        call('XADD', P .. 'charges', '*', 'facts', facts)
    end
end

acts.remove_charges = function()
    for _, entry in ipairs(args.charges) do
        call('XDEL', P .. 'charges', entry)
    end
    for _, each in ipairs(args.times) do -- name, text as it was read
        if call('HGET', P .. 'busy_times', each[1]) == each[2] then
            call('HDEL', P .. 'busy_times', each[1])
        end
    end
end

-- Charges a delivery that nothing came of. gpu_seconds as its worker told them, else nil.
local function charge_unanswered(id, outcome, ended_at, gpu_seconds)
    local row = call('HMGET', frame_key(id), 'owner', 'kind', 'checkpoint', 'tags', 'put_at',
                     'leased_at', 'worker', 'token')
    if row[8] then
        local leased_at = tonumber(row[6])
        gpu_seconds = tonumber(gpu_seconds) or ended_at - leased_at
        add_charge(cjson.encode({
            job = id, delivery = row[8], user = row[1], kind = row[2], model = row[3],
            group = cjson.decode(row[4])._group or '', worker = row[7], outcome = outcome,
            status = 0, ended_at = ended_at, gpu_seconds = math.max(gpu_seconds, 0),
            queue_seconds = math.max(leased_at - tonumber(row[5]), 0)}))
    end
end

local function delivery_time(moment)
    return string.format('%.0f', (moment - args.shift) * 1000)
end

local function remove_frame(id)
    local row = call('HMGET', frame_key(id), 'index', 'owner', 'kind', 'body_bytes')
    if is_waiting(id) then
        remove_waiting(id)
    end
    call('XACK', P .. 'frames', GROUP, stream_id(row[1]))
    call('XDEL', P .. 'frames', stream_id(row[1]))
    call('ZREM', P .. 'offers', id)
    call('ZREM', P .. 'owned:' .. row[2], id)
    call('SREM', P .. 'leased', id)
    local held = P .. 'held:' .. row[2]
    call('HINCRBY', held, 'bytes', 0 - tonumber(row[4]))
    if call('HINCRBY', held, 'n:' .. row[3], -1) <= 0 then
        call('HDEL', held, 'n:' .. row[3])
    end
    if call('HLEN', held) == 1 then
        call('DEL', held) -- the bytes of nothing
    end
    call('DEL', frame_key(id), P .. 'body:' .. id)
    publish_lag()
end

-- The answer of a frame that was made of an entry goes into the sink of the entries instead.
local function store_answer(id, status, content_type, body)
    local row = call('HMGET', frame_key(id), 'index', 'owner', 'tags')
    if not deliver_result(id, status, body) then
        local index, milliseconds = call('INCR', P .. 'answer_index'), args.answer_seconds * 1000
        local kept = string.format('%.0f', milliseconds)
        call('HSET', P .. 'answer:' .. id, 'status', status, 'content_type', content_type, 'id', id,
             'index', index, 'frame_index', row[1], 'owner', row[2], 'tags', row[3],
             'made_at', seconds_text(NOW), 'body', body)
        call('PEXPIRE', P .. 'answer:' .. id, kept)
        for tag, value in pairs(cjson.decode(row[3])) do
            if #value <= MAX_TAG_VALUE then
                local tagged = P .. 'tagged:' .. #tag .. ':' .. tag .. ':' .. value
                call('ZADD', tagged, index, id)
                call('ZREMRANGEBYRANK', tagged, 0, -MAX_TAGGED - 1)
                call('PEXPIRE', tagged, kept)
            end
        end
    end
    call('DEL', P .. 'progress:' .. id, P .. 'stop:' .. id)
    remove_frame(id)
    ring(id)
end

local function is_kept(made_at)
    return made_at and tonumber(made_at) > NOW - args.answer_seconds
end

local function forget_idle(token)
    call('ZREM', P .. 'idle', token)
    call('ZREM', P .. 'joining', token)
    call('HDEL', P .. 'idle_workers', token)
end

local function wake_joining()
    for _, token in ipairs(call('ZRANGE', P .. 'joining', 0, -1)) do
        local worker = cjson.decode(call('HGET', P .. 'idle_workers', token))
        write_to_memory()
        forget_idle(token)
        write_to_log()
        call('PUBLISH', worker.channel, token)
    end
end

-- Wakes one worker that waits, by its own channel: the one that said so last is the likeliest to
-- live. It says so again if it finds nothing.
local function wake_worker()
    local token = call('ZREVRANGEBYSCORE', P .. 'idle', '+inf', '(' .. seconds_text(NOW), 'LIMIT', 0, 1)[1]
    if token then
        local worker = cjson.decode(call('HGET', P .. 'idle_workers', token))
        write_to_memory()
        forget_idle(token)
        write_to_log()
        call('PUBLISH', worker.channel, token)
    else
        wake_joining()
    end
end

-- What a put has to know: paces; where nothing waits and workers do, what the match rule asks, else
-- nothing; what the owner has in the queue.
acts.survey = function()
    local idle = {}
    if call('ZCARD', P .. 'waiting') == 0 and has_expired() == 0 then
        for _, token in ipairs(call('ZREVRANGEBYSCORE', P .. 'idle', '+inf', '(' .. seconds_text(NOW),
                                    'LIMIT', 0, args.limit)) do
            idle[#idle + 1] = {token, call('HGET', P .. 'idle_workers', token)}
        end
    end
    local paces = call('HMGET', P .. 'paces', unpack(args.paces))
    local held = call('HMGET', P .. 'held:' .. args.frame.owner, 'n:' .. args.frame.kind, 'bytes')
    if #idle == 0 then
        return {paces[1], paces[2], '', held[1], held[2]}
    end
    local candidate = {args.frame.id, call('GET', P .. 'frame_index') or '0', args.frame.owner,
                       args.frame.priority, args.frame.checkpoint, seconds_text(NOW), '1',
                       as_text(args.frame.weight), args.frame.sharing, 0}
    return {paces[1], paces[2], backlog_text({candidate}, {}, 0, idle), held[1], held[2]}
end

-- Gives a frame that waits no more to a worker, as the match rule has chosen.
local function lease_frame(id, lease)
    call('INCR', P .. 'turns_version')
    for _, each in ipairs(lease.accounts) do
        write_account(each[1], each[2], {deficit = each[3], round = each[4], override = each[5]})
    end
    local deliveries = call('HINCRBY', frame_key(id), 'deliveries', 1)
    call('SADD', P .. 'leased', id)
    call('HSET', frame_key(id), 'worker', lease.worker, 'token', lease.token,
         'leased_at', seconds_text(NOW), 'renewed_at', seconds_text(NOW))
    call('HDEL', frame_key(id), 'share')
    call('XCLAIM', P .. 'frames', GROUP, lease.worker, 0,
         stream_id(call('HGET', frame_key(id), 'index')), 'TIME', delivery_time(NOW),
         'RETRYCOUNT', deliveries, 'FORCE', 'JUSTID')
    publish_lag()
end

local function leased(id)
    local row = call('HMGET', frame_key(id), unpack(FRAME))
    return {seconds_text(NOW), row, call('GET', P .. 'body:' .. id)}
end

-- Whether all is still as it was when the put chose an idle worker.
local function can_offer(offer)
    return is_given(offer) and call('ZCARD', P .. 'waiting') == 0 and has_expired() == 0
        and tonumber(call('ZSCORE', P .. 'idle', offer.token) or '0') > NOW
        and tonumber(call('GET', P .. 'turns_version') or '0') == offer.version
end

local function offer_frame(id, offer)
    local known = cjson.decode(call('HGET', P .. 'idle_workers', offer.token))
    lease_frame(id, {worker = known.worker, token = offer.token, accounts = offer.accounts})
    call('HSET', frame_key(id), 'offered', '1')
    write_to_memory()
    call('ZADD', P .. 'offers', seconds_text(NOW + offer.seconds), id)
    forget_idle(offer.token)
    call('SET', P .. 'offer:' .. offer.token, id, 'PX', math.ceil(offer.seconds * 2000))
    write_to_log()
    call('PUBLISH', known.channel, offer.token)
end

acts.put = function()
    local id, frame = args.frame.id, args.frame
    if is_given(args.entry_tags) then
        admit_entry(id, args.entry_tags)
    end
    local known = call('HGET', frame_key(id), 'index')
    if known then
        return tonumber(known)
    end
    local answered = call('HMGET', P .. 'answer:' .. id, 'frame_index', 'made_at')
    if is_kept(answered[2]) then
        return tonumber(answered[1])
    end
    if call('EXISTS', P .. 'frames') == 0 then
        call('XGROUP', 'CREATE', P .. 'frames', GROUP, '0', 'MKSTREAM')
    end
    local index = call('INCR', P .. 'frame_index')
    call('XADD', P .. 'frames', stream_id(index), 'id', id)
    call('HSET', frame_key(id), 'id', id, 'kind', frame.kind, 'owner', frame.owner,
         'checkpoint', frame.checkpoint, 'priority', frame.priority, 'tags', frame.tags,
         'index', index, 'put_at', seconds_text(NOW), 'deliveries', 0, 'work', as_text(frame.work),
         'weight', as_text(frame.weight), 'predicted_seconds', as_text(frame.predicted_seconds),
         'sharing', frame.sharing or '', 'body_bytes', #payload)
    call('SET', P .. 'body:' .. id, payload)
    call('ZADD', P .. 'owned:' .. frame.owner, index, id)
    call('HINCRBY', P .. 'held:' .. frame.owner, 'n:' .. frame.kind, 1)
    call('HINCRBY', P .. 'held:' .. frame.owner, 'bytes', #payload)
    if can_offer(args.offer) then
        offer_frame(id, args.offer)
    else
        add_waiting(id)
        publish_lag()
        wake_worker()
    end
    return index
end

-- Leases the frame that was chosen. Where it, or the accounts, have changed meanwhile: {version, 1
-- where the frame waits no more}.
acts.claim = function()
    local id = args.id
    local version = tonumber(call('GET', P .. 'turns_version') or '0')
    if not is_waiting(id) then
        return {version, 1}
    elseif is_given(args.version) and version ~= args.version then
        return {version, 0}
    end
    remove_waiting(id)
    lease_frame(id, args)
    return leased(id)
end

local function holds(id, token)
    return call('HGET', frame_key(id), 'token') == token
end

-- The frame that a worker was handed while it waited, or nil. That it has it is in memory alone
-- until it renews its lease.
local function collect(token)
    local id = call('GET', P .. 'offer:' .. token)
    if not id then
        return nil
    end
    write_to_memory()
    call('DEL', P .. 'offer:' .. token)
    if not holds(id, token) then
        return nil
    end
    call('ZREM', P .. 'offers', id)
    call('HSET', frame_key(id), 'offered', '0')
    return leased(id)
end

-- What changes with every frame that comes, is leased or ends.
local function moves()
    return (call('GET', P .. 'frame_index') or '0') .. ':' .. (call('GET', P .. 'turns_version') or '0')
        .. ':' .. call('SCARD', P .. 'leased')
end

-- Waits, so that a put can hand it a frame. The lease of such a frame; else {now, 0}, {now, 1} where
-- it has to look for itself, or {now, 2, ...} where it has to and does not wait meanwhile: frames wait.
-- Where it has looked since nothing moved, limits of running jobs hold all of them back.
acts.wait_for_work = function()
    local lease = collect(args.token)
    if lease then
        return lease
    end
    write_to_memory()
    if call('ZCARD', P .. 'waiting') > 0 and args.looked_at ~= moves() then
        forget_idle(args.token)
        return {seconds_text(NOW), 2, moves(), ''}
    end
    for _, token in ipairs(call('ZRANGEBYSCORE', P .. 'idle', '-inf', seconds_text(NOW))) do
        forget_idle(token)
    end
    call('ZADD', P .. 'idle', seconds_text(NOW + args.seconds), args.token)
    call('HSET', P .. 'idle_workers', args.token, args.facts)
    return {seconds_text(NOW), has_expired()}
end

-- Waits for frames to join those that it runs; see joining.
acts.wait_to_join = function()
    write_to_memory()
    for _, token in ipairs(call('ZRANGEBYSCORE', P .. 'joining', '-inf', seconds_text(NOW))) do
        forget_idle(token)
    end
    call('ZADD', P .. 'joining', seconds_text(NOW + args.seconds), args.token)
    call('HSET', P .. 'idle_workers', args.token, args.facts)
end

-- Waits no more: the lease of a frame that it was handed in the last moment, or nothing.
acts.stop_waiting = function()
    local lease = collect(args.token)
    write_to_memory()
    forget_idle(args.token)
    return lease or false
end

acts.renew = function()
    if not holds(args.id, args.token) then
        return 0
    end
    local row = call('HMGET', frame_key(args.id), 'index', 'worker')
    call('XCLAIM', P .. 'frames', GROUP, row[2], 0, stream_id(row[1]), 'TIME', delivery_time(NOW),
         'JUSTID')
    call('HDEL', frame_key(args.id), 'offered')
    call('HSET', frame_key(args.id), 'renewed_at', seconds_text(NOW))
    if is_given(args.gpu_seconds) then
        call('HSET', frame_key(args.id), 'share', as_text(args.gpu_seconds))
    end
    return 1
end

local function end_lease(id)
    local index = call('HGET', frame_key(id), 'index')
    call('XACK', P .. 'frames', GROUP, stream_id(index))
    call('HDEL', frame_key(id), 'worker', 'token', 'leased_at', 'renewed_at', 'offered')
    call('ZREM', P .. 'offers', id)
    call('SREM', P .. 'leased', id)
    add_waiting(id)
    publish_lag()
    wake_worker()
end

-- Takes a delivery back, as if it had not been.
local function undo_lease(id)
    call('HINCRBY', frame_key(id), 'deliveries', -1)
    local row = call('HMGET', frame_key(id), 'priority', 'owner', 'predicted_seconds')
    credit(row[1], row[2], tonumber(row[3]))
    end_lease(id)
end

acts.release = function()
    if holds(args.id, args.token) then
        charge_unanswered(args.id, 'returned', NOW, is_given(args.gpu_seconds) and args.gpu_seconds)
        undo_lease(args.id)
    end
end

-- Whether a worker was handed the frame and never came for it.
local function is_offered(id)
    return call('HGET', frame_key(id), 'offered') == '1'
end

local function end_offers()
    for _, id in ipairs(call('ZRANGEBYSCORE', P .. 'offers', '-inf', seconds_text(NOW), 'LIMIT', 0, 100)) do
        if is_offered(id) then
            undo_lease(id)
        else
            call('ZREM', P .. 'offers', id)
        end
    end
end

-- A worker died of a frame: it waits again, or was delivered once too often. One that was never
-- begun is not counted.
local function bury_worker(id)
    if is_offered(id) then
        undo_lease(id)
        return
    end
    call('HINCRBY', frame_key(id), 'deaths', 1)
    local deliveries = tonumber(call('HGET', frame_key(id), 'deliveries'))
    local held = call('HMGET', frame_key(id), 'renewed_at', 'leased_at', 'share')
    charge_unanswered(id, 'lost', tonumber(held[1] or held[2] or NOW), held[3])
    end_lease(id)
    if args.max_delivery > 0 and deliveries >= args.max_delivery then
        copy_to_rear(id, args.why)
        store_answer(id, 500, 'application/json', args.failure)
    end
end

local function frame_at(entry)
    local found = call('XRANGE', P .. 'frames', entry, entry)[1]
    return found and found[2][2]
end

-- Ends offers that nobody came for and, where a moment is given, the leases that were not renewed for
-- a term before it.
acts.end_expired = function()
    end_offers()
    if not is_given(args.cutoff) or call('EXISTS', P .. 'frames') == 0 then
        return
    end
    local idle = math.floor(SERVER_MS - (args.cutoff - args.term - args.shift) * 1000) + 1
    local claimed = call('XAUTOCLAIM', P .. 'frames', GROUP, 'reaper', as_text(idle), '0', 'COUNT',
                         100, 'JUSTID')
    for _, entry in ipairs(claimed[2]) do
        local id = frame_at(entry)
        if id then
            bury_worker(id)
        else
            call('XACK', P .. 'frames', GROUP, entry)
        end
    end
end

local function forget_idle_worker(worker)
    write_to_memory()
    local known = call('HGETALL', P .. 'idle_workers')
    for at = 1, #known, 2 do
        if cjson.decode(known[at + 1]).worker == worker then
            forget_idle(known[at])
        end
    end
    write_to_log()
end

acts.release_worker = function()
    local released = 0
    forget_idle_worker(args.worker)
    if call('EXISTS', P .. 'frames') == 1 then
        while true do
            local held = call('XPENDING', P .. 'frames', GROUP, '-', '+', 100, args.worker)
            for _, each in ipairs(held) do
                bury_worker(frame_at(each[1]))
                released = released + 1
            end
            if #held < 100 then
                break
            end
        end
        call('XGROUP', 'DELCONSUMER', P .. 'frames', GROUP, args.worker)
    end
    call('ZREM', P .. 'workers_seen', args.worker)
    call('HDEL', P .. 'workers', args.worker)
    return released
end

acts.lease_holders = function()
    local names = {}
    if call('EXISTS', P .. 'frames') == 1 then
        for _, each in ipairs(call('XINFO', 'CONSUMERS', P .. 'frames', GROUP)) do
            if each[4] > 0 then -- name, its value, pending, its value, ...
                names[#names + 1] = each[2]
            end
        end
    end
    return names
end

acts.cancel = function()
    if not is_waiting(args.id) then
        return 0
    end
    remove_frame(args.id)
    return 1
end

acts.read_waiting = function()
    if not is_waiting(args.id) then
        return false
    end
    return {call('HMGET', frame_key(args.id), unpack(FRAME)), call('GET', P .. 'body:' .. args.id)}
end

-- JSON of the fields of the next frames after an index.
acts.list_frames = function()
    local ids, rows = {}, {}
    if is_given(args.owner) then
        ids = call('ZRANGEBYSCORE', P .. 'owned:' .. args.owner, '(' .. as_text(args.after), '+inf',
                   'LIMIT', 0, CHUNK)
    else
        for _, each in ipairs(call('XRANGE', P .. 'frames', '(' .. stream_id(args.after), '+',
                                   'COUNT', CHUNK)) do
            ids[#ids + 1] = each[2][2]
        end
    end
    for _, id in ipairs(ids) do
        rows[#rows + 1] = call('HMGET', frame_key(id), unpack(FRAME))
    end
    return cjson.encode(rows)
end

-- {now, all, waiting, when the oldest that waits was put}
acts.depth = function()
    local oldest = call('ZRANGE', P .. 'waiting', 0, 0)[1]
    return {seconds_text(NOW), call('XLEN', P .. 'frames'), call('ZCARD', P .. 'waiting'),
            oldest and call('HGET', frame_key(oldest), 'put_at') or ''}
end

-- The geometric mean of the jobs of a kind, the last one with its share: see cost_model.py.
local function learn_paces(fields)
    if fields[1] == fields[2] then
        fields[2] = nil
    end
    for _, field in ipairs(fields) do
        local known = tonumber(call('HGET', P .. 'paces', field) or '0')
        local pace = known > 0 and known * (args.pace / known) ^ args.smoothing or args.pace
        call('HSET', P .. 'paces', field, as_text(pace))
        call('ZADD', P .. 'paces_learned', seconds_text(NOW), field)
    end
end

acts.answer = function()
    local id = args.id
    if not holds(id, args.token) then
        return 0
    end
    local row = call('HMGET', frame_key(id), 'priority', 'owner', 'predicted_seconds', 'leased_at',
                     'put_at')
    local waited = math.max(tonumber(row[4]) - tonumber(row[5]), 0)
    for _, each in ipairs(args.counts) do
        acts.count_up(each[1], each[2], each[3], is_given(each[4]) and each[4] or waited)
    end
    credit(row[1], row[2], tonumber(row[3]) - args.gpu_seconds)
    local charge = cjson.decode(args.charge)
    charge.ended_at = NOW
    add_charge(cjson.encode(charge))
    if call('EXISTS', P .. 'stop:' .. id) == 0 then
        learn_paces(args.paces)
    end
    store_answer(id, args.status, args.content_type, payload)
    if call('ZCARD', P .. 'waiting') > 0 then
        wake_worker() -- a limit of running jobs may have held one back
    end
    return 1
end

acts.answer_waiting = function()
    if not is_waiting(args.id) then
        return 0
    end
    store_answer(args.id, args.status, args.content_type, payload)
    return 1
end

acts.read_answer = function()
    local row = call('HMGET', P .. 'answer:' .. args.id, 'status', 'content_type', 'index', 'id',
                     'tags', 'made_at')
    if not is_kept(row[6]) then
        return false
    end
    row[7] = call('HGET', P .. 'answer:' .. args.id, 'body')
    return row
end

acts.find_answered = function()
    local tagged = P .. 'tagged:' .. #args.tag .. ':' .. args.tag .. ':' .. args.value
    for _, id in ipairs(call('ZREVRANGE', tagged, 0, MAX_TAGGED)) do
        local row = call('HMGET', P .. 'answer:' .. id, 'owner', 'made_at')
        if is_kept(row[2]) and (not is_given(args.owner) or row[1] == args.owner) then
            return id
        end
    end
    return false
end
