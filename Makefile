# ASHATAI. `make help` lists the targets. All tools and data are pinned by lock files; see CONTRIBUTING.md.

SHELL := bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

VERSION ?= 0.1.0
BUILD   ?= $(shell scripts/build-id.sh)
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.build=$(BUILD)

# The product is built without C; only the race detector of the tests wants a C compiler.
export CGO_ENABLED := 0
# A source tree that belongs to somebody else (a container, CI) must build too; the build id says what it is. Everything is built with
# -trimpath, as the product is: what is built without it is another thing to Go, which would compile all of it twice.
export GOFLAGS := -buildvcs=false -trimpath $(filter-out -buildvcs% -trimpath,$(GOFLAGS))
# Under the race detector a program sleeps a second before it ends, unless told not to.
export GORACE := atexit_sleep_ms=0 $(filter-out atexit_sleep_ms=0,$(GORACE))

ARGS      ?=
FUZZTIME  ?= 10s
ROUNDS    ?= 3
MODEL     ?= smollm2 gemma3
MIN_COVER ?= 80

# Where the tests find what set-up installed.
export ASHATAI_TEST_BIN          := $(CURDIR)/bin
export ASHATAI_TEST_LIB          := $(CURDIR)/share/ashatai/lib/llamacpp
export ASHATAI_TEST_MODEL        := $(CURDIR)/share/ashatai/models/SmolLM2-135M-Instruct.Q4_1.gguf
export ASHATAI_TEST_LLG          := $(CURDIR)/share/ashatai/lib/llguidance
export ASHATAI_TEST_LLG_HEADER   := $(wildcard $(CURDIR)/.cache/llguidance-header/llguidance.h)
export ASHATAI_TEST_HEADERS      := $(CURDIR)/.cache/llama.cpp-headers
export ASHATAI_TEST_ONNX         := $(CURDIR)/share/ashatai/lib/onnxruntime
export ASHATAI_TEST_ORT_HEADER   := $(wildcard $(CURDIR)/.cache/onnxruntime-header/lib.rs)
export ASHATAI_TEST_PYTORCH      := $(wildcard $(CURDIR)/share/ashatai/lib/pytorch)
export ASHATAI_TEST_TENSORFLOW   := $(wildcard $(CURDIR)/share/ashatai/lib/tensorflow)
export ASHATAI_TEST_TENSORFLOW_HEADERS := $(ASHATAI_TEST_TENSORFLOW)
export ASHATAI_TEST_TENSORFLOW_MODELS  := $(CURDIR)/.cache/tensorflow-models
export ASHATAI_TEST_VULKAN       := $(wildcard $(CURDIR)/share/ashatai/lib/llamacpp-vulkan/libggml-vulkan.so)
export ASHATAI_TEST_ICD          := $(firstword $(wildcard /usr/share/vulkan/icd.d/lvp_icd*.json))
export ASHATAI_TEST_TOKENIZERS   := $(CURDIR)/.cache/tokenizers
export ASHATAI_TEST_MINILM       := $(CURDIR)/.cache/minilm
export ASHATAI_TEST_MINILM_TORCH := $(CURDIR)/.cache/minilm-torch
export ASHATAI_TEST_OCR          := $(CURDIR)/.cache/ocr
export ASHATAI_TEST_TENSOR_MODELS := $(CURDIR)/.cache/tensor-models
export ASHATAI_TEST_PYTHON       := $(CURDIR)/.venv/bin/python
export ASHATAI_TEST_TRITON       := $(CURDIR)/.venv-triton/bin/python
export ASHATAI_TEST_NODE_MODULES := $(CURDIR)/test/e2e/node_modules
export ASHATAI_TEST_TEMPLATES    := $(CURDIR)/.cache/chat-templates
export ASHATAI_TEST_IDP          := $(CURDIR)/test/idp
export ASHATAI_TEST_VERSITYGW    := $(CURDIR)/.cache/bin/versitygw

# The benchmark's second model, which is no part of the product, has no chat template and no targets.
GEMMA3 := $(CURDIR)/.cache/gemma3/gemma-3-270m-q4_k_m.gguf
BENCH   = .cache/bin/bench -rounds $(ROUNDS) $(if $(ONLY),-only $(ONLY)) -ours bin/ashatai -peer .cache/peer/llama-server

