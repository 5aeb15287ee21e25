-- What several web processes of one service have in common.
--   failures:<key>      list of moments, the oldest first: wrong guesses that still count
--   feed                stream of "0-<number>": what one web process tells the others
--   feed_last, feed_epoch   number of the latest; whose numbers they are
--   turn:<name>         hash: token, sending, silent (ms), wanted. Who holds something, until it ends

acts.add_failure = function()
    local key = P .. 'failures:' .. args.key
    call('RPUSH', key, seconds_text(NOW))
    call('LTRIM', key, -args.tries, -1)
    call('PEXPIRE', key, math.ceil(args.window * 1000))
end

-- Seconds until the key may fail again, as a text.
acts.failure_wait = function()
    local times = call('LRANGE', P .. 'failures:' .. args.key, -args.tries, -1)
    if #times < args.tries then
        return '0'
    end
    return as_text(math.max(0, tonumber(times[1]) + args.window - NOW))
end

acts.feed_add = function()
    call('SET', P .. 'feed_epoch', args.epoch, 'NX')
    local number = call('INCR', P .. 'feed_last')
    call('XADD', P .. 'feed', 'MAXLEN', '~', args.kept, '0-' .. number, 'topic', args.topic, 'data', payload)
    ring('feed')
    return number
end

local function feed_place()
    return call('GET', P .. 'feed_epoch') or '', tonumber(call('GET', P .. 'feed_last') or '0')
end

-- Epoch and number of the latest.
acts.feed_open = function()
    call('SET', P .. 'feed_epoch', args.epoch, 'NX')
    return {feed_place()}
end

-- The same, and what came after one: number, topic, data.
acts.feed_read = function()
    local epoch, last = feed_place()
    local found = {}
    for _, row in ipairs(call('XRANGE', P .. 'feed', '(0-' .. args.after, '+', 'COUNT', args.most)) do
        found[#found + 1] = {string.sub(row[1], 3), row[2][2], row[2][4]}
    end
    return {epoch, last, found}
end

-- 1: the turn is the caller's. Else how long its holder has been silent (ms), and whether it sends.
acts.claim_turn = function()
    local key = P .. 'turn:' .. args.name
    local holder = call('HGET', key, 'token')
    if holder and holder ~= args.token then
        local row = call('HMGET', key, 'silent', 'sending')
        if args.wanted then
            call('HSET', key, 'wanted', '1')
        end
        return {tonumber(row[1]), tonumber(row[2])}
    end
    call('HSET', key, 'token', args.token, 'sending', args.sending and 1 or 0, 'silent', 0)
    call('PEXPIRE', key, args.kept_ms)
    return 1
end

-- 0: the turn is another's; 1: kept for a while longer; 2: kept, and somebody else wants it.
acts.keep_turn = function()
    local key = P .. 'turn:' .. args.name
    local holder = call('HGET', key, 'token')
    if holder and holder ~= args.token then
        return 0
    end
    call('HSET', key, 'token', args.token, 'sending', args.sending and 1 or 0, 'silent', args.silent)
    call('PEXPIRE', key, args.kept_ms)
    return call('HDEL', key, 'wanted') + 1
end

acts.leave_turn = function()
    local key = P .. 'turn:' .. args.name
    if call('HGET', key, 'token') == args.token then
        call('DEL', key)
    end
end
