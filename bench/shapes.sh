#!/bin/sh
# What other shapes of log cost: bench/shapes.sh [EVENTS] [THREADS]. After bench/run.sh, which builds
# the tools. Prints processor time per event, in nanoseconds, over all threads.
set -u
cd "$(dirname "$0")/.." || exit 1
events=${1:-1000000}
threads=${2:-2}
work=$PWD/build/bench
export LUA_PATH="$PWD/lua/?.lua;$PWD/lua/?/init.lua;;"
export LUA_CPATH="${BENCH_CORE:-$PWD/build/release}/?.so;$work/?.so;;"
echo "| shape | load | measure | funnel | transitions | sessions | retention | B per event | peak MB |"
echo "| --- | --: | --: | --: | --: | --: | --: | --: | --: |"
for shape in plain strings grouped once single names wide; do
    count=$events
    [ "$shape" = wide ] && count=$((events / 20))
    "$work/generate" "$count" "$shape" >"$work/shape.csv" 2>/dev/null || exit 1
    lua5.4 bench/shapes.lua "$work/shape.csv" "$shape" "$threads" || exit 1
    rm -f "$work/shape.csv"
done
