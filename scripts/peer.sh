#!/usr/bin/env bash
# Builds llama-server of the pinned llama.cpp release into .cache/peer, for `make bench`. Only the server's own objects
# are compiled (two to four minutes on two cores); it is linked with the very libraries that this server loads, so a
# comparison measures the servers and not two compilers.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

dest=$cache/peer
# What the peer was made from; a change of the recipe below that changes the program raises the number.
stamp="recipe 1, $(cat "$root/native/llamacpp-source/sha256sums")"
name=$(platform)
[ -n "$name" ] || die "the peer of the benchmark builds on Linux x86-64 and arm64 only."
if [ "$(cat "$dest/STAMP" 2>/dev/null)" = "$stamp" ]; then
	say "nothing to do: the peer, llama-server, is in .cache/peer"
	exit 0
fi
need git git "to unpack the source of llama.cpp"
need cmake cmake "to build the peer"
need ninja ninja-build "to build the peer"
need c++ g++ "to build the peer"
need npm npm "to fetch llama.cpp's shared libraries"
source_bundle

tmp=$(stage peer)
say "building the peer, llama-server; this takes a few minutes"
git clone --quiet "$cache/llama.cpp.bundle" "$tmp/src" 2>/dev/null
cp "$root"/native/llamacpp/{package.json,package-lock.json,.npmrc} "$tmp/"
(cd "$tmp" && twice npm ci --ignore-scripts --include=optional --loglevel=error) >/dev/null
libs=$tmp/node_modules/@node-llama-cpp/$name/bins/$name
(cd "$libs" && sums "$(sumfile)") || die "the llama.cpp libraries that npm brought do not match their sums."

log=$cache/peer.log
cmake -G Ninja -S "$tmp/src" -B "$tmp/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON -DGGML_BACKEND_DL=ON \
	-DGGML_NATIVE=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF \
	-DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF >"$log" 2>&1 || die "cmake failed; see $log."
# Of mtmd only the library: its command-line programs have a main of their own.
ninja -C "$tmp/build" -t targets all | cut -d: -f1 | grep -E '^tools/(server/CMakeFiles/[^/]*|mtmd/CMakeFiles/mtmd\.dir)/.*\.o$' >"$tmp/objects"
# shellcheck disable=SC2046
ninja -C "$tmp/build" $(cat "$tmp/objects") llama-common-base cpp-httplib llama-ui vendor-hash >>"$log" 2>&1 ||
	die "the compiler failed; see $log."

mkdir "$tmp/out"
cp "$libs"/*.so "$tmp/out/"
# shellcheck disable=SC2046,SC2016 # a list of words, and the linker's own $ORIGIN
(cd "$tmp/build" && c++ -o "$tmp/out/llama-server" $(cat "$tmp/objects") -Wl,--start-group $(find . -name '*.a') -Wl,--end-group \
	-L"$tmp/out" -l:libllama-common.so -l:libllama.v0.5.0.so -l:libggml.v0.5.0.so -l:libggml-base.so \
	-Wl,-rpath,'$ORIGIN' -lpthread -ldl) >>"$log" 2>&1 || die "the linker failed; see $log."
"$tmp/out/llama-server" --version >>"$log" 2>&1 || die "the peer does not start; see $log."
printf '%s\n' "$stamp" >"$tmp/out/STAMP"
rm -rf "$dest"
mv "$tmp/out" "$dest"
rm -rf "$tmp"
say "done; the peer is in .cache/peer"
