#!/usr/bin/env bash
# Proves both commands on a machine that has nothing: a minimal Debian root made by debootstrap,
# holding `make` and a clean copy of this tree, in which `make demo` and `make test` are run.
#
# Needs root and debootstrap (installed when apt is there). The mirror is the one that this
# machine's apt is configured with; it is passed on, not stored. Cleans up after itself;
# KEEP=1 leaves the root for a look, SUITE=trixie tries another release.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "make fresh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "making a Debian root needs root (try: sudo make fresh)"
command -v debootstrap >/dev/null || {
    command -v apt-get >/dev/null || fail "debootstrap is not installed"
    apt-get -q -y install debootstrap >/dev/null 2>&1 ||
        { apt-get -q update >/dev/null && apt-get -q -y install debootstrap >/dev/null; }
}

suite=${SUITE:-bookworm}
mirror=$(apt-get indextargets --format '$(CREATED_BY) $(CODENAME) $(SITE)' 2>/dev/null |
    awk -v suite="$suite" '$1 == "Packages" && $2 == suite { print $3; exit }')
if [ -z "$mirror" ]; then
    # no package lists here yet: ask the configuration itself
    mirror=$(sed -n -E "s/^(deb .*[[:space:]])?(URIs:[[:space:]]*)?(https?:[^[:space:]]*debian)([[:space:]].*)?\$/\3/p" \
        /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -n 1)
fi
[ -n "$mirror" ] || fail "apt is not configured with a mirror for $suite"

root=$(mktemp -d "${TMPDIR:-/var/tmp}/wayproof-fresh.XXXXXX")
cleanup() {
    umount "$root/proc" 2>/dev/null || true
    if [ "${KEEP:-0}" = 1 ]; then
        echo "left for a look: $root"
    else
        rm -rf --one-file-system "$root"
    fi
}
trap cleanup EXIT INT TERM

echo "== a new Debian ($suite) in $root"
debootstrap --variant=minbase --include=make "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2; rm -f "$root.log"; fail "debootstrap failed"; }
rm -f "$root.log"
mount -t proc proc "$root/proc" 2>/dev/null || echo "(going on without /proc)"
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
# how this machine reaches its mirror (proxies and such) is how the new one does
apt-config dump 2>/dev/null | grep -i -E '^Acquire::(http|https|ftp|Retries)' \
    >"$root/etc/apt/apt.conf.d/90from-host" || true

tools/export.sh "$root/src/wayproof"
inside() {
    chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
        make -C /src/wayproof "$@"
}
echo "== make demo"
inside demo
echo "== make test"
inside test