# SQLite is C that was translated to Go. The race detector makes it several times as slow and would find nothing of ours in it. This package
# only: one that instantiates generic code of the standard library (sync.Map) would bring its copy of that, unwatched, into the whole program.
RACE ?= $(if $(shell command -v $$(CGO_ENABLED=1 go env CC) 2>/dev/null),-race -gcflags=modernc.org/sqlite/lib=-race=false)
# The tests are vetted by `make lint`, which does it once and not once more for each way in which they are compiled.
GOTEST = ASHATAI_TEST_CHROMIUM="$$(scripts/chromium.sh)" ASHATAI_TEST_POSTGRES="$$(scripts/postgres.sh)" go test -vet=off -timeout 15m
TEST   = CGO_ENABLED=$(if $(RACE),1,0) $(GOTEST) $(RACE)

# What is the work of one goroutine, on much input, has nothing for the race detector to find, which makes it up to fifty times as slow: it runs
# without. What goroutines share of it (TestShared…) runs with it as well.
PLAIN := ./internal/tokenizer/... ./internal/chat/jinja/... ./internal/fleet/plan/... ./internal/tflite ./internal/engine/llamacpp/guide/...
SHARED := ./internal/tokenizer ./internal/chat/jinja ./internal/engine/llamacpp/guide
# These keep every core busy or drive real servers: one package at a time.
ALONE = $(shell go list ./internal/native/... ./internal/engine/llamacpp/... ./internal/worker/... ./test/bench/... | grep -v llamacpp/guide)
# These look at things that go's cache of test results does not see (the built binaries, the import graph), so they run every time. They are
# clients of programs that are built without the race detector, so it would see nothing but them.
FRESH = $(shell go list ./internal/archtest/... ./test/... | grep -v test/bench)
# Mains are run by the tests under test/, which are themselves not measured; enginetest and storetest are suites; query and
# inference are generated.
NOT_MEASURED := ^ashatai/(cmd|test)/|test$$|(sqlite|postgres)/query$$|oip/inference$$
# What serves TensorFlow's models is tested where its libraries are installed (bin/ashatai runtime install tensorflow).
NOT_MEASURED := $(NOT_MEASURED)$(if $(ASHATAI_TEST_TENSORFLOW),,|/(engine/tensorflow|native/tf|native/litert)$$)

# What puts models on devices is tested where there is one: Vulkan on the processor (bin/ashatai runtime install llamacpp-vulkan).
NOT_MEASURED := $(NOT_MEASURED)$(if $(and $(ASHATAI_TEST_VULKAN),$(ASHATAI_TEST_ICD)),,|/llamacpp/offload$$)

.PHONY: help setup setup-test run build test check lint gen gen-check cross tools bench fuzz soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install llama.cpp's libraries and the default model (does nothing where they are)
	@bash scripts/setup.sh

setup-test: setup build .cache/bin/versitygw ## install what only the tests need
	@bash scripts/setup-test.sh

run: setup build ## build and start the server; ARGS="--addr …" is passed on
	@exec bin/ashatai serve $(ARGS)

build: ## build the page, bin/ashatai and bin/ashatai-worker
	@go version >/dev/null 2>&1 || { echo "make: Go is missing; install the version that go.mod names (or a newer one)." >&2; exit 1; }
	@bash scripts/page.sh
	go build -ldflags '$(LDFLAGS)' -o bin/ashatai ./cmd/ashatai
	go build -ldflags '$(LDFLAGS)' -o bin/ashatai-worker ./cmd/ashatai-worker

test: setup-test ## run every test and print the coverage of each package
	@mkdir -p .cache
	@$(if $(RACE),,echo "make: no C compiler, so the tests run without the race detector" >&2)
	$(TEST) -cover $$(go list ./... | grep -vxF "$$(go list $(ALONE) $(FRESH) $(PLAIN))") 2>&1 | tee .cache/test-together.txt
	$(GOTEST) -cover $(PLAIN) 2>&1 | tee .cache/test-plain.txt
	$(TEST) -run '^TestShared' $(SHARED)
	$(TEST) -cover -p 1 $(ALONE) 2>&1 | tee .cache/test-alone.txt
	$(GOTEST) -p 1 -count 1 $(FRESH)
	@go run ./test/cover -min $(MIN_COVER) -skip '$(NOT_MEASURED)' .cache/test-together.txt .cache/test-plain.txt .cache/test-alone.txt

