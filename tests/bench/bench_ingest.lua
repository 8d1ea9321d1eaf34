-- What wrk sends for bench_ingest.sh: bodies from a file, one a line, in turn. The requests are formatted before the load
-- begins: the load generator shares the cores with what is measured.
-- usage: wrk .. -s bench_ingest.lua URL -- FILE AUTHORIZATION

local requests, turn = {}, 0

function init(args)
    local headers = { ["Content-Type"] = "application/json", ["Authorization"] = args[2] }
    for body in io.lines(args[1]) do
        requests[#requests + 1] = wrk.format("POST", nil, headers, body)
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

-- One line for the script: requests, their time, failures of any kind, latencies. Times are microseconds.
function done(summary, latency)
    local errors = 0
    for _, count in pairs(summary.errors) do
        errors = errors + count
    end
    print(string.format("result %d %d %d %d %d", summary.requests, summary.duration, errors, latency:percentile(50),
        latency:percentile(99)))
end
