#!/usr/bin/env bash
# Runs `make gen` and fails when that changed a file: then somebody edited generated code, or forgot to write it anew.
# Files that are changed but not committed are no reason to fail, so the tree is compared with itself before and after.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

picture() {
	find . \( -path ./.git -o -path ./.cache -o -path ./bin -o -path ./share -o -path ./.venv -o -path ./.venv-triton -o -name node_modules \) -prune \
		-o -type f -print0 | LC_ALL=C sort -z | xargs -0 cksum
}

before=$(picture)
make --no-print-directory gen
if ! changed=$(diff <(printf '%s\n' "$before") <(picture)); then
	printf '%s\n' "$changed"
	echo "gen-check: 'make gen' changed the files above; commit what it wrote." >&2
	exit 1
fi
