# Bare `make` lists the targets. What they do is in .ci/, which needs bash and no make.

SEEDS     ?= 300
BENCHTIME ?= 1x
VERSIONS  ?= 13 14 15 16 17 18
ARGS      ?=

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the whole life of a column rename under load, on a server of its own (ARGS=…)
	@.ci/setup postgres
	CGO_ENABLED=0 go run ./examples/rename $(ARGS)

.PHONY: test
test: ## all tests; brings its own PostgreSQL, and fails rather than skips without one
	@.ci/setup postgres
	CI=true go test ./...

.PHONY: test-matrix
test-matrix: ## all tests on PostgreSQL 13 to 18 (VERSIONS="13 18")
	.ci/matrix $(VERSIONS)

.PHONY: test-containers
test-containers: ## the tests of scratch servers, on containers of the Docker host at hand
	.ci/containers

.PHONY: soak
soak: ## random lives of random changes with faults (SEEDS=300)
	@.ci/setup postgres
	CI=true PHASED_SOAK_SEEDS=$(SEEDS) go test -count=1 -timeout 0 -run 'TestRandom|TestSoak' ./internal/lifetest/...

.PHONY: bench
bench: ## what changes cost: time, WAL, bloat and the load beside them (BENCHTIME=1x)
	@.ci/setup postgres
	CI=true go test -timeout 0 -run '^$$' -bench . -benchtime=$(BENCHTIME) ./internal/bench/...

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	.ci/lint

.PHONY: build
build: ## build what production links, without cgo
	.ci/build
