# `make demo` and `make test` are all a new machine needs: python3 >= 3.11 and a package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test faults lint format bench bench-peers parity clean

demo: $(VENV)/.installed
	$(BIN)/ml4t-backtest demo --out out/demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto

# Two hundred and more savers killed, at every step and at any moment; `make test` kills some.
faults: $(VENV)/.installed
	ML4T_KILLS=200 $(BIN)/python -m pytest -n auto tests/test_saving.py

lint: $(VENV)/.installed
	$(BIN)/ruff format --check src tests examples benchmarks
	$(BIN)/ruff check src tests examples benchmarks
	$(BIN)/mypy
	$(BIN)/sqlfluff lint sql examples/sql

format: $(VENV)/.installed
	$(BIN)/ruff format src tests examples benchmarks
	$(BIN)/ruff check --fix src tests examples benchmarks

# Whole processes, ours and the peers', in one run; see benchmarks/README.md.
bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py

bench-peers:
	bash benchmarks/peers/setup.sh

# The presets against the packages that they reproduce; writes docs/parity.md.
parity: $(VENV)/.installed
	$(BIN)/python tests/parity/compare.py

clean:
	rm -rf $(VENV) out build dist

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	    { echo "python >= 3.11 is needed; pass PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@
