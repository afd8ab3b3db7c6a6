#!/usr/bin/env bash
# Installs what a runtime needs that `make setup` does not bring: scripts/runtime.sh onnx. Pinned by the lock files in
# native/ and checked against the sums there, on every run. What is there already stays.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

share=$root/share/ashatai

# onnx fills share/ashatai/lib/onnxruntime.
onnx() {
	local name lock dest sumfile tmp from
	name=$(platform)
	[ -n "$name" ] || die "no ONNX Runtime library is packaged for $(uname -s) $(uname -m)."
	need_lib libstdc++.so.6 libstdc++6
	lock=$root/native/onnxruntime
	sumfile=$(onnx_sumfile)
	dest=$share/lib/onnxruntime
	if [ -d "$dest" ] && cmp -s "$sumfile" "$dest/SHA256SUMS" && (cd "$dest" && sums SHA256SUMS); then
		say "nothing to do: ONNX Runtime is there and matches its sum"
		return 0
	fi
	need npm npm "to install ONNX Runtime's shared library"
	say "installing ONNX Runtime's shared library for $name"
	tmp=$(stage onnxruntime)
	cp "$lock/package.json" "$lock/package-lock.json" "$lock/.npmrc" "$tmp/"
	# Its install script would fetch libraries for GPUs from elsewhere.
	(cd "$tmp" && twice npm ci --ignore-scripts --loglevel=error) >/dev/null
	from=$tmp/node_modules/onnxruntime-node/bin/napi-v6/linux/${name#linux-}
	mkdir "$tmp/out"
	awk '{print $2}' "$sumfile" | while read -r file; do
		cp "$from/$file" "$tmp/out/"
	done
	cp "$sumfile" "$tmp/out/SHA256SUMS"
	(cd "$tmp/out" && sums SHA256SUMS) ||
		die "ONNX Runtime's library does not match ${sumfile#"$root"/}; it was not installed."
	find "$tmp/out" -type f -exec chmod 0444 {} +
	mkdir -p "$(dirname "$dest")"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	rm -rf "$tmp"
	say "done; ONNX Runtime lies read-only in share/ashatai/lib/onnxruntime"
}

case "${1:-}" in
onnx) onnx ;;
*) die "name the runtime to install: onnx" ;;
esac
