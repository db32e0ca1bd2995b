# `make demo` and `make test` are all a new machine needs: python3 >= 3.11 and a package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-fast test-slow test-long test-extras test-interchange spark test-notebook test-coming-from test-s3 test-engines pictures test-explore faults audits functions causality leaks test-newest test-lowest test-pythons test-versions constraints lint format bench bench-peers parity parity-metrics parity-factors site cookbook browser wasm charts clean

demo: $(VENV)/.installed
	$(BIN)/ml4t-backtest demo --out out/demo

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto --dist worksteal

# Bytecode is kept: tests start many a Python, and each would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

# The same tests with four times the draws, and every combination of which `make test` runs some.
test-long: $(VENV)/.installed
	ML4T_EFFORT=4 $(BIN)/python -m pytest -n auto --dist worksteal

# What `make test` leaves to it: tests of many runs, of many processes, of processes that are killed.
test-slow: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto --dist worksteal -m long

# Every room of the house in under a minute, for while you work; `make test` decides.
FAST := accounting aliases architecture architecture_page computed costs everyday fractions limits \
    lookahead money_by_hand order_types orders post_trade preview register risk risk_desk rules runfile \
    settings summary tables timing touched_and_closing two_reasons two_views words
test-fast: $(VENV)/.installed
	$(BIN)/python -m pytest -n auto --dist worksteal $(FAST:%=tests/test_%.py)

# Two hundred and more savers killed, at every step and at any moment; `make test` kills some.
faults: $(VENV)/.installed
	ML4T_KILLS=200 $(BIN)/python -m pytest -n auto tests/test_saving.py tests/test_run_store.py

# Every drawn test with sixty times the cases; hours on two cores.
audits: $(VENV)/.installed
	ML4T_EFFORT=60 $(BIN)/python -m pytest -n auto $(AUDITED)
AUDITED := $(shell grep -l 'effort import' tests/test_*.py tests/parity/test_*.py)

# Every form of every function of the newest DuckDB, on whole and truncated data, twice, and with
# several threads. Some minutes.
functions: .venv-newest/.installed
	ML4T_EFFORT=4 .venv-newest/bin/python -m pytest -n 0 tests/test_functions.py

# The proof of causality against what queries do: the whole corpus over more panels, and thousands of
# queries by chance. About twenty minutes.
causality: $(VENV)/.installed
	ML4T_EFFORT=4 ML4T_QUERIES=6000 $(BIN)/python -m pytest -n 0 tests/test_causality.py

# What needs a package too large for every developer; in an environment of its own.
test-extras: .venv-extras/.installed
	.venv-extras/bin/python -m pytest tests/test_extra_forms.py tests/test_data_page.py

# Sources in an object store, against one on this machine (moto); in an environment of its own.
test-s3: .venv-s3/.installed
	.venv-s3/bin/python -m pytest tests/test_object_store.py tests/test_object_urls.py

# Sweeps on clusters of Dask and Ray of this machine, with workers killed; in an environment of its
# own. About twenty minutes.
test-engines: .venv-engines/.installed
	ML4T_KILLS=10 .venv-engines/bin/python -m pytest tests/test_engines.py

# What packages of performance make of a run, and splits beside theirs; in an environment of its own.
test-interchange: .venv-interchange/.installed
	.venv-interchange/bin/python -m pytest tests/test_interchange_packages.py tests/test_splits_packages.py

# What Spark selects beside what a run does, row by row; in an environment of its own, needs Java 17.
spark: .venv-spark/.installed
	@command -v java >/dev/null || \
	    { echo "make spark runs Spark, and there is no Java: install 17 or newer" >&2; exit 1; }
	.venv-spark/bin/python -m pytest tests/test_portable_spark.py

# A kernel of Jupyter without widgets, and marimo; in an environment of its own.
test-notebook: .venv-notebook/.installed
	.venv-notebook/bin/python -m pytest tests/test_notebook.py

# Charts of Altair and a client of the Model Context Protocol; in an environment of its own.
test-explore: .venv-explore/.installed
	.venv-explore/bin/python -m pytest tests/test_plots.py tests/test_explore_page.py \
	    tests/test_mcp_server.py

