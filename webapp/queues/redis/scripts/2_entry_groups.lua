-- Groups and consumers of a queue of entries.
--   groups                      set of names
--   consumers:<group>           hash: name -> JSON of the consumer
--   deliveries:<group>          hash: index -> <state>:<times>:<name>; H a consumer has it,
--                               F it was given back, C the group has consumed it; none: nothing yet
--   has:<length>:<group>:<name> set of the indexes that a consumer has
--   reasons:<group>             hash: index -> why it was given back last

local function has_key(queue, group, name)
    return of_queue(queue, 'has:' .. #group .. ':' .. group .. ':' .. name)
end

local function read_delivery(queue, group, member)
    local known = call('HGET', of_queue(queue, 'deliveries:' .. group), member)
    if not known then
        return nil, 0, ''
    end
    local state, times, name = string.match(known, '^(%u):(%d+):(.*)$')
    return state, tonumber(times), name
end

local function write_delivery(queue, group, member, state, times, name)
    call('HSET', of_queue(queue, 'deliveries:' .. group), member,
         state .. ':' .. string.format('%d', times) .. ':' .. name)
end

local function read_consumers(queue, group)
    local found = {}
    local flat = call('HGETALL', of_queue(queue, 'consumers:' .. group))
    for at = 1, #flat, 2 do
        found[flat[at]] = cjson.decode(flat[at + 1])
    end
    return found
end

local function write_consumer(queue, group, name, consumer)
    call('HSET', of_queue(queue, 'consumers:' .. group), name, cjson.encode(consumer))
end

local function mark_consumed(queue, group, member)
    local state, times, name = read_delivery(queue, group, member)
    if state == 'H' then
        call('SREM', has_key(queue, group, name), member)
    end
    write_delivery(queue, group, member, 'C', times, '')
    call('ZADD', of_queue(queue, 'consumed'), tonumber(member), member)
end

-- What a group was given too often is a dead letter. Entries of the input are the service's to
-- answer: watchers that fail at them get them no more.
local function bury(queue, group, member, times)
    if queue == INPUT then
        mark_consumed(queue, group, member)
        return
    end
    local why = 'delivered ' .. times .. ' times without a commit'
    local reason = call('HGET', of_queue(queue, 'reasons:' .. group), member)
    local index = tonumber(member)
    local row = call('HMGET', entry_key(index), 'owner', 'priority', 'tags')
    unfile_entry(queue, index, row[1], row[3])
    call('HSET', entry_key(index), 'queue', queue .. REAR,
         'message', reason and why .. '; ' .. reason or why)
    file_entry(queue .. REAR, index, row[1], tonumber(row[2]), row[3])
end

local function give_back(queue, group, member, uncounted)
    local state, times, name = read_delivery(queue, group, member)
    if state ~= 'H' then
        return
    end
    call('SREM', has_key(queue, group, name), member)
    times = math.max(times - uncounted, 0)
    write_delivery(queue, group, member, 'F', times, '')
    if args.max_delivery > 0 and times >= args.max_delivery
        and string.sub(queue, -#REAR) ~= REAR then
        bury(queue, group, member, times)
    end
end

local function give_back_all(queue, group, name)
    for _, member in ipairs(call('SMEMBERS', has_key(queue, group, name))) do
        give_back(queue, group, member, 0)
    end
end

local function forget_consumer(queue, group, name)
    give_back_all(queue, group, name)
    call('HDEL', of_queue(queue, 'consumers:' .. group), name)
end

-- Whether a group was forgotten, for which entries may have waited.
local function forget_consumers(queue)
    local forgotten = 0
    for _, group in ipairs(call('SMEMBERS', of_queue(queue, 'groups'))) do
        local consumers, latest, known = read_consumers(queue, group), 0, false
        for _, each in pairs(consumers) do
            latest, known = math.max(latest, each.left_at or each.seen_at), true
        end
        for name, each in pairs(consumers) do
            local last = each.left_at or each.seen_at
            if last < NOW - args.terms.group
                or (each.left_at and each.left_at < NOW - args.terms.listed and latest > each.left_at) then
                forget_consumer(queue, group, name)
            end
        end
        local is_used = call('EXISTS', of_queue(queue, 'consumers:' .. group)) == 1
            or (not known and call('EXISTS', of_queue(queue, 'deliveries:' .. group)) == 1)
        if not is_used then
            forgotten = 1
            if group ~= args.group then -- which comes back now
                call('SREM', of_queue(queue, 'groups'), group)
                call('UNLINK', of_queue(queue, 'deliveries:' .. group),
                     of_queue(queue, 'reasons:' .. group))
            end
        end
    end
    return forgotten
end

-- What each group with consumers would get: {group, owner or nil, tags, start}.
local function read_groups(queue)
    local groups = {}
    for _, group in ipairs(call('SMEMBERS', of_queue(queue, 'groups'))) do
        local owner, tags, start
        for _, each in pairs(read_consumers(queue, group)) do
            owner = owner or each.owner
            tags = tags or each.tags
            start = math.min(start or each.start, each.start)
        end
        if start then
            groups[#groups + 1] = {group = group, owner = owner, tags = tags, start = start}
        end
    end
    return groups
end

-- The request id of an entry that every group is done with, removed; nil where one waits for it.
local function remove_consumed(queue, groups, member)
    local index = tonumber(member)
    local row = call('HMGET', entry_key(index), 'queue', 'owner', 'tags')
    if row[1] ~= queue then
        return nil
    end
    for _, each in ipairs(groups) do
        if index >= each.start and fits(row[2], row[3], each.owner, each.tags)
            and read_delivery(queue, each.group, member) ~= 'C' then
            return nil
        end
    end
    return remove_entry(queue, index)
end

-- Where a group is new: {groups of the queue, those of its caller} if that is one too many.
local function too_many_groups(queue)
    local key, prefix, own = of_queue(queue, 'groups'), args.group_prefix, 0
    if call('SISMEMBER', key, args.group) == 1 then
        return nil
    end
    local groups = call('SMEMBERS', key)
    for _, each in ipairs(groups) do
        if prefix ~= '' and string.sub(each, 1, #prefix) == prefix then
            own = own + 1
        end
    end
    if #groups >= args.max_groups or own >= args.max_own_groups then
        return {#groups, own}
    end
end

acts.watch_join = function()
    local queue, group, name = args.queue, args.group, args.name
    local forgotten = forget_consumers(queue)
    local refused = too_many_groups(queue)
    if refused then
        return refused
    end
    local start = args.start
    if start < 0 then
        start = tonumber(call('GET', P .. 'entry_index') or '0') + 1
    end
    give_back_all(queue, group, name)
    call('SADD', of_queue(queue, 'groups'), group)
    write_consumer(queue, group, name, {
        session = args.session, owner = is_given(args.owner) and args.owner or nil,
        tags = args.tags, start = start, window = args.window, auto_commit = args.auto_commit,
        seen_at = NOW})
    return forgotten
end

-- Removes some entries that wait for no group any more; the index to go on from, or -1.
acts.watch_sweep = function()
    local queue, groups = args.queue, read_groups(args.queue)
    local members = call('ZRANGEBYSCORE', of_queue(queue, 'consumed'), args.from, '+inf',
                         'LIMIT', 0, CHUNK)
    for _, member in ipairs(members) do
        remove_consumed(queue, groups, member)
    end
    return #members == CHUNK and tonumber(members[#members]) + 1 or -1
end

local function is_gone(consumer)
    if consumer.stopping then
        return true
    end
    if consumer.left_at then
        return consumer.left_at < NOW - args.terms.grace
    end
    return consumer.seen_at < NOW - args.terms.alive
end

-- Some entries among which are a consumer's next ones, in the order of the queue; the rank to go on
-- from, or -1. All at once where few have its tags.
local function next_members(queue, consumer, rank)
    local order = of_queue(queue, consumer.owner and 'owner-order:' .. consumer.owner or 'order')
    local base = next(consumer.tags) and base_of(queue, consumer.owner, consumer.tags)
    if not base or call('ZCARD', base) > CHUNK then
        local members = call('ZRANGE', order, rank, rank + CHUNK - 1)
        return members, #members == CHUNK and rank + CHUNK or -1
    end
    local members, scores = call('ZRANGE', base, 0, -1), {}
    for _, member in ipairs(members) do
        scores[member] = tonumber(call('ZSCORE', of_queue(queue, 'order'), member))
    end
    table.sort(members, function(one, other)
        if scores[one] ~= scores[other] then
            return scores[one] < scores[other]
        end
        return one < other
    end)
    return members, -1
end

-- Says that a consumer lives, and takes what there is room for among the next entries.
-- {rank in the order to look from next or -1, row, ...}, or 'ended'
acts.watch_take = function()
    local queue, group, name = args.queue, args.group, args.name
    local consumers = read_consumers(queue, group)
    local me = consumers[name]
    if not me or me.session ~= args.session then
        return 'ended'
    end
    if NOW - me.seen_at >= args.terms.beat or NOW < me.seen_at then
        me.seen_at = NOW
        write_consumer(queue, group, name, me)
    end
    for other, each in pairs(consumers) do
        if other ~= name and is_gone(each) then
            give_back_all(queue, group, other)
        end
    end
    if me.stopping then
        give_back_all(queue, group, name)
    end
    if call('ZCARD', of_queue(queue, 'all')) == 0
        and call('HGET', P .. 'entries_closed', queue) == '1' then
        return 'ended'
    end
    local room = args.batch
    if not me.auto_commit then
        room = math.min(me.window - call('SCARD', has_key(queue, group, name)), room)
    end
    if me.stopping or room <= 0 then
        return {-1}
    end
    local members, rest = next_members(queue, me, args.rank)
    local found = {rest}
    if #members == 0 then
        return found
    end
    local states = call('HMGET', of_queue(queue, 'deliveries:' .. group), unpack(members))
    for at, member in ipairs(members) do
        local state = states[at] and string.sub(states[at], 1, 1)
        local index = tonumber(member)
        if (not state or state == 'F') and index >= me.start then
            local row = call('HMGET', entry_key(index), 'held_until', 'owner', 'tags')
            if tonumber(row[1]) <= NOW and fits(row[2], row[3], me.owner, me.tags) then
                local _, times = read_delivery(queue, group, member)
                write_delivery(queue, group, member, 'H', times + 1, name)
                call('SADD', has_key(queue, group, name), member)
                found[#found + 1] = read_entry(index, not args.index_only)
                if #found > room then
                    break
                end
            end
        end
    end
    return found
end

acts.watch_leave = function()
    local queue, group, name = args.queue, args.group, args.name
    local me = read_consumers(queue, group)[name]
    if me and me.session == args.session then
        me.left_at = NOW
        write_consumer(queue, group, name, me)
        for _, index in ipairs(args.unsent) do
            give_back(queue, group, padded(index), 1)
        end
    end
    ring('entries:' .. queue)
end

-- {1, request id of an entry that is gone, ...}, or {0, groups of the queue, of the caller}.
acts.entry_commit = function()
    local queue, removed, done = args.queue, {1}, {}
    local refused = too_many_groups(queue)
    if refused then
        return {0, refused[1], refused[2]}
    end
    for _, index in ipairs(args.indexes) do
        local row = call('HMGET', entry_key(index), 'queue', 'owner')
        if row[1] == queue and (not is_given(args.owner) or row[2] == args.owner) then
            mark_consumed(queue, args.group, padded(index))
            done[#done + 1] = padded(index)
        end
    end
    if #done > 0 then
        call('SADD', of_queue(queue, 'groups'), args.group) -- its notes go when the entries go
    end
    local groups = read_groups(queue)
    for _, member in ipairs(done) do
        removed[#removed + 1] = remove_consumed(queue, groups, member)
    end
    if #removed - 1 == #done and call('EXISTS', of_queue(queue, 'consumers:' .. args.group),
                                  of_queue(queue, 'deliveries:' .. args.group)) == 0 then
        call('SREM', of_queue(queue, 'groups'), args.group)
    end
    ring('entries:' .. queue)
    return removed
end

acts.entry_reject = function()
    local queue, group, name = args.queue, args.group, args.name
    for _, index in ipairs(args.indexes) do
        local state = read_delivery(queue, group, padded(index))
        if state == 'H' or state == 'F' then
            call('HSET', of_queue(queue, 'reasons:' .. group), padded(index), args.reason)
            give_back(queue, group, padded(index), 0)
        end
    end
    if args.shutdown then
        local me = read_consumers(queue, group)[name]
        if me then
            me.stopping = true
            write_consumer(queue, group, name, me)
        end
    end
    ring('entries:' .. queue)
end

-- {is pending, how many go before it}, or nothing.
acts.entry_search = function()
    local queue, member = args.queue, padded(args.index)
    local row = call('HMGET', entry_key(args.index), 'queue', 'owner')
    if row[1] ~= queue or (is_given(args.owner) and row[2] ~= args.owner) then
        return false
    end
    local order, pending = of_queue(queue, 'order'), {}
    local rank = call('ZRANK', order, member)
    local ahead = rank
    for _, group in ipairs(call('SMEMBERS', of_queue(queue, 'groups'))) do
        for name in pairs(read_consumers(queue, group)) do
            for _, other in ipairs(call('SMEMBERS', has_key(queue, group, name))) do
                if not pending[other] then
                    pending[other] = true
                    if call('ZRANK', order, other) < rank then
                        ahead = ahead - 1
                    end
                end
            end
        end
    end
    return {pending[member] and 1 or 0, pending[member] and 0 or ahead}
end

-- {now, first, last, closed, {group, name, JSON, pending}, ...}
acts.entry_status = function()
    local queue = args.queue
    local base = base_of(queue, args.owner, {})
    local first, last = call('ZRANGE', base, 0, 0)[1], call('ZRANGE', base, -1, -1)[1]
    local found = {seconds_text(NOW), tonumber(first or 0), tonumber(last or 0),
                   call('HGET', P .. 'entries_closed', queue) == '1' and 1 or 0}
    for _, group in ipairs(call('SMEMBERS', of_queue(queue, 'groups'))) do
        for name, each in pairs(read_consumers(queue, group)) do
            if not is_given(args.owner) or each.owner == args.owner then
                found[#found + 1] = {group, name, cjson.encode(each),
                                     call('SCARD', has_key(queue, group, name))}
            end
        end
    end
    return found
end
