-- The service's side of the input: entries that become frames.

-- {rank to look from next or -1, row or nothing}
acts.intake_take = function()
    local passed_over = {}
    for _, owner in ipairs(args.passed_over) do
        passed_over[owner] = true
    end
    local members = call('ZRANGE', of_queue(INPUT, 'admit'), args.rank, args.rank + CHUNK - 1)
    for _, member in ipairs(members) do
        local index = tonumber(member)
        local row = call('HMGET', entry_key(index), 'leased_until', 'owner', 'request_id')
        if tonumber(row[1]) <= NOW and not passed_over[row[2]] then
            local attempts = begin_reading(index)
            if args.max_attempts > 0 and attempts > args.max_attempts then
                copy_to_rear(row[3], args.why)
                deliver_result(row[3], 500, args.failure)
                return {0} -- look again: the ranks are others now
            end
            return {-1, read_entry(index, true)}
        end
    end
    return {#members == CHUNK and args.rank + CHUNK or -1}
end

-- Entries whose frame is gone without an answer are to be taken anew; the index to go on from.
acts.intake_recover = function()
    local members = call('ZRANGEBYSCORE', of_queue(INPUT, 'all'), args.from, '+inf', 'LIMIT', 0, CHUNK)
    for _, member in ipairs(members) do
        local index = tonumber(member)
        local row = call('HMGET', entry_key(index), 'request_id', 'priority')
        local is_admitted = not call('ZSCORE', of_queue(INPUT, 'admit'), member)
        if not is_admitted or call('EXISTS', P .. 'frame:' .. row[1]) == 0 then
            call('HSET', entry_key(index), 'leased_until', '0')
            call('ZADD', of_queue(INPUT, 'admit'), -tonumber(row[2]), member)
        end
    end
    return #members == CHUNK and tonumber(members[#members]) + 1 or -1
end

-- A frame stands for the entry of its id from now on, with tags where the entry has none of a name.
local function admit_entry(request_id, more)
    local index = find_request(request_id)
    if not index then
        return
    end
    local tags = cjson.decode(call('HGET', entry_key(index), 'tags'))
    for name, value in pairs(more) do
        if tags[name] == nil then
            tags[name] = value
            call('ZADD', tag_key(INPUT, name, value), index, padded(index))
        end
    end
    call('HSET', entry_key(index), 'tags', cjson.encode(tags))
    call('ZREM', of_queue(INPUT, 'admit'), padded(index))
end

acts.intake_give_back = function()
    local index = find_request(args.request_id)
    if index then
        call('HSET', entry_key(index), 'leased_until', seconds_text(NOW + args.seconds))
        write_to_memory() -- as those that it is one of
        call('HINCRBY', entry_key(index), 'attempts', -1)
    end
end

acts.intake_finish = function()
    return deliver_result(args.request_id, args.status, payload) and 1 or 0
end
