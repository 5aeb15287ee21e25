-- Entries: a hash entry:<index> each, and for each queue sorted sets of indexes.
--   all, order                  by index; by priority, greatest first, then index
--   owner:<name>, owner-order:<name>, tag:<length>:<tag>:<value>     the same of some
--   held                        until when gets have them; in memory alone, as held_until of entries
--   consumed                    a group is done with them and another is not
--   admit                       of the input: no frame was made of them, in the order of the queue
local CHUNK = 400 -- entries that one act looks at
local INPUT, SINK, REAR = 'input', 'sink', '.rear'
local ENTRY = {'request_id', 'owner', 'scope', 'path', 'priority', 'tags', 'message', 'index', 'put_at'}
local OK_STATUS = 200

local function of_queue(queue, name)
    return P .. 'entries:' .. queue .. ':' .. name
end

local function entry_key(index)
    return P .. 'entry:' .. string.format('%.0f', index)
end

-- A member that sorts by index among equal scores.
local function padded(index)
    return string.format('%016.0f', index)
end

local function tag_key(queue, name, value)
    return of_queue(queue, 'tag:' .. #name .. ':' .. name .. ':' .. value)
end

local function file_entry(queue, index, owner, priority, tags)
    call('ZADD', of_queue(queue, 'all'), index, padded(index))
    call('ZADD', of_queue(queue, 'order'), -priority, padded(index))
    call('ZADD', of_queue(queue, 'owner:' .. owner), index, padded(index))
    call('ZADD', of_queue(queue, 'owner-order:' .. owner), -priority, padded(index))
    for name, value in pairs(cjson.decode(tags)) do
        call('ZADD', tag_key(queue, name, value), index, padded(index))
    end
end

local function unfile_entry(queue, index, owner, tags)
    local member = padded(index)
    for _, name in ipairs({'all', 'order', 'owner:' .. owner, 'owner-order:' .. owner, 'held',
                           'consumed', 'admit'}) do
        call('ZREM', of_queue(queue, name), member)
    end
    for name, value in pairs(cjson.decode(tags)) do
        call('ZREM', tag_key(queue, name, value), member)
    end
    for _, group in ipairs(call('SMEMBERS', of_queue(queue, 'groups'))) do
        local deliveries = of_queue(queue, 'deliveries:' .. group)
        local known = call('HGET', deliveries, member)
        if known then
            call('HDEL', deliveries, member)
            call('HDEL', of_queue(queue, 'reasons:' .. group), member)
            local name = string.match(known, '^H:%d+:(.*)$')
            if name then
                call('SREM', of_queue(queue, 'has:' .. #group .. ':' .. group .. ':' .. name), member)
            end
        end
    end
end

local function insert_entry(queue, entry, data)
    local index = call('INCR', P .. 'entry_index')
    call('HSET', entry_key(index), 'queue', queue, 'index', index, 'request_id', entry.request_id,
         'owner', entry.owner, 'scope', entry.scope, 'path', entry.path, 'priority', entry.priority,
         'tags', entry.tags, 'message', entry.message, 'put_at', entry.put_at, 'held_until', '0',
         'leased_until', '0', 'attempts', '0', 'data', data)
    file_entry(queue, index, entry.owner, tonumber(entry.priority), entry.tags)
    if queue == INPUT then
        call('ZADD', of_queue(queue, 'admit'), -tonumber(entry.priority), padded(index))
    end
    return index
end

-- The request id of an entry that was there and is removed; of its owner alone, where one is given.
local function remove_entry(queue, index, owner)
    local row = call('HMGET', entry_key(index), 'queue', 'request_id', 'owner', 'tags')
    if row[1] ~= queue or (is_given(owner) and row[3] ~= owner) then
        return nil
    end
    unfile_entry(queue, index, row[3], row[4])
    call('DEL', entry_key(index))
    return row[2]
end

-- The index of the entry of the input with this request id.
local function find_request(request_id)
    local found = call('ZRANGE', tag_key(INPUT, 'requestId', request_id), 0, 0)
    return found[1] and tonumber(found[1])
end

local function deliver_result(request_id, status, body)
    local index = find_request(request_id)
    if not index then
        return false
    end
    local row = call('HMGET', entry_key(index), 'owner', 'tags')
    remove_entry(INPUT, index)
    if body ~= '' or status ~= OK_STATUS then
        local tags = row[2]
        if status ~= OK_STATUS then
            local more = cjson.decode(tags)
            more.lastCode = string.format('%d', status)
            tags = cjson.encode(more)
        end
        insert_entry(SINK, {request_id = request_id, owner = row[1], scope = '', path = '',
                            priority = 0, tags = tags, message = '', put_at = seconds_text(NOW)}, body)
        ring('entries:' .. SINK)
    end
    return true
end

local function copy_to_rear(request_id, message)
    local index = find_request(request_id)
    if not index then
        return
    end
    local row = call('HMGET', entry_key(index), 'owner', 'scope', 'path', 'priority', 'tags',
                     'put_at', 'data')
    insert_entry(INPUT .. REAR, {request_id = request_id, owner = row[1], scope = row[2],
                                 path = row[3], priority = row[4], tags = row[5],
                                 message = message, put_at = row[6]}, row[7])
end

-- Whether an entry's owner and tags (JSON) are wanted.
local function fits(owner, tags, wanted_owner, wanted_tags)
    if is_given(wanted_owner) and owner ~= wanted_owner then
        return false
    end
    if next(wanted_tags) == nil then
        return true
    end
    local known = cjson.decode(tags)
    for name, value in pairs(wanted_tags) do
        if known[name] ~= value then
            return false
        end
    end
    return true
end

-- The smallest sorted set by index that has all wanted entries.
local function base_of(queue, owner, tags)
    local base = of_queue(queue, is_given(owner) and 'owner:' .. owner or 'all')
    local length = call('ZCARD', base)
    for name, value in pairs(tags) do
        local key = tag_key(queue, name, value)
        local count = call('ZCARD', key)
        if count <= length then
            base, length = key, count
        end
    end
    return base
end

local function read_entry(index, with_data)
    local row = call('HMGET', entry_key(index), unpack(ENTRY))
    row[#row + 1] = with_data and call('HGET', entry_key(index), 'data') or ''
    return row
end

-- Who reads an entry, and how often it was tried, is in memory alone: after a restart of the server
-- it is read anew, and its frame is the same. How often by now.
local function begin_reading(index)
    write_to_memory()
    local attempts = call('HINCRBY', entry_key(index), 'attempts', 1)
    call('HSET', entry_key(index), 'leased_until', seconds_text(NOW + args.reading))
    write_to_log()
    return attempts
end

-- The index of the new entry. Where a reader of the input waits with the caller, and no other entry
-- goes first, it is read at once: the row of the entry instead.
acts.entry_put = function()
    local queue = args.queue
    if NOW > args.deadline then
        return 'late'
    end
    if call('HGET', P .. 'entries_closed', queue) == '1' then
        return 'closed'
    end
    for _, each in ipairs({queue, queue == INPUT and SINK or queue}) do
        if call('ZCARD', of_queue(each, 'all')) >= args.max_entries then
            return 'full:' .. each
        end
    end
    for _, each in ipairs(is_given(args.most_own) and {queue, queue == INPUT and SINK or nil} or {}) do
        local own = call('ZCARD', of_queue(each, 'owner:' .. args.entry.owner))
        if own >= args.most_own then
            return 'share:' .. own .. ':' .. each
        end
    end
    args.entry.put_at = seconds_text(NOW)
    local index = insert_entry(queue, args.entry, payload)
    ring('entries:' .. queue)
    if queue ~= INPUT then
        return index
    elseif is_given(args.reading) and call('ZCARD', of_queue(INPUT, 'admit')) == 1 then
        begin_reading(index)
        return read_entry(index, false)
    end
    ring('readers')
    return index
end

-- {next index to look at or -1, index that was given last, row, ...}
acts.entry_get = function()
    local queue, found, bytes = args.queue, {}, 0
    local base = base_of(queue, args.owner, args.tags)
    local order = args.newest and 'ZREVRANGEBYSCORE' or 'ZRANGEBYSCORE'
    local to = args.newest and '-inf' or '+inf'
    local members = call(order, base, args.from, to, 'LIMIT', 0, CHUNK)
    local after = -1
    if #members == CHUNK then
        after = tonumber(members[#members]) + (args.newest and -1 or 1)
    end
    write_to_memory()
    for _, member in ipairs(members) do
        local index = tonumber(member)
        local row = call('HMGET', entry_key(index), 'held_until', 'owner', 'tags')
        if tonumber(row[1]) <= NOW and fits(row[2], row[3], args.owner, args.tags) then
            local entry = read_entry(index, true)
            found[#found + 1] = entry
            bytes = bytes + #entry[#entry]
            if args.hold > 0 then
                call('HSET', entry_key(index), 'held_until', seconds_text(NOW + args.hold))
                call('ZADD', of_queue(queue, 'held'), seconds_text(NOW + args.hold), member)
            end
            if #found >= args.length or bytes >= args.max_bytes then
                after = -1
                break
            end
        end
    end
    local last = tonumber(call('GET', P .. 'entry_index') or '0')
    return {after, last, unpack(found)}
end

acts.entry_let_go = function()
    write_to_memory()
    for _, index in ipairs(args.indexes) do
        if call('HGET', entry_key(index), 'queue') == args.queue then
            call('HSET', entry_key(index), 'held_until', '0')
            call('ZREM', of_queue(args.queue, 'held'), padded(index))
        end
    end
    ring('entries:' .. args.queue)
end

acts.entry_delete = function()
    local removed = {}
    for _, index in ipairs(args.indexes) do
        removed[#removed + 1] = remove_entry(args.queue, index, args.owner)
    end
    return removed
end

-- Removes some of those before an index; to be called until it removes none.
acts.entry_truncate = function()
    local base, removed = base_of(args.queue, args.owner, {}), {}
    local members = call('ZRANGEBYSCORE', base, '-inf', '(' .. as_text(args.before), 'LIMIT', 0, CHUNK)
    for _, member in ipairs(members) do
        removed[#removed + 1] = remove_entry(args.queue, tonumber(member), args.owner)
    end
    return removed
end

local function count_held(queue, owner, tags, priority)
    local count = 0
    write_to_memory()
    call('ZREMRANGEBYSCORE', of_queue(queue, 'held'), '-inf', seconds_text(NOW))
    if not is_given(owner) and not is_given(priority) and next(tags) == nil then
        return call('ZCARD', of_queue(queue, 'held'))
    end
    for _, member in ipairs(call('ZRANGE', of_queue(queue, 'held'), 0, -1)) do
        local row = call('HMGET', entry_key(tonumber(member)), 'owner', 'tags', 'priority')
        if row[1] and fits(row[1], row[2], owner, tags)
            and (not is_given(priority) or tonumber(row[3]) == priority) then
            count = count + 1
        end
    end
    return count
end

-- {next index to look at or -1, number}; the number has to be added up.
acts.entry_count = function()
    local queue, owner, tags, priority = args.queue, args.owner, args.tags, args.priority
    local held = 0
    if args.from == 0 then
        held = count_held(queue, owner, tags, priority)
    end
    if next(tags) == nil then
        local name = is_given(owner) and 'owner-order:' .. owner or 'order'
        if is_given(priority) then
            return {-1, call('ZCOUNT', of_queue(queue, name), -priority, -priority) - held}
        end
        return {-1, call('ZCARD', of_queue(queue, name)) - held}
    end
    local members = call('ZRANGEBYSCORE', base_of(queue, owner, tags), args.from, '+inf',
                         'LIMIT', 0, CHUNK)
    local count = 0
    for _, member in ipairs(members) do
        local row = call('HMGET', entry_key(tonumber(member)), 'owner', 'tags', 'priority')
        if fits(row[1], row[2], owner, tags)
            and (not is_given(priority) or tonumber(row[3]) == priority) then
            count = count + 1
        end
    end
    return {#members == CHUNK and tonumber(members[#members]) + 1 or -1, count - held}
end

acts.entry_close = function()
    call('HSET', P .. 'entries_closed', args.queue, args.closed and '1' or '0')
    ring('entries:' .. args.queue)
end
