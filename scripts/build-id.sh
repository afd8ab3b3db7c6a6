#!/usr/bin/env bash
# Prints the id that both binaries carry and compare when they meet: the commit, and, where the tree differs from it or
# there is no commit, a hash of the sources too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
id=$(git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null || echo source-dirty)
case $id in
*-dirty)
	hasher=$(command -v sha256sum || command -v shasum)
	[ "${hasher##*/}" = sha256sum ] || hasher="$hasher -a 256"
	hash=$(find go.mod go.sum cmd internal -type f ! -name '*_test.go' | LC_ALL=C sort | xargs cat | $hasher | cut -c1-12)
	id=${id%-dirty}+$hash
	;;
esac
printf '%s\n' "$id"
