#!/bin/sh
# The benchmark: bench/run.sh [EVENTS] [THREADS] [RUNS]
#
# Builds wayproof as the rock does and the bench's tools, installs the peers it can into build/bench
# (npm: DuckDB and ClickHouse; Debian's packages for Python and R when we are root), says which it
# could not, and runs bench/run.lua. EVENTS may be a list: "1000000 10000000 50000000".
set -u
cd "$(dirname "$0")/.." || exit 1
events=${1:-1000000}
threads=${2:-2}
runs=${3:-3}
work=$PWD/build/bench
mkdir -p "$work/node" || exit 1
has() { command -v "$1" >/dev/null 2>&1; }

make -s build || exit 1
flags=$(pkg-config --cflags lua5.4 2>/dev/null || echo -I/usr/include/lua5.4)
cc -O2 -o "$work/generate" bench/generate.c -lm || exit 1
# shellcheck disable=SC2086
cc -O2 -fPIC -shared $flags -o "$work/probe.so" bench/probe.c -lsqlite3 -lpthread || exit 1
export LUA_PATH="$PWD/lua/?.lua;$PWD/lua/?/init.lua;;"
export LUA_CPATH="$PWD/build/release/?.so;$work/?.so;;"

cp bench/peers/*.mjs "$work/node/"
if has npm; then
    for package in @duckdb/node-api chdb; do
        [ -d "$work/node/node_modules/$package" ] ||
            (cd "$work/node" && npm install --silent --no-audit --no-fund "$package" >/dev/null 2>&1) ||
            echo "not installed: $package (npm refused)" >&2
    done
else
    echo "not installed: DuckDB and ClickHouse (no npm)" >&2
fi
# Debian's Python has the packages; another python3 may come first in PATH.
BENCH_PYTHON=python3
[ -x /usr/bin/python3 ] && BENCH_PYTHON=/usr/bin/python3
export BENCH_PYTHON
missing=
"$BENCH_PYTHON" -c 'import pandas, scipy, statsmodels' 2>/dev/null ||
    missing="python3-pandas python3-scipy python3-statsmodels"
Rscript -e 'library(data.table); library(pROC)' >/dev/null 2>&1 ||
    missing="$missing r-cran-data.table r-cran-proc"
has sqlite3 || missing="$missing sqlite3"
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    { has apt-get && [ "$(id -u)" = 0 ] && apt-get install -y -qq $missing >/dev/null 2>&1; } ||
        echo "not installed: $missing" >&2
fi

status=0
for count in $events; do
    lua5.4 bench/run.lua "$work" "$count" "$threads" "$runs" || status=1
done
exit $status
