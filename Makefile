# Everything builds .venv from the pinned lock first, so that a fresh clone needs nothing else.
PYTHON ?= python3
BIN := .venv/bin

# Compiled modules are kept: the tests start many processes that import them.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: check fast test test-slow demo demo-networks lint style types bench bench-methods clean

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

lint: style types

style: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/ready
	$(BIN)/mypy

# Before each commit, under a minute: the tests of what changed, or a smoke set.
check: lint
	$(BIN)/python -m pytest -m "not slow" -n 2 $$($(BIN)/python tests/selection.py)

# The types are checked beside the first tests.
test: .venv/ready
	$(MAKE) --jobs 2 types fast

fast: style
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-slow: .venv/ready
	CHECK_EVERY_CALL=1 $(BIN)/python -m pytest -m slow

demo: .venv/ready
	$(BIN)/wnsense demo --out demo

demo-networks: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/wnsense demo-networks --out demo

bench: .venv/ready
	$(BIN)/python benchmarks/solvers.py
	$(BIN)/python benchmarks/recovery.py
	$(BIN)/python benchmarks/dense.py
	$(BIN)/python benchmarks/entries.py
	$(BIN)/python benchmarks/transforms.py
	$(BIN)/python benchmarks/compression.py

# Every method on the full grid and on the transition's, half an hour and minutes; what is there is not run again.
BENCH_OUT ?= bench
bench-methods: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/wnsense bench --grid full --out $(BENCH_OUT)
	OMP_NUM_THREADS=1 $(BIN)/wnsense bench --grid transition --out $(BENCH_OUT)

clean:
	rm -rf .venv demo
