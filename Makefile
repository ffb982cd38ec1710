# make help lists the targets. Each prepares what it needs; nothing has to be installed by hand but Python and make.
PY   ?= python3
VENV ?= .venv
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PORT ?= 8000
URL ?=
REPOSITORY ?=
PIP_ARGS ?=
LAB_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --constraint constraints.txt $(PIP_ARGS)
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help book pdf has-tex test test-slow test-all test-fast lab serve site golden lint bench results clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' Makefile

book: $(READY)-test ## execute every chapter and write _build/html
	@$(BIN)/python book/_ext/execute.py --is-built || $(MAKE) --no-print-directory _build/html
	@echo "The book is ready. Open $(CURDIR)/_build/html/index.html"

.PHONY: _build/html
_build/html:
	@$(BIN)/python book/_ext/live_files.py
	@$(BIN)/python book/_ext/execute.py --jobs $(JOBS)
	@$(BIN)/python book/_ext/build.py

pdf: has-tex $(READY)-test ## the whole book as _build/relunb.pdf, by LaTeX where it is installed
	@$(BIN)/python book/_ext/execute.py --jobs $(JOBS)
	@$(BIN)/python book/_ext/pdf.py

has-tex: # before anything that takes long
	@! command -v $(PY) >/dev/null || $(PY) book/_ext/pdf.py --has-tex

test: $(READY)-test ## run every chapter as a test, and the package's tests without the slow ones
	@$(PYTEST) -m "not slow"

test-slow: $(READY)-test ## the slow tests alone: Triton's interpreter, torch.compile, studies, small books
	@$(PYTEST) -m slow

test-all: $(READY)-test ## what make test runs, and the slow tests
	@$(PYTEST)

test-fast: $(READY)-test ## the quick tests of one room, ROOM=spectrum, or of the rooms that differ from git's HEAD
	@$(BIN)/python -m tests.rooms $(ROOM) -n $(JOBS)

golden: $(READY)-test ## run the chapters and rewrite the reference outputs under tests/golden
	@$(PYTEST) --golden-update _toc.yml book tests/test_readme.py
	@echo "Review the change: git diff tests/golden"

# A hub may bring a kernel of its own that is called python3: with these two the one of $(VENV) comes first.
lab: export JUPYTER_PATH :=
lab: export JUPYTER_PREFER_ENV_PATH := 1
lab: $(READY)-lab ## open JupyterLab; a click on a chapter opens it as a notebook
	@JUPYTER_CONFIG_DIR=$(VENV)/etc/jupyter $(BIN)/jupytext-config set-default-viewer
	@JUPYTER_CONFIG_DIR=$(VENV)/etc/jupyter $(BIN)/jupyter lab $(LAB_ARGS) book/ || { test "$$(id -u)" != 0 || \
	  echo "make lab: as root, as in a container, JupyterLab starts only if told to: make lab LAB_ARGS=--allow-root" >&2; exit 1; }

serve: book ## build the book and serve it on this machine alone
	@echo "Serving on http://127.0.0.1:$(PORT) (Ctrl-C ends it)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

site: book ## a folder for any static host, _build/site; URL=https://... where it will stand
	@$(BIN)/python book/_ext/publish.py --url "$(URL)" --repository "$(REPOSITORY)"

lint: $(READY)-lint ## ruff, pyright, the chapters' cells, and the JavaScript of pages that run
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "make lint: run $(BIN)/ruff format ." >&2; exit 1; }
	@$(BIN)/python book/_ext/lint_chapters.py
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/python book/_ext/live_files.py --lint

results: $(READY)-test ## make stored results that are missing or named, ARGS=imaging (up to two hours each; Ctrl-C is safe, the same command goes on)
	@$(BIN)/python -m relunb.book.studies $(ARGS)

bench: $(READY)-bench ## run every benchmark, and list which claims held; ARGS=--keep stores the rows
	@rm -f _build/claims.jsonl
	@for file in benchmarks/*_*.py; do $(BIN)/python -m benchmarks.$$(basename $$file .py) $(ARGS) || exit 1; done
	@$(BIN)/python -m benchmarks.claims

clean: ## delete what make made: .venv, _build, dist; the cases of long runs stay in _build/results
	rm -rf $(VENV) $(filter-out _build/results,$(wildcard _build/* _build/.[!.]*)) build dist *.egg-info relunb/ops/*.so .pytest_cache .ruff_cache .hypothesis
	@test ! -d _build/results || echo "Kept: _build/results. To delete it too: rm -r _build"

# One virtual environment, brought up to what a target needs: test, lab, bench or lint. A changed pin or kernel installs again.
$(READY)-%: constraints.txt pyproject.toml setup.py $(wildcard relunb/ops/_kernels*.[ch])
	@command -v $(PY) >/dev/null || { echo "make: Python is missing. Install Python 3.11 or newer, or name it: make PY=/path/to/python3 ..." >&2; exit 1; }
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed, and $(PY) is $$($(PY) -V). Name another one: make PY=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PY) -m venv $(VENV) || { rm -rf $(VENV); echo "make: $(PY) could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing the pinned dependencies into $(VENV) (about three minutes the first time) ..."
	@$(PIP) --editable '.[$*]' || { echo "make: the install failed; pip's message is above. Check the network and the disk, then run the same command again." >&2; exit 1; }
	@# Once here, so that no kernel and no test compiles these for itself: some places keep Python from storing what it compiled.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c "import torch._dynamo" & PYTHONDONTWRITEBYTECODE= \
	  $(BIN)/python -c "import sympy, matplotlib.pyplot, ipykernel.kernelapp, skimage.data, plotly.graph_objects"; wait
	@touch $@
