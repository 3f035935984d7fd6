# A thin front to CMake: what people type. The build itself is in CMakeLists.txt and cmake/.
JOBS ?= $(shell nproc)
ROOM ?=
SEED ?=
TOPIC ?=

.DEFAULT_GOAL := help
.PHONY: help setup build demo test check format lint tidy bench bench-full bench-build sim spec fuzz sanitizers clean

help: ## list the targets
	@echo "Aether: make TARGET"
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install the Debian packages that building and testing need (root or sudo)
	@tools/setup build test

# The first configuration leaves the tests out, so that a build needs fewer packages; a later one keeps
# what `make test` chose.
build: ## install what is missing and build programs and libraries in build/release
	@tools/setup build
	@cmake --preset release $(if $(wildcard build/release/build.ninja),,-DAETHER_BUILD_TESTS=OFF) >/dev/null
	cmake --build build/release --parallel $(JOBS) --target aether_programs

demo: build ## build, then load, kill, recover and compare real data (tools/demo)
	@AETHER_BIN="$(CURDIR)/build/release/bin" tools/demo

test: ## install what is missing, build and run all tests (ROOM=wal: one room)
	@tools/setup build test
	cmake --preset release -DAETHER_BUILD_TESTS=ON >/dev/null
	cmake --build build/release --parallel $(JOBS)
	ctest --test-dir build/release --output-on-failure --parallel $(JOBS) $(if $(ROOM),-L '^$(ROOM)$$')

check: ## all of CI: tests, layout, lint, second compiler, sanitizers
	@.ci/run

format: ## lay out all sources with clang-format
	@tools/lint format --fix

lint: ## check the layout, and run clang-tidy over changed and core files
	@tools/lint format
	@tools/lint clang-tidy

tidy: ## check include directions, headers alone, names that only src/os may use
	@tools/tidy

bench: bench-build ## build for this processor and measure against the peers, some ten minutes (bench/README.md)
	@AETHER_BIN="$(CURDIR)/build/bench/bin" bash bench/run.sh

bench-full: bench-build ## the same with every workload, size and number of threads: hours
	@AETHER_BIN="$(CURDIR)/build/bench/bin" bash bench/run.sh full

bench-build:
	@tools/setup build bench
	cmake --preset bench >/dev/null
	cmake --build build/bench --parallel $(JOBS)

sim: ## the simulator: crashes, damage, all short lists, option sets (SEED=42: from there; CYCLES=1000000)
	@tools/setup build
	@cmake --preset release $(if $(wildcard build/release/build.ninja),,-DAETHER_BUILD_TESTS=OFF) >/dev/null
	cmake --build build/release --parallel $(JOBS) --target aether-sim
	build/release/bin/aether-sim --seed $(or $(SEED),1) --cycles $(or $(CYCLES),10000)
	build/release/bin/aether-sim --mode rot --seed $(or $(SEED),1) --cycles 2000
	build/release/bin/aether-sim --mode exhaustive --len 2
	build/release/bin/aether-sim --mode options --seed $(or $(SEED),1) --cycles 20

spec: ## check the specifications in spec/ with TLC (needs TLA2TOOLS_JAR and Java; TOPIC=Snapshots: one of them)
	@spec/run --traces $(TOPIC)

fuzz: ## libFuzzer over every parser and format (FUZZ_RUNS=100000 inputs each, at most FUZZ_SECONDS=60)
	@tools/setup build check
	@tools/fuzz run

sanitizers: ## address, undefined behaviour and thread sanitizers over their tests
	@tools/setup build test check
	@tools/sanitize asan
	@tools/sanitize tsan

clean: ## remove everything that was built
	rm -rf build
