# Bare `make` lists the targets. What they do is in .ci/, which needs bash and no make.

SEEDS     ?= 300
BENCHTIME ?= 1x
VERSIONS  ?= 13 14 15 16 17 18 mariadb-10.11 mariadb-11.8 mysql-9
DB        ?= postgres
ARGS      ?=

# .ci/env points at the MySQL that .ci/setup has unpacked.
ENV = . .ci/env;

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## the whole life of a column rename under load, on a server of its own (DB=postgres|mariadb|mysql, ARGS=…)
	@.ci/setup $(DB)
	$(ENV) CGO_ENABLED=0 go run ./examples/rename $(if $(filter-out postgres,$(DB)),-db $(DB)) $(ARGS)

.PHONY: test
test: ## all tests; brings its own PostgreSQL and MariaDB, and fails rather than skips without them; MySQL where one is at hand
	@.ci/setup postgres mariadb sysbench pgbouncer
	$(ENV) CI=true go test -timeout 20m ./...

.PHONY: test-pgbouncer
test-pgbouncer: ## all tests, with PgBouncer in transaction mode before PostgreSQL
	.ci/pgbouncer

.PHONY: test-matrix
test-matrix: ## tests on PostgreSQL 13 to 18, MariaDB and MySQL (VERSIONS="13 mariadb-11.8 mysql-9")
	.ci/matrix $(VERSIONS)

.PHONY: test-containers
test-containers: ## the tests of scratch servers, on containers of the Docker host at hand
	.ci/containers

.PHONY: soak
soak: ## random lives of random changes with faults (DB=postgres|mariadb|mysql, SEEDS=300)
	@.ci/setup $(DB)
	$(ENV) CI=true PHASED_SOAK_DB=$(DB) PHASED_SOAK_SEEDS=$(SEEDS) go test -count=1 -timeout 0 -run 'TestRandom|TestSoak' ./internal/lifetest/...

.PHONY: bench
bench: ## what changes cost: time, WAL, bloat and the load beside them (BENCHTIME=1x)
	@.ci/setup postgres mariadb
	$(ENV) CI=true go test -timeout 0 -run '^$$' -bench . -benchtime=$(BENCHTIME) ./internal/bench/...

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	.ci/lint

.PHONY: build
build: ## build what production links, without cgo
	.ci/build
