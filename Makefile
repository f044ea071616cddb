# `make` alone lists what there is. Everything here needs Go, git and make; a
# target that needs more begins by saying what, and fails without it.

GO       ?= go
FUZZTIME ?= 20s
SERVICES := gateway catalog provisioner deployer policy notifier observer portal
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
# The race detector needs a C compiler. Where there is none the tests still
# run, and say that it is missing.
RACE     := $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && echo -race)
# Built tools are kept outside the tree, by version.
CACHE    := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/slipway

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@echo "Slipway. The two that matter: make demo, make test."
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: slipway ## the main job's story against a fresh data folder, each act checked by real requests
	@$(GO) build -v -o bin/demo ./tools/demo
	@./bin/demo -slipway bin/slipway

.PHONY: build
build: slipway ## bin/slipway and bin/<service>
	@for s in $(SERVICES); do $(GO) build -v -ldflags '$(LDFLAGS)' -o bin/$$s ./services/$$s/cmd/$$s || exit 1; done

# What make demo and make bench need of a build.
.PHONY: slipway
slipway:
	@mkdir -p bin
	@echo "Building bin/slipway; the first time takes some minutes and names each package as it is done." >&2
	@$(GO) build -v -ldflags '$(LDFLAGS)' -o bin/slipway ./tools/slipway

.PHONY: test
test: ## every test that needs nothing else, with the race detector; ends with one summary
	@[ -n "$(RACE)" ] || echo "The race detector is OFF: it needs a C compiler (such as gcc), and none was found." >&2
	@$(GO) run ./tools/testsum $(RACE) -timeout 9m work

.PHONY: test-clients
test-clients: ## foreign clients and payloads from npm; needs Node 20 or newer with npm
	@command -v npm >/dev/null || { echo "make test-clients needs Node 20 or newer with npm: install the packages nodejs and npm." >&2; exit 1; }
	@npm ci --prefix tests/clients --no-audit --no-fund
	@$(GO) run ./tools/testsum -tags clients -timeout 15m ./tests/clients/...

.PHONY: test-crash
test-crash: ## kill -9 in the middle of sagas, full and read-only disks; needs Linux and root
	@[ "$$(id -u)" = 0 ] || { echo "make test-crash mounts small file systems to fill them: run it as root, on Linux." >&2; exit 1; }
	@$(GO) run ./tools/testsum -tags mount -timeout 15m ./tests/crash/...

# Engines are looked for on PATH, and then beside slipway. What the fake engine
# is tried with in make test is tried with the real ones here.
REAL := $(addprefix ./services/provisioner/internal/,enginetest runner sandbox backend driver/opentofu)
.PHONY: test-engines
test-engines: ## the real OpenTofu and Terraform, with kill -9; needs one on PATH, or make opentofu
	@echo "make test-engines runs on every engine there is: tofu on PATH, bin/tofu (make opentofu), terraform on PATH." >&2
	@command -v tofu >/dev/null || [ -x bin/tofu ] || command -v terraform >/dev/null || { echo "There is none: run make opentofu (some minutes, needs Go alone), or install OpenTofu or Terraform." >&2; exit 1; }
	@SLIPWAY_ENGINES='$(CURDIR)/bin' $(GO) run ./tools/testsum -tags engines -timeout 30m -count=1 $(REAL) ./tests/engines/...

.PHONY: test-browser
test-browser: ## the portal in a real Chromium; needs the package chromium, and Node 20 or newer with npm
	@command -v npm >/dev/null || { echo "make test-browser needs Node 20 or newer with npm: install the packages nodejs and npm." >&2; exit 1; }
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || { echo "make test-browser needs Chromium: install the package chromium, or name one in CHROMIUM." >&2; exit 1; }
	@npm ci --prefix tests/browser --no-audit --no-fund
	@$(GO) run ./tools/testsum -tags browser -timeout 15m ./tests/browser/...

.PHONY: test-mongo
test-mongo: ## the MongoDB store: on an embedded FerretDB; on a real MongoDB with Docker or SLIPWAY_TEST_MONGODB_URL
	@cd tests/mongo && GOWORK=off $(GO) test -count=1 -timeout 9m -rapid.checks=20 -rapid.nofailfile

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME each (20s)
	@FUZZTIME=$(FUZZTIME) sh tools/fuzz.sh

.PHONY: test-all
test-all: test test-crash test-clients test-engines test-browser test-mongo fuzz ## all of the tests, one after another

.PHONY: bench
bench: slipway ## measure, and write tests/bench/latest.json
	@$(GO) run ./tests/bench -slipway bin/slipway -out tests/bench/latest.json

.PHONY: opentofu
opentofu: ## the pinned OpenTofu to bin/tofu, beside bin/slipway; built once (some minutes)
	@CACHE='$(CACHE)' sh tools/opentofu/build.sh

.PHONY: lint
lint: ## the linters of .golangci.yaml; builds golangci-lint once (some minutes)
	@CACHE='$(CACHE)' sh tools/lint/lint.sh

.PHONY: verify
verify: ## modules in step and tidy, generated files fresh, formatted, vetted, each service builds alone
	@sh tools/verify.sh

.PHONY: generate
generate: ## schemas, AsyncAPI, the event catalogue and server types, from their sources
	@$(GO) run ./tools/eventgen
	@$(GO) generate work

.PHONY: tidy
tidy: ## go.mod files in step with the imports, and formatted code
	@$(GO) run ./tools/modsync
	@for m in $$($(GO) list -m -f '{{.Dir}}'); do (cd "$$m" && GOWORK=off $(GO) mod tidy) || exit 1; done
	@$(GO) run ./tools/modsync
	@git ls-files '*.go' | xargs gofmt -w

# Their features come later; until then they are not in the list of `make help`.
.PHONY: test-containers images
test-containers images:
	@echo "make $@: there is nothing behind this yet. README.md says what works today." >&2; exit 1
