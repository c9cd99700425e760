#!/bin/sh
# Installs what a fresh machine lacks, and says nothing when all is there.
#
#   tools/setup.sh demo     what building and running needs
#   tools/setup.sh test     the above and the test tools
#   tools/setup.sh SET --check   only say what is missing (exit 1 when something is)
#
# Debian's packages are installed when we are root or may use sudo; anywhere else the exact line to
# type is printed, and the exit code is 1.
set -u
wanted=${1:-demo}
mode=${2:-install}

lua=${LUA:-}
if [ -z "$lua" ]; then
    for name in lua5.4 lua54 lua; do
        if command -v "$name" >/dev/null 2>&1; then lua=$name; break; fi
    done
fi

has_command() { command -v "$1" >/dev/null 2>&1; }
has_lua() { [ -n "$lua" ] && "$lua" -e 'assert(_VERSION == "Lua 5.4")' >/dev/null 2>&1; }
has_module() { has_lua && "$lua" -e "require '$1'" >/dev/null 2>&1; }
has_header() {
    has_command cc || return 1
    flags=$(pkg-config --cflags lua5.4 2>/dev/null || pkg-config --cflags lua 2>/dev/null)
    # shellcheck disable=SC2086
    echo "#include <$1>" | cc $flags -I/usr/include/lua5.4 ${CPPFLAGS:-} -E - >/dev/null 2>&1
}

missing=
need() { # need <Debian package> <test...>
    package=$1; shift
    "$@" || missing="$missing $package"
}

need gcc has_command cc
need libc6-dev has_header stdio.h
need lua5.4 has_lua
need liblua5.4-dev has_header lua.h
need libsqlite3-dev has_header sqlite3.h
need zlib1g-dev has_header zlib.h
need lua-dkjson has_module dkjson
need lua-argparse has_module argparse
if [ "$wanted" = test ]; then
    need lua-busted has_module busted.runner
    need lua-check has_command luacheck
    need luarocks has_command luarocks
    need clang-format has_command clang-format
    need git has_command git
    need tzdata test -e /usr/share/zoneinfo/Europe/Berlin
    need sqlite3 has_command sqlite3
fi
[ -z "$missing" ] && exit 0

advise() {
    echo "wayproof needs:$missing (Debian's names)" >&2
    if has_command dnf; then
        echo "  sudo dnf install gcc make git lua lua-devel luarocks sqlite-devel zlib-devel" \
            "lua-argparse lua-dkjson clang-tools-extra" >&2
    elif has_command apk; then
        echo "  apk add build-base git lua5.4 lua5.4-dev luarocks5.4 sqlite-dev zlib-dev tzdata" \
            "lua5.4-argparse lua5.4-dkjson clang-extra-tools" >&2
    elif has_command brew; then
        echo "  brew install lua@5.4 luarocks sqlite zlib clang-format" >&2
    elif has_command apt-get; then
        echo "  sudo apt-get install$missing" >&2
        return
    else
        echo "  install them with your system's package manager" >&2
    fi
    if [ "$wanted" = test ]; then
        echo "  and from LuaRocks: luarocks --lua-version=5.4 install busted luacheck" >&2
    fi
    echo "  and, where they are not packaged: luarocks --lua-version=5.4 install dkjson argparse" >&2
}

if [ "$mode" = --check ] || ! has_command apt-get; then
    advise
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=
elif has_command sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    as_root=sudo
else
    advise
    echo "(not root and no sudo here, so this must be typed by someone who may)" >&2
    exit 1
fi

echo "installing$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() {
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        install $missing >"$log" 2>&1
}
update() {
    $as_root apt-get -q update >>"$log" 2>&1
}
# A new machine has no package lists yet, an old one stale lists: try, refresh, try once more.
if ! install && ! { update && install; }; then
    tail -n 15 "$log" >&2
    advise
    exit 1
fi
