-- What wrk asks and how it judges the answers (see load.py, which passes init's arguments).
--
-- wrk would stop in the middle of its requests, and sleep on in whole seconds. Here each connection asks `delay` before
-- its next request: once the time is over it waits for ever, and when all do, every request has its answer; then wrk is
-- told to end. wrk calls setup and done in one Lua state, all else in the thread's own, whose globals `thread:get` reads.

local ffi = require("ffi")
ffi.cdef([[
    struct moment { long seconds, nanoseconds; };
    int clock_gettime(int clock, struct moment *now);
    int getpid(void);
    int kill(int pid, int signal);
]])

local MONOTONIC, SIGINT, NEVER_MS = 1, 2, 1e9
local OPENING_MS, TCP_MS, TLS_MS = 100, 1, 10 -- for all, and for each; the slowest proxies take a while for a handshake

local started, deadline, heads = false, math.huge, {}
local opened, idle, claimed = 0, 0, 0
local runner -- main state only

tally = { operations = 0, requests = 0, answers = 0, bad_status = 0, bad_length = 0, first_error = "" }

local function now()
    local moment = ffi.new("struct moment")
    ffi.C.clock_gettime(MONOTONIC, moment)
    return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

local function say(to, text, ...)
    local out = assert(io.open("/proc/self/fd/" .. to, "w"))
    out:write(string.format(text, ...), "\n")
    out:close()
end

-- Each request stands after its length: 8 hexadecimal digits and a newline.
local function read_heads(path)
    local text = assert(io.open(path, "rb")):read("*a")
    local at = 1
    while at <= #text do
        local length = assert(tonumber(text:sub(at, at + 7), 16), path .. " is no file of requests")
        heads[#heads + 1] = text:sub(at + 9, at + 8 + length)
        at = at + 9 + length
    end
end

function setup(thread)
    runner = thread
end

function init(args)
    plan = {
        expect = tonumber(args[2]), connections = tonumber(args[3]), seconds = tonumber(args[4]),
        count = tonumber(args[5]), hold = args[6] == "1", told = args[7],
    }
    read_heads(args[1])
end

local function start()
    if plan.hold then
        say(plan.told, '{"open": %d, "errors": %d}', opened, plan.connections - opened)
        io.read()
    end
    started, claimed = true, plan.connections
    if plan.seconds > 0 then deadline = now() + plan.seconds end
end

local function over()
    return now() >= deadline or (plan.count > 0 and claimed >= plan.count)
end

local function stop()
    wrk.thread:stop()
    ffi.C.kill(ffi.C.getpid(), SIGINT)
end

-- Milliseconds. wrk asks first when a connection is open, then after each answer.
function delay()
    if not started then
        opened = opened + 1
        return OPENING_MS + (wrk.scheme == "https" and TLS_MS or TCP_MS) * plan.connections
    end
    if not over() then
        claimed = claimed + 1
        return 0
    end
    idle = idle + 1
    if idle == plan.connections then stop() end
    return NEVER_MS
end

function request()
    if opened == 0 then return heads[1] end -- before all else wrk looks at one, and does not send it
    if not started then start() end
    tally.requests = tally.requests + 1
    if tally.requests - tally.answers > 2 * plan.connections then stop() end -- wrk tries for ever what is cut off
    return heads[tally.requests % #heads + 1]
end

local function wrong(kind, text, ...)
    tally[kind] = tally[kind] + 1
    if tally.first_error == "" then tally.first_error = string.format(text, ...) end
end

function response(status, headers, body)
    tally.answers = tally.answers + 1
    if status ~= 200 then
        wrong("bad_status", "status %d", status)
    elseif #body ~= plan.expect then
        wrong("bad_length", "a body of %d bytes, not %d", #body, plan.expect)
    else
        tally.operations = tally.operations + 1
    end
end

function done(summary, latency, requests)
    local found, known, failed = runner:get("tally"), runner:get("plan"), summary.errors
    local text = '{"mode": "http", "operations": %d, "requests": %d, "errors": %d, "bad_status": %d, "bad_length": %d, '
        .. '"bad_content": 0, "unserved": %d, "resumed": 0, "p50_us": %.1f, "p99_us": %.1f, "first_error": "%s"}'
    say(
        known.told, text, found.operations, found.requests, failed.connect + failed.read + failed.write + failed.timeout,
        found.bad_status, found.bad_length, found.requests - found.answers,
        latency:percentile(50), latency:percentile(99), found.first_error
    )
    if known.hold then io.read("*a") end
end
