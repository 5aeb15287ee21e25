-- Frames in and out, and their answers.
--   owned:<owner>, held:<owner>     sorted set of ids by index; hash: n:<kind> and bytes
--   answer:<id>, tagged:...         hash of an answer; newest answers with a tag, by their index
--   paces, paces_learned            hash and sorted set: seconds a megapixel-step
--   progress:<id>, stop:<id>        of running jobs
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

acts.add_charge = function()
    add_charge(args.charge)
end

-- Charges a delivery that nothing came of.
local function charge_unanswered(id, outcome, ended_at)
    local row = call('HMGET', frame_key(id), 'owner', 'kind', 'checkpoint', 'tags', 'put_at',
                     'leased_at', 'worker', 'token')
    if row[8] then
        local leased_at = tonumber(row[6])
        add_charge(cjson.encode({
            job = id, delivery = row[8], user = row[1], kind = row[2], model = row[3],
            group = cjson.decode(row[4])._group or '', worker = row[7], outcome = outcome,
            status = 0, ended_at = ended_at, gpu_seconds = math.max(ended_at - leased_at, 0),
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
    call('ZREM', P .. 'owned:' .. row[2], id)
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

acts.put = function()
    local id, frame = args.frame.id, args.frame
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
         'body_bytes', #payload)
    call('SET', P .. 'body:' .. id, payload)
    call('ZADD', P .. 'owned:' .. frame.owner, index, id)
    call('HINCRBY', P .. 'held:' .. frame.owner, 'n:' .. frame.kind, 1)
    call('HINCRBY', P .. 'held:' .. frame.owner, 'bytes', #payload)
    add_waiting(id)
    publish_lag()
    ring('work')
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
    call('INCR', P .. 'turns_version')
    for _, each in ipairs(args.accounts) do
        write_account(each[1], each[2], {deficit = each[3], round = each[4], override = each[5]})
    end
    remove_waiting(id)
    local deliveries = call('HINCRBY', frame_key(id), 'deliveries', 1)
    call('HSET', frame_key(id), 'worker', args.worker, 'token', args.token,
         'leased_at', seconds_text(NOW), 'renewed_at', seconds_text(NOW))
    local row = call('HMGET', frame_key(id), unpack(FRAME))
    call('XCLAIM', P .. 'frames', GROUP, args.worker, 0, stream_id(row[7]), 'TIME',
         delivery_time(NOW), 'RETRYCOUNT', deliveries, 'FORCE', 'JUSTID')
    publish_lag()
    return {seconds_text(NOW), row, call('GET', P .. 'body:' .. id)}
end

local function holds(id, token)
    return call('HGET', frame_key(id), 'token') == token
end

acts.renew = function()
    if not holds(args.id, args.token) then
        return 0
    end
    local row = call('HMGET', frame_key(args.id), 'index', 'worker')
    call('XCLAIM', P .. 'frames', GROUP, row[2], 0, stream_id(row[1]), 'TIME', delivery_time(NOW),
         'JUSTID')
    call('HSET', frame_key(args.id), 'renewed_at', seconds_text(NOW))
    return 1
end

local function end_lease(id)
    local index = call('HGET', frame_key(id), 'index')
    call('XACK', P .. 'frames', GROUP, stream_id(index))
    call('HDEL', frame_key(id), 'worker', 'token', 'leased_at', 'renewed_at')
    add_waiting(id)
    publish_lag()
end

acts.release = function()
    local id = args.id
    if holds(id, args.token) then
        call('HINCRBY', frame_key(id), 'deliveries', -1)
        local row = call('HMGET', frame_key(id), 'priority', 'owner', 'predicted_seconds')
        credit(row[1], row[2], tonumber(row[3]))
        charge_unanswered(id, 'returned', NOW)
        end_lease(id)
    end
    ring('work')
end

-- A worker died of a frame: it waits again, or was delivered once too often.
local function bury_worker(id)
    call('HINCRBY', frame_key(id), 'deaths', 1)
    local deliveries = tonumber(call('HGET', frame_key(id), 'deliveries'))
    charge_unanswered(id, 'lost', tonumber(call('HGET', frame_key(id), 'renewed_at') or NOW))
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

-- Ends the leases that were not renewed for a term before a moment.
acts.end_expired = function()
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
    ring('work')
    return #claimed[2]
end

acts.release_worker = function()
    local released = 0
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
    ring('work')
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
        for _, each in ipairs(args.paces) do
            call('HSET', P .. 'paces', each[1], as_text(each[2]))
            call('ZADD', P .. 'paces_learned', seconds_text(NOW), each[1])
        end
    end
    store_answer(id, args.status, args.content_type, payload)
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
