# Functions that the set-up scripts share. Sourced, never run.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$root/.cache
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

say() { printf 'setup: %s\n' "$*"; }

die() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

# need TOOL PACKAGE WHY: the tool is there, or a Debian package brings it, or the script ends with a sentence.
need() {
	command -v "$1" >/dev/null 2>&1 && return 0
	if can_apt; then
		debian "$2"
	fi
	command -v "$1" >/dev/null 2>&1 ||
		die "the program '$1' is missing; it is needed $3. Install it (on Debian: apt-get install $2) and run this again."
}

# need_lib FILE PACKAGE: a shared library of the system is there, or a Debian package brings it.
need_lib() {
	has_lib "$1" && return 0
	if can_apt; then
		debian "$2"
	fi
	has_lib "$1" ||
		die "the shared library $1 is missing; llama.cpp's libraries need it. Install it (on Debian: apt-get install $2) and run this again."
}

has_lib() {
	local lister
	lister=$(command -v ldconfig || echo /sbin/ldconfig)
	# Where no lister is there (musl, macOS) the loader's own message has to do.
	[ -x "$lister" ] || return 0
	[ -n "$("$lister" -p 2>/dev/null | awk -v name="$1" '$1 == name')" ]
}

can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

# debian PACKAGE...: installs Debian packages by name, without questions.
debian() {
	say "installing the Debian package(s) $*"
	twice apt_get update -qq
	twice apt_get install -y -qq --no-install-recommends "$@"
}

apt_get() { DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null >>"$cache/apt.log" 2>&1; }

# twice COMMAND...: a registry can fail once; the second failure is an answer.
twice() {
	"$@" && return 0
	say "'$*' failed; trying once more" >&2
	"$@" || die "'$*' failed twice. Check the network, then run this again; nothing is half installed."
}

# sums FILE: checks the files of the current folder against a list of SHA-256 sums, quietly.
sums() {
	if command -v sha256sum >/dev/null 2>&1; then
		sha256sum --check --status --strict "$1" 2>/dev/null
	else
		shasum -a 256 --check --status "$1" 2>/dev/null
	fi
}

# platform prints the name that the native packages have for this machine, or nothing where there is none.
platform() {
	case "$(uname -s)-$(uname -m)" in
	Linux-x86_64) echo linux-x64 ;;
	Linux-aarch64 | Linux-arm64) echo linux-arm64 ;;
	esac
}

# sumfile prints the path of the sums of this platform's libraries. The program embeds the same file and checks by it what
# it loads, so Go's names are used.
sumfile() {
	case "$(platform)" in
	linux-x64) printf '%s\n' "$root/internal/native/llama/lock/linux-amd64.sha256" ;;
	*) printf '%s\n' "$root/internal/native/llama/lock/$(platform).sha256" ;;
	esac
}

# guidance_sumfile does the same for llguidance's library.
guidance_sumfile() {
	case "$(platform)" in
	linux-x64) printf '%s\n' "$root/internal/native/llg/lock/linux-amd64.sha256" ;;
	*) printf '%s\n' "$root/internal/native/llg/lock/$(platform).sha256" ;;
	esac
}

# stage NAME prints a fresh empty folder under the cache.
stage() {
	rm -rf "${cache:?}/stage/$1"
	mkdir -p "$cache/stage/$1"
	printf '%s\n' "$cache/stage/$1"
}

# source_bundle leaves the source of the pinned llama.cpp release, a git bundle, in .cache/llama.cpp.bundle.
source_bundle() {
	local list=$root/native/llamacpp-source/sha256sums tmp file version
	cmp -s "$list" "$cache/llama.cpp.bundle.sums" && [ -e "$cache/llama.cpp.bundle" ] && return 0
	need npm npm "to fetch the source of llama.cpp"
	tmp=$(stage source)
	file=$(awk '{print $2}' "$list")
	version=${file##*-}
	version=${version%.tgz}
	# The package's own dependencies are not wanted, so it is packed and not installed.
	(cd "$tmp" && twice npm pack --silent --ignore-scripts "${file%-*}@$version") >/dev/null
	(cd "$tmp" && sums "$list") || die "the package $file does not match native/llamacpp-source/sha256sums."
	tar -xzf "$tmp/$file" -C "$tmp" package/llama/gitRelease.bundle
	mv "$tmp/package/llama/gitRelease.bundle" "$cache/llama.cpp.bundle"
	cp "$list" "$cache/llama.cpp.bundle.sums"
	rm -rf "$tmp"
}

# environment FOLDER REQUIREMENTS MODULES WHAT fills FOLDER with Python packages, unless it has them and they can be imported.
environment() {
	local dest=$root/$1 lock=$root/$2
	cmp -s "$lock" "$dest/requirements.txt" && "$dest/bin/python" -c "import $3" 2>/dev/null && return 0
	need python3 python3 "by the tests that use client libraries for Python"
	say "installing $4"
	rm -rf "$dest"
	if ! python3 -m venv "$dest" >/dev/null 2>&1; then
		can_apt || die "python3 cannot make a virtual environment; install its venv module (on Debian: apt-get install python3-venv) and run this again."
		debian python3-venv
		rm -rf "$dest"
		python3 -m venv "$dest"
	fi
	twice "$dest/bin/python" -m pip install --quiet --require-hashes --only-binary :all: -r "$lock"
	cp "$lock" "$dest/requirements.txt"
	did=1 # shellcheck disable=SC2034 # of the scripts that say whether they did something
}

# test_environment fills .venv with the Python clients of the tests, and with what checks the sources in Python.
test_environment() { environment .venv test/requirements.txt "jinja2, openai, gguf, mypy" "the Python clients of the tests"; }

mkdir -p "$cache"
