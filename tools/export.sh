#!/usr/bin/env bash
# Copies the work tree as a clean checkout would have it: the files git tracks or would take, with
# their present contents, and no build. Usage: tools/export.sh DIRECTORY (made when absent)
set -eu
target=$1
mkdir -p "$target"
target=$(cd "$target" && pwd)
cd "$(dirname "$0")/.."
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard
else
    find . -path ./build -prune -o -path ./.git -prune -o -type f ! -name '*.o' -print0
fi | while IFS= read -r -d '' file; do
    # a tracked file may be deleted in the work tree
    if [ -e "$file" ]; then printf '%s\0' "$file"; fi
done | tar -c --null --files-from=- | tar -x -C "$target"