# The offline page and the app in headless Chromium: nothing is fetched, charts have ink, keys
# reach all.
browser: .venv-browser/.installed
	@command -v chromium >/dev/null || \
	    { echo "make browser drives Chromium, and there is none: apt-get install chromium" >&2; exit 1; }
	ML4T_CHROMIUM="$$(command -v chromium)" .venv-browser/bin/python -m pytest \
	    tests/test_page_browser.py tests/test_page_sql_browser.py tests/test_explore_browser.py

# DuckDB for browsers, from npm, as a package: what `report --with-sql` puts into a page.
wasm: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet ./wasm

# The library that draws the page's charts, from npm; fails where it is not what is committed.
UPLOT := 1.6.32
VENDOR := src/ml4t/backtest/results/page/assets/vendor
charts:
	rm -rf build/charts && mkdir -p build/charts
	cd build/charts && npm pack --silent uplot@$(UPLOT) && tar xzf uplot-$(UPLOT).tgz
	cp build/charts/package/dist/uPlot.iife.min.js build/charts/package/dist/uPlot.min.css $(VENDOR)
	cp build/charts/package/LICENSE $(VENDOR)/uPlot.LICENSE
	cd $(VENDOR) && sha256sum --check SHA256SUMS

# The newest of everything that the package admits, in an environment of its own.
test-newest: .venv-newest/.installed
	.venv-newest/bin/python -m pytest -n auto --dist worksteal

# The oldest of everything that the package and its tests admit.
test-lowest: .venv-lowest/.installed
	.venv-lowest/bin/python -m pytest -n auto --dist worksteal

# A saved run and its views, read by the oldest and the newest DuckDB before ours, and two between.
READERS := 1.2.2 1.3.2 1.4.3 1.5.6
test-versions: $(VENV)/.installed $(READERS:%=.venv-duckdb-%/.installed)
	ML4T_DUCKDBS="$(READERS:%=$(CURDIR)/.venv-duckdb-%/bin/python)" \
	    $(BIN)/python -m pytest tests/test_file_versions.py

# Every interpreter named that is at hand, each in an environment of its own.
PYTHONS ?= python3.11 python3.12 python3.13 python3.14
test-pythons:
	@for python in $(PYTHONS); do \
	    if $$python --version >/dev/null 2>&1; then \
	        name=$$(basename $$python); \
	        echo "$$name: $$($$python --version)"; \
	        $(MAKE) test PYTHON=$$python VENV=.venv-$$name || exit 1; \
	    else echo "$$python: not at hand, not tested"; fi; \
	done

# Write down what the newest environment holds, once its tests pass.
constraints: test-newest
	{ sed -n '/^#/p' constraints.txt; \
	  .venv-newest/bin/python -m pip freeze --exclude-editable \
	    | grep -viE '^(pip|setuptools)=='; } > constraints.new
	mv constraints.new constraints.txt

lint: $(VENV)/.installed
	$(BIN)/ruff format --check src tests examples benchmarks website
	$(BIN)/ruff check src tests examples benchmarks website
	$(BIN)/mypy
	$(BIN)/sqlfluff lint sql examples/sql

format: $(VENV)/.installed
	$(BIN)/ruff format src tests examples benchmarks website
	$(BIN)/ruff check --fix src tests examples benchmarks website

# Whole processes, ours and the peers', in one run; see benchmarks/README.md.
bench: $(VENV)/.installed
	$(BIN)/python benchmarks/run.py

bench-peers:
	bash benchmarks/peers/setup.sh

# Thirty classes of look-ahead, planted: what the audit finds, and six packages in environments of
# their own; writes docs/look-ahead.md. Then 200 strategies that are causal by their making.
leaks: $(VENV)/.installed
	$(BIN)/python tests/leaks/compare.py --again
	ML4T_EFFORT=100 $(BIN)/python -m pytest -n auto tests/test_leak_classes.py -k causal
	$(BIN)/python tests/leaks/audited_examples.py

# The presets against the packages that they reproduce; writes docs/parity.md.
parity: $(VENV)/.installed
	$(BIN)/python tests/parity/compare.py

# Packages of performance metrics against ours, over real prices; writes docs/metrics.md.
parity-metrics: $(VENV)/.installed
	$(BIN)/python tests/parity/compare_metrics.py

