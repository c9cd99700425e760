#!/bin/sh
# Recomputes every stored reference figure (spec/oracle/*.lua) with the packages that define it, and
# compares; `run.sh --write` stores the fresh figures instead. `run.sh NAME` does one. Installs
# nothing: a script whose interpreter or package is missing is reported and skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1
write=no names=
for argument in "$@"; do
  case $argument in
    --write) write=yes ;;
    *) names="$names $argument" ;;
  esac
done
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
same=0 differ=0 skipped=0

one() {
  script=$1 name=$(basename "${1%.*}") stored=spec/oracle/$(basename "${1%.*}").lua
  case $script in
    *.R) command="Rscript --vanilla $script" ;;
    *.py) command="${WAYPROOF_PYTHON:-/usr/bin/python3} $script" ;;
  esac
  if ! $command >"$scratch/body" 2>"$scratch/talk"; then
    echo "$name: skipped, '$command' failed: $(tail -n 1 "$scratch/talk")"
    skipped=$((skipped + 1))
    return
  fi
  echo "-- Made by $script; see tools/oracles/run.sh." >"$scratch/$name.lua"
  cat "$scratch/body" >>"$scratch/$name.lua"
  if [ "$write" = yes ]; then
    mkdir -p spec/oracle && cp "$scratch/$name.lua" "$stored" && echo "$name: stored"
  elif "${LUA:-lua5.4}" tools/oracles/compare.lua "$stored" "$scratch/$name.lua"; then
    same=$((same + 1))
  else
    differ=$((differ + 1))
  fi
}

for script in tools/oracles/*.R tools/oracles/*.py; do
  [ -e "$script" ] || continue
  case " $names " in
    "  " | *" $(basename "${script%.*}") "*) one "$script" ;;
  esac
done
[ "$write" = yes ] || echo "oracles: $same agree, $differ differ, $skipped skipped"
[ "$differ" -eq 0 ]
