# Every target sets up .venv by itself and re-uses it until what it is made of changes.
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PINS := $(shell cat pyproject.toml constraints.txt radresp/features/_kernel.c | sha256sum | cut -c1-16)
READY := $(VENV)/.ready-$(PINS)

.PHONY: demo test test-all check bench docs clean

demo: $(READY)
	$(BIN)/radresp demo -o demo_output --workers $(WORKERS)

# One thread a worker: a second one that waits for a busy core costs many times what it gains.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile --doctest-modules radresp tests

test-all: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not gpu" --doctest-modules radresp tests

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest -q tests/static

bench: $(READY)
	@for script in scripts/bench/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

docs: $(READY)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build

$(READY): pyproject.toml constraints.txt radresp/features/_kernel.c
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	rm -f $(VENV)/.ready-*
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info demo_output .pytest_cache .mypy_cache .ruff_cache
