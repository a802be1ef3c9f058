# The commands that people and CI use. Each of them first brings what it needs (tools/setup.py), so a fresh clone needs nothing before.
.DEFAULT_GOAL := build
.PHONY: build demo test bench bench-plot format check deps deps-tests configure-tests clean help \
        check-format check-layers check-wgsl check-indices check-tidy check-asan check-fuzz check-random check-variants \
        check-page

# setup.py puts a cargo of the distribution that goes by another name into .deps/rust.
export PATH := $(CURDIR)/.deps/rust:$(PATH):$(HOME)/.cargo/bin
PYTHON ?= python3
RELEASE := build/release
ARGS ?=
MODEL ?= models/demo
KERNELS ?=

build: deps  ## Build build/release/sluice
	@test -f $(RELEASE)/build.ninja || cmake --preset release --log-level=WARNING
	cmake --build $(RELEASE) --target sluice

demo: build  ## Write English with the built-in model
	$(RELEASE)/sluice run models/demo --prompt "In the beginning" --max-tokens 80

test: configure-tests  ## Build and run all tests
	cmake --build $(RELEASE)
	.deps/venv/bin/python tools/run_tests.py $(RELEASE) $(ARGS)

bench: configure-tests  ## Tokens per second of the built-in model or another, then single kernels: make bench MODEL=DIR ARGS="-p 128,2048" KERNELS=norm
	cmake --build $(RELEASE) --target sluice kernel_benches
	$(RELEASE)/sluice bench $(MODEL) $(ARGS)
	@rm -f $(RELEASE)/bench.json
	$(PYTHON) bench/run_all.py --parts kernels --kernels "$(KERNELS)" --build $(RELEASE) --out $(RELEASE)/bench.json

bench-plot:  ## The pictures of the README, from bench/results
	@test -d .deps/bench || $(PYTHON) -m venv .deps/bench
	@.deps/bench/bin/pip install -q -r bench/requirements.txt
	.deps/bench/bin/python bench/plot.py $(sort $(wildcard bench/results/*.json)) --out docs/speed

deps:  ## Install and fetch what the build needs
	@$(PYTHON) tools/setup.py

deps-tests:
	@$(PYTHON) tools/setup.py --tests

configure-tests: deps-tests
	@cmake --preset test --log-level=WARNING > /dev/null

format:  ## Format all C++ files
	$(PYTHON) tools/format.py

check: check-format check-layers check-wgsl check-indices check-tidy check-asan check-fuzz check-random check-variants check-page  ## Everything that `make test` does not do

check-format:
	$(PYTHON) tools/format.py --check

check-layers:
	$(PYTHON) tools/check_layers.py

check-wgsl: configure-tests  ## Every shader variant that the tests compile, through naga and tint
	cmake --build $(RELEASE)
	$(PYTHON) tools/check_wgsl.py --collect $(RELEASE)

check-indices: configure-tests  ## The tests with shaders that report an index out of range
	cmake --build $(RELEASE)
	SLUICE_CHECK_SHADERS=report .deps/venv/bin/python tools/run_tests.py $(RELEASE)

check-tidy: configure-tests
	$(PYTHON) tools/tidy.py $(RELEASE) $(ARGS)

check-asan: deps-tests  ## The tests that need no ONNX Runtime, under the sanitizers
	cmake --preset asan --log-level=WARNING
	cmake --build build/asan
	ASAN_OPTIONS=detect_leaks=0 .deps/venv/bin/python tools/run_tests.py build/asan --no-python

check-fuzz: deps-tests  ## A minute of mutated models against the importer, under the sanitizers
	cmake --preset asan --log-level=WARNING
	cmake --build build/asan --target import_fuzz
	cd build/asan && ./import_fuzz --seconds 60 $(CURDIR)/tests/models/*/model.onnx

check-random: configure-tests  ## Thousands of random graphs and kernel cases: make check-random ARGS="--first 50000 --seeds 100000"
	cmake --build $(RELEASE) --target sluice_python run_graph moe_test matmul_test
	SLUICE_RANDOM_CASES=3000 $(RELEASE)/moe_test --gtest_filter='*Random.*'
	SLUICE_RANDOM_CASES=3000 $(RELEASE)/matmul_test --gtest_filter='*Random.*'
	SLUICE_RANDOM_CASES=2000 .deps/venv/bin/python -m pytest -q tests/python/test_fusion.py
	.deps/venv/bin/python tests/python/random_graphs.py --first 1000 --seeds 10000 $(ARGS)

check-variants: configure-tests  ## The tests on a device with fewer features
	cmake --build $(RELEASE)
	.deps/venv/bin/python tools/run_tests.py $(RELEASE) --disable subgroups
	.deps/venv/bin/python tools/run_tests.py $(RELEASE) --disable f16
	.deps/venv/bin/python tools/run_tests.py $(RELEASE) --disable f16,subgroups,dot4i8,subgroup-matrix,timestamps,large-limits,fusion

check-page: configure-tests  ## The profile's HTML page in a real browser
	cmake --build $(RELEASE) --target sluice
	SLUICE_NEED_BROWSER=1 .deps/venv/bin/python -m pytest -q tests/python/test_profile_page.py

clean:  ## Remove build/ (.deps/ stays)
	rm -rf build

help:  ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-15s %s\n", $$1, $$2}'
