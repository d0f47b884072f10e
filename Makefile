# Two commands on a fresh machine: `make demo` and `make test`. Each makes .venv first if it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
WORKERS ?= 2
# Where torch comes from: of PyPI's own wheels those for Linux bring CUDA, which is gigabytes. Without a GPU:
# make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
PIP := $(BIN)/pip install -q --disable-pip-version-check -c constraints.txt

# One thread a process: several torch threads on a few busy cores are many times slower on small steps.
export OMP_NUM_THREADS := 1
# Tests start many processes, and each would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test suite test-processes test-browser lint types docs clean
demo: $(INSTALLED)
	$(BIN)/prognoscope demo demo --jobs $(WORKERS)

# Types are checked, by one process, while the tests begin.
test: $(READY) lint
	$(MAKE) --no-print-directory --jobs=2 types suite

suite: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "not browser and not processes"

# Those that start processes of their own, and kill some.
test-processes: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m processes

# The viewer and the report in a real browser: the system's Chromium, or the one that Playwright fetches once.
test-browser: $(READY)
	command -v chromium || command -v chromium-browser || command -v google-chrome || $(BIN)/python -m playwright install chromium
	$(BIN)/python -m pytest -q -m browser tests/browser

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Types, as pyright sees them in basic mode; the settings are in pyproject.toml.
types: $(READY)
	$(BIN)/basedpyright --level error

# The documentation site, in docs/_build, with pages made from the code in docs/reference. Needs no network once its
# packages are there.
docs: $(READY)
	$(PIP) -e ".[docs]"
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build

# What the package needs itself, and what its tests need.
$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(PIP) -e .
	touch $(INSTALLED)

$(READY): $(INSTALLED)
	$(PIP) -e ".[dev,anndata,encoders,search,viewer]"
	touch $(READY)

clean:
	rm -rf demo docs/_build docs/jupyter_execute docs/reference .pytest_cache .ruff_cache .hypothesis
