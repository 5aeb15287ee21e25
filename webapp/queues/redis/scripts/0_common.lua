-- What all acts use. KEYS[1] begins every key; ARGV: name of the act, its arguments as JSON, bytes.
-- Each act is a script of those parts of the files that it names; Redis runs an act alone.
local P = KEYS[1]
local args = cjson.decode(ARGV[2])
local payload = ARGV[3]
local acts = {}
local call = redis.call

local function is_given(value)
    return value ~= nil and value ~= cjson.null
end

local time = call('TIME')
local SERVER_MS = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
-- Unix seconds of the server; in tests, of a clock that the caller brought. Redis knows the ages of
-- leases by its own clock alone: such a clock's moments are told to it as ones of args.shift ago.
local NOW = is_given(args.now) and args.now or tonumber(time[1]) + tonumber(time[2]) / 1000000

local function as_text(number)
    return string.format('%.17g', number)
end

local function seconds_text(number)
    return string.format('%.6f', number)
end

local function ring(topic)
    call('PUBLISH', P .. 'bell', topic)
end

-- What is written from here on stays in the server's memory: it is in no log, waits for no disk and
-- reaches no replica. For what a restart of the server may forget.
local function write_to_memory()
    redis.set_repl(redis.REPL_NONE)
end

local function write_to_log()
    redis.set_repl(redis.REPL_ALL)
end
