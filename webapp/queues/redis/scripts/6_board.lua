-- Small facts with a short life, and counters.
--   workers, workers_seen       hash: worker -> JSON; when it was heard of, by the server's clock
--   plugin_states               hash: worker -> JSON
--   command:<worker>            JSON
--   counter_names, counters:<name>  set; hash: labels -> sum

acts.count_up = function(name, labels, bounded_labels, amount)
    local key = P .. 'counters:' .. name
    if call('HEXISTS', key, labels) == 0 and call('HLEN', key) >= args.max_label_sets then
        labels = bounded_labels
    end
    call('SADD', P .. 'counter_names', name)
    call('HINCRBYFLOAT', key, labels, as_text(amount))
end

acts.add_to_counter = function()
    acts.count_up(args.name, args.labels, args.bounded_labels, args.amount)
end

acts.counters = function()
    local found = {}
    for _, name in ipairs(call('SMEMBERS', P .. 'counter_names')) do
        found[#found + 1] = {name, call('HGETALL', P .. 'counters:' .. name)}
    end
    return found
end

acts.publish_progress = function()
    if call('EXISTS', frame_key(args.job)) == 0 then
        return
    end
    write_to_memory() -- the next step tells again
    local key = P .. 'progress:' .. args.job
    call('HSETNX', key, 'started_at', seconds_text(NOW))
    call('HSET', key, 'updated_at', seconds_text(NOW), 'progress', args.progress)
    if args.has_preview then
        call('HSET', key, 'preview', payload)
    end
    call('HINCRBY', key, 'preview_id', args.has_preview and 1 or 0)
    call('PEXPIRE', key, args.kept_ms)
end

acts.take_stop = function()
    local key = P .. 'stop:' .. args.job
    local stop = call('GET', key)
    if stop == args.read_once then
        call('DEL', key)
    end
    return stop
end

acts.complete_command = function()
    local key = P .. 'command:' .. args.worker
    local known = call('GET', key)
    if known and cjson.decode(known).id == args.id then
        call('DEL', key)
    end
end

acts.heartbeat = function()
    write_to_memory() -- the next one comes in two seconds
    call('ZADD', P .. 'workers_seen', seconds_text(NOW - args.age), args.worker)
    call('HSET', P .. 'workers', args.worker, args.state)
end

-- {worker, JSON of its state or of its plugins, seconds since} of those that were heard of lately.
acts.list_workers = function()
    local found = {}
    local names = call('ZRANGEBYSCORE', P .. 'workers_seen', '(' .. seconds_text(NOW - args.seconds),
                       '+inf', 'WITHSCORES')
    for n = 1, #names, 2 do
        local age = as_text(NOW - tonumber(names[n + 1]))
        found[#found + 1] = {names[n], call('HGET', P .. args.what, names[n]) or '', age}
    end
    return found
end

-- Forgets what has had its time, some of it; the cursor to go on with the accounts next time.
acts.purge = function()
    local old = '(' .. seconds_text(NOW - args.answer_seconds)
    for _, name in ipairs(call('ZRANGEBYSCORE', P .. 'workers_seen', '-inf', old, 'LIMIT', 0, 100)) do
        call('ZREM', P .. 'workers_seen', name)
        call('HDEL', P .. 'workers', name)
        call('HDEL', P .. 'plugin_states', name)
    end
    local extra = call('ZCARD', P .. 'paces_learned') - args.max_paces
    if extra > 0 then
        local names = call('ZRANGE', P .. 'paces_learned', 0, math.min(extra, 100) - 1)
        call('HDEL', P .. 'paces', unpack(names))
        call('ZREM', P .. 'paces_learned', unpack(names))
    end
    if call('EXISTS', P .. 'frames') == 1 then
        for _, each in ipairs(call('XINFO', 'CONSUMERS', P .. 'frames', GROUP)) do
            if each[4] == 0 and each[6] > args.answer_seconds * 1000 then
                call('XGROUP', 'DELCONSUMER', P .. 'frames', GROUP, each[2])
            end
        end
    end
    local cursors = {}
    for at, priority in ipairs(call('HKEYS', P .. 'rounds')) do
        local turns = P .. 'turns:' .. priority
        local round = tonumber(call('HGET', P .. 'rounds', priority))
        local step = call('HSCAN', turns, args.cursors[priority] or '0', 'COUNT', 200)
        cursors[at] = {priority, step[1]}
        for n = 1, #step[2], 2 do
            local owner = step[2][n]
            local account = read_account(priority, owner)
            if account and account.override < NOW - args.age_cap
                and account.deficit + args.quantum * (round - account.round - 1) > 0
                and call('ZCARD', P .. 'owned:' .. owner) == 0 then
                call('HDEL', turns, owner)
            end
        end
        if call('EXISTS', turns) == 0 then
            call('HDEL', P .. 'rounds', priority)
        end
    end
    return cursors
end
