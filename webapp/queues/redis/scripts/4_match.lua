-- Frames that wait, as the match rule (webapp/queues/scheduler.py) looks at them.
--   frame:<id>, body:<id>       hash of its fields; its bytes
--   frames                      stream: an entry <index>-0 for each frame that waits or is leased;
--                               the pending entries of its group "easel-workers" are the leases
--   waiting, deadly             sorted sets of ids by index; workers died of the deadly ones again
--   group:<group>               the same of one owner, priority and checkpoint
--   heads, class:<priority>     groups by the index of their oldest frame
--   classes                     priorities
--   turns:<priority>, rounds    hashes: owner -> deficit, round, age_override_at; priority -> round
--   leased                      set of ids
--   turns_version               grows by one with each claim, and with each correction of an account
local DEADLY_COUNT = 2 -- deaths of workers after which a frame goes behind all others
local GROUP = 'easel-workers' -- as deploy/keda names it
local LAST_ID = '18446744073709551615-18446744073709551615'
local FRAME = {'id', 'kind', 'owner', 'checkpoint', 'priority', 'tags', 'index', 'put_at',
               'deliveries', 'worker', 'work', 'weight', 'predicted_seconds', 'sharing'}
local CANDIDATE = {'id', 'index', 'owner', 'priority', 'checkpoint', 'put_at', 'predicted_seconds',
                   'weight', 'sharing'}

local function frame_key(id)
    return P .. 'frame:' .. id
end

local function stream_id(index)
    return string.format('%.0f-0', index)
end

local function group_of(owner, priority, checkpoint)
    return priority .. ':' .. #owner .. ':' .. owner .. ':' .. checkpoint
end

-- The group's lag is the number of frames that wait: what KEDA's redis-streams scaler reads.
local function publish_lag()
    local added = tonumber(call('GET', P .. 'frame_index') or '0')
    call('XGROUP', 'SETID', P .. 'frames', GROUP, LAST_ID, 'ENTRIESREAD',
         string.format('%.0f', added - call('ZCARD', P .. 'waiting')))
end

local function refresh_head(group, priority)
    local head = call('ZRANGE', P .. 'group:' .. group, 0, 0, 'WITHSCORES')
    local class = P .. 'class:' .. priority
    if head[1] then
        call('ZADD', class, head[2], group)
        call('ZADD', P .. 'heads', head[2], group)
        call('ZADD', P .. 'classes', priority, priority)
        return
    end
    call('ZREM', class, group)
    call('ZREM', P .. 'heads', group)
    if call('EXISTS', class) == 0 then
        call('ZREM', P .. 'classes', priority)
    end
end

local function add_waiting(id)
    local row = call('HMGET', frame_key(id), 'owner', 'priority', 'checkpoint', 'index', 'deaths')
    call('ZADD', P .. 'waiting', row[4], id)
    if tonumber(row[5] or '0') >= DEADLY_COUNT then
        call('ZADD', P .. 'deadly', row[4], id)
        return
    end
    local group = group_of(row[1], row[2], row[3])
    call('ZADD', P .. 'group:' .. group, row[4], id)
    refresh_head(group, row[2])
end

local function remove_waiting(id)
    local row = call('HMGET', frame_key(id), 'owner', 'priority', 'checkpoint')
    local group = group_of(row[1], row[2], row[3])
    call('ZREM', P .. 'waiting', id)
    call('ZREM', P .. 'deadly', id)
    call('ZREM', P .. 'group:' .. group, id)
    refresh_head(group, row[2])
end

local function is_waiting(id)
    return call('ZSCORE', P .. 'waiting', id) ~= false
end

local function read_account(priority, owner)
    local known = call('HGET', P .. 'turns:' .. priority, owner)
    if not known then
        return nil
    end
    local deficit, round, override = string.match(known, '^(%S+) (%S+) (%S+)$')
    return {deficit = tonumber(deficit), round = tonumber(round), override = tonumber(override)}
end

