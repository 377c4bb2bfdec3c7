#!/bin/sh
# Latencies of the running platform beside their floors, measured in one run on this host. Needs root, and a platform that
# nothing else uses meanwhile: `dnah up --detach` first. Ends with 1 where a promise was not kept; interrupted, it deletes what
# it made.
#
#   verify/perf-quick.sh                   all of it; `life` alone takes 10 minutes on two cores that emulate
#   verify/perf-quick.sh life              a group: `data` (creates, calls, content) or `life` (what happens to a whole sandbox)
#   verify/perf-quick.sh pause burst       some sections: verify/src/sections.ts has their names
#   verify/perf-quick.sh --rounds 100      other counts: verify/src/options.ts has them; --json for programs
set -eu
cd "$(dirname "$0")/.."
exec sh tools/run perf-quick "$@"