# Every picture of README and guide, and the figures of the real run; needs its data and Chromium.
pictures: $(VENV)/.installed
	$(BIN)/python examples/clock_picture.py
	$(BIN)/python examples/readme_figures.py
	$(BIN)/python examples/page_picture.py

# The other packages' code of docs/coming-from, in environments of their own, against what is recorded.
test-coming-from: $(VENV)/.installed
	$(BIN)/python tests/coming_from/compare.py

# alphalens-reloaded against our factors, over real prices.
parity-factors: $(VENV)/.installed
	$(BIN)/python tests/parity/compare_factors.py

# The documentation site, strict, in build/website/site; readable from there without a server.
site: .venv-site/.installed
	.venv-site/bin/python -m website.assemble build/website
	cd build/website && NO_COLOR=1 $(CURDIR)/.venv-site/bin/zensical build --strict
	.venv-site/bin/python -m website.check build/website/site

# The answers below the queries of docs/cookbook.md.
cookbook: $(VENV)/.installed
	$(BIN)/python -m website.cookbook

clean:
	rm -rf .venv $(VENV) $(wildcard .venv-*) out build dist

define install
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	    { echo "python >= 3.11 is needed; pass PYTHON=..." >&2; exit 1; }
	@echo "making $(@D) with what the package and its tests need; once, about a minute" >&2
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet $(1) --editable '.[dev]'
	touch $@
endef

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,--constraint constraints.txt)

.venv-lowest/.installed: pyproject.toml
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet uv
	$(@D)/bin/uv pip install --quiet --python $(@D)/bin/python --resolution lowest-direct \
	    --editable '.[dev]'
	touch $@

.venv-extras/.installed: pyproject.toml constraints.txt
	$(call install,--constraint constraints.txt)
	.venv-extras/bin/python -m pip install --quiet --constraint constraints.txt \
	    --editable '.[excel,delta,iceberg]' 'pyiceberg[sql-sqlite]'
	touch $@

# Without the constraints: botocore admits no python-dateutil above 2.
.venv-s3/.installed: pyproject.toml
	$(call install,--upgrade)
	.venv-s3/bin/python -m pip install --quiet --editable '.[s3]' \
	    fsspec==2026.9.0 obstore==0.12.1 'moto[s3]==5.2.5' flask flask-cors
	touch $@

.venv-engines/.installed: pyproject.toml constraints.txt
	$(call install,--constraint constraints.txt)
	.venv-engines/bin/python -m pip install --quiet --constraint constraints.txt \
	    --editable '.[dask,ray]' dask==2026.8.0 distributed==2026.8.0 ray==2.60.0
	touch $@

.venv-interchange/.installed: pyproject.toml constraints.txt
	$(call install,--constraint constraints.txt)
	.venv-interchange/bin/python -m pip install --quiet --constraint constraints.txt \
	    pyfolio-reloaded==0.10.1 quantstats==0.0.86 alphalens-reloaded==0.5.1 skfolio==1.12.2
	touch $@

.venv-spark/.installed: pyproject.toml constraints.txt
	$(call install,--constraint constraints.txt)
	.venv-spark/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[spark]' pyspark==4.3.0
	touch $@

.venv-notebook/.installed: pyproject.toml constraints.txt
	$(call install,--constraint constraints.txt)
	.venv-notebook/bin/python -m pip install --quiet --constraint constraints.txt \
	    ipykernel nbclient marimo
	touch $@

.venv-site/.installed: pyproject.toml constraints.txt website/constraints.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --constraint constraints.txt \
	    --constraint website/constraints.txt --editable . zensical mkdocstrings-python ruff
	touch $@

.venv-explore/.installed: pyproject.toml constraints.txt
	$(call install,--constraint constraints.txt)
	.venv-explore/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[plot,mcp]'
	touch $@

.venv-browser/.installed: pyproject.toml constraints.txt
	$(call install,--constraint constraints.txt)
	.venv-browser/bin/python -m pip install --quiet --constraint constraints.txt \
	    --editable '.[explore]' playwright ./wasm
	touch $@

.venv-duckdb-%/.installed:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet duckdb==$* pytz
	touch $@

.venv-newest/.installed: pyproject.toml
	$(call install,--upgrade)