local function write_account(priority, owner, account)
    call('HSET', P .. 'turns:' .. priority, owner, as_text(account.deficit) .. ' '
         .. as_text(account.round) .. ' ' .. as_text(account.override))
    local round = tonumber(call('HGET', P .. 'rounds', priority) or '-inf')
    if not round or account.round > round then
        call('HSET', P .. 'rounds', priority, as_text(account.round))
    end
end

-- Adds to what an owner may still take of a class, where it has an account.
local function credit(priority, owner, seconds)
    local account = read_account(priority, owner)
    if account then
        account.deficit = account.deficit + seconds
        write_account(priority, owner, account)
        call('INCR', P .. 'turns_version')
    end
end

-- The oldest frames of the highest class, or of every class, and of those that are old.
local function find_candidates(limit, age_cap, every_class)
    local found, seen = {}, {}
    local function add(id, deadly)
        if not seen[id] then
            local row = call('HMGET', frame_key(id), unpack(CANDIDATE))
            row[#CANDIDATE + 1] = deadly
            found[#found + 1] = row
            seen[id] = tonumber(row[6])
        end
        return seen[id] -- when it was put
    end
    local top = call('ZREVRANGE', P .. 'classes', 0, 0)[1]
    if not top then
        for _, id in ipairs(call('ZRANGE', P .. 'deadly', 0, limit - 1)) do
            add(id, 1)
        end
        return found
    end
    local last = 0
    if every_class then
        last = -1
    end
    for _, class in ipairs(call('ZREVRANGE', P .. 'classes', 0, last)) do
        for _, group in ipairs(call('ZRANGE', P .. 'class:' .. class, 0, limit - 1 - #found)) do
            add(call('ZRANGE', P .. 'group:' .. group, 0, 0)[1], 0)
        end
        if #found >= limit then
            break
        end
    end
    for _, group in ipairs(call('ZRANGE', P .. 'heads', 0, limit - 1)) do
        if add(call('ZRANGE', P .. 'group:' .. group, 0, 0)[1], 0) > NOW - age_cap then
            break
        end
    end
    return found
end

-- Whether leases have run out, or offers were not taken in time.
local function has_expired()
    if call('ZCOUNT', P .. 'offers', '-inf', seconds_text(NOW)) > 0 then
        return 1
    elseif call('EXISTS', P .. 'frames') == 0 then
        return 0
    end
    local idle = as_text(math.floor(SERVER_MS - (NOW - args.term - args.shift) * 1000) + 1)
    return #call('XPENDING', P .. 'frames', GROUP, 'IDLE', idle, '-', '+', 1)
end

-- JSON (which is read faster than a thousand texts) of what the match rule has to know:
-- {now, 1 where a lease has run out, version, candidates, accounts, rounds, owner and sharing of
-- each leased frame, idle workers}. Accounts are those of the candidates in the classes.
local function backlog_text(candidates, classes, expired, idle)
    local leased = {}
    for _, id in ipairs(call('SMEMBERS', P .. 'leased')) do
        leased[#leased + 1] = call('HMGET', frame_key(id), 'owner', 'sharing')
    end
    local accounts, rounds, seen = {}, {}, {}
    local function add(priority, owner)
        local name = priority .. ':' .. owner
        if not seen[name] then
            seen[name] = true
            local account = read_account(priority, owner)
            if account then
                accounts[#accounts + 1] = {priority, owner, as_text(account.deficit),
                                           as_text(account.round), as_text(account.override)}
            end
        end
        if not seen[priority] then
            seen[priority] = true
            rounds[#rounds + 1] = {priority, call('HGET', P .. 'rounds', priority) or '0'}
        end
    end
    for _, row in ipairs(candidates) do
        add(row[4], row[3])
        for _, class in ipairs(classes) do
            add(class, row[3])
        end
    end
    return cjson.encode({seconds_text(NOW), expired, call('GET', P .. 'turns_version') or '0',
                         candidates, accounts, rounds, leased, idle})
end

acts.look = function()
    local last = 0
    if args.every_class then
        last = -1
    end
    local classes = call('ZREVRANGE', P .. 'classes', 0, last)
    return backlog_text(find_candidates(args.limit, args.age_cap, args.every_class), classes,
                        has_expired(), {})
end
