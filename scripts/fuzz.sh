#!/usr/bin/env bash
# Runs every fuzz target of the tree for FUZZTIME, one after another, and prints one line for each.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT

n=0
while IFS=: read -r file name; do
	if go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-10s}" "./$(dirname "$file")" </dev/null >"$log" 2>&1; then
		printf 'fuzz: %-28s %-32s %s\n' "$(dirname "$file")" "$name" "$(grep -o 'execs: [0-9]*' "$log" | tail -1)"
	else
		cat "$log"
		echo "fuzz: $name in $(dirname "$file") failed; the input that did it was written to its testdata folder." >&2
		exit 1
	fi
	n=$((n + 1))
done < <(grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' internal cmd test | sed 's/:func /:/' | LC_ALL=C sort)
[ "$n" -gt 0 ] || { echo "fuzz: no fuzz target was found" >&2; exit 1; }
echo "fuzz: $n targets, no failure"