check: test lint gen-check cross ## everything that must hold before a change is taken

lint: .cache/bin/golangci-lint ## linters for Go, the page and Python, formatting, module list
	go vet ./...
	go mod tidy -diff
	.cache/bin/golangci-lint fmt --diff
	.cache/bin/golangci-lint run
	@bash scripts/page.sh deps
	cd web && npm run --silent lint
	@bash scripts/lint-python.sh

gen: .cache/bin/sqlc .cache/bin/protogen ## write the generated code anew
	cd internal/store/sqlite && $(CURDIR)/.cache/bin/sqlc generate
	cd internal/store/postgres && $(CURDIR)/.cache/bin/sqlc generate
	.cache/bin/protogen internal/api/oip/inference/inference.proto .cache/bin/protoc-gen-go .cache/bin/protoc-gen-go-grpc
	go run ./test/compat

gen-check: ## fail where the generated code is not what gen writes
	@bash scripts/gen-check.sh

cross: ## compile for the other systems
	GOOS=linux GOARCH=arm64 go build ./cmd/... ./internal/...
	GOOS=darwin GOARCH=arm64 go build ./cmd/... ./internal/...
	GOOS=windows GOARCH=amd64 go build ./cmd/... ./internal/...

bench: setup build ## compare with llama-server of the same release; prints the tables (ROUNDS=3 MODEL=smollm2 ONLY=decode,edit)
	@bash scripts/peer.sh >&2
	@go build -o .cache/bin/bench ./test/bench
	$(if $(filter smollm2,$(MODEL)),@$(BENCH) -targets -model '$(ASHATAI_TEST_MODEL)' -json .cache/bench-smollm2.json)
	@$(if $(filter gemma3,$(MODEL)),bash scripts/bench-model.sh >&2)
	$(if $(filter gemma3,$(MODEL)),@$(BENCH) -repeats 1 -completions -model '$(GEMMA3)' -name gemma3:270m -set models_directory='$(dir $(GEMMA3))' -json .cache/bench-gemma3.json)

fuzz: ## run each fuzz target for FUZZTIME (10s)
	@FUZZTIME=$(FUZZTIME) bash scripts/fuzz.sh

soak: setup-test ## mixed load for SOAK (10m), and ten times the repetitions of make test
	ASHATAI_TEST_SOAK=$(or $(SOAK),10m) go test -count 1 -timeout 6h -v -run '^TestSoak' ./test/...

clean: ## remove everything that make made, the installed libraries and model included
	rm -rf bin dist share .cache .venv .venv-triton test/e2e/node_modules test/conformance/node_modules test/idp/node_modules web/node_modules internal/web/dist/assets internal/web/dist/index.html coverage*

tools: .cache/bin/golangci-lint .cache/bin/sqlc .cache/bin/protogen ## build what checks and writes code

# Tools are built from the module in tools/, whose go.sum pins them.
.cache/bin/golangci-lint: tools/go.mod tools/go.sum
	cd tools && go build -o $(CURDIR)/.cache/bin/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

.cache/bin/sqlc: tools/go.mod tools/go.sum
	cd tools && go build -o $(CURDIR)/.cache/bin/ github.com/sqlc-dev/sqlc/cmd/sqlc
	@touch $@

.cache/bin/protogen: tools/go.mod tools/go.sum tools/protogen/main.go
	cd tools && go build -o $(CURDIR)/.cache/bin/ ./protogen google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
	@touch $@

# The S3 server of the tests has a module of its own: what it needs is not to change what the other tools are built with.
.cache/bin/versitygw: tools/s3/go.mod tools/s3/go.sum
	cd tools/s3 && go build -o $(CURDIR)/.cache/bin/ github.com/versity/versitygw/cmd/versitygw
	@touch $@
