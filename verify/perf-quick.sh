#!/bin/sh
# Latencies of the running platform beside their floors, measured in one run on this host. Needs root, and a platform that
# nothing else uses meanwhile: `dnah up --detach` first. Flags: --creates N, --execs N, --json.
set -eu
cd "$(dirname "$0")/.."
exec sh tools/run perf-quick "$@"
