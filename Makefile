# Gather in 3D. On a machine with Python 3.11 or later and make:
#
#   make book     build the book, every notebook executed
#   make test     build it, then run every test
#   make check    build it, then run a part in two minutes: before a commit
#
#   make serve    the built book at http://localhost:8000
#   make lab      the notebooks in JupyterLab
#   make course   the exercises for students, from the instructor's notebooks: course/
#   make bench    the operators timed beside what one would install instead
#   make ledger   the operators and the chapters on the CPU, a stand-in and a GPU, compared
#   make format   sort and format the code, bring the notebooks into their normal form
#   make stills   a picture of each figure into the notebooks, where it is out of date
#
#   make system   what the tests want of Debian or Ubuntu: browser, sandbox, compiler
#   make lock     requirements.lock anew, from the requirements
#   make search   the operators and the bank of answers on examples that are new on each run: hours
#   make oldest   the operators' tests and the chapters with the oldest versions promised,
#   make newest   and with the newest; make newest-sphinx builds the book with the newest Sphinx
#
# Each of the upper ones makes the virtual environment .venv first, where that is missing or out of
# date. PYTHON=python3.12 chooses the interpreter that makes it. `make ledger` makes none: it runs
# in PYTHON, be it .venv/bin/python or that of a machine with a GPU, whose torch stays as it is.
#
# TORCH_INDEX=https://download.pytorch.org/whl/cpu, when .venv is made, takes PyTorch from there:
# on Linux, the build for the CPU, without the gigabytes of CUDA that come with PyPI's.

PYTHON ?= python3
PORT ?= 8000
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
REFEREES := tests/operators/references/requirements.txt
LOCK := requirements.lock
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(LOCK)
INDEX := _build/html/index.html
NBVAL := -m pytest --nbval -p no:cacheprovider -n auto --dist loadfile notebooks
# for what runs on the second device of the tests, which torch finds there by itself
STANDIN := PYTHONPATH=$(CURDIR)/tests/devices/standin GATHER3D_DEVICE=standin
NOTEBOOKS := $(wildcard notebooks/*.ipynb notebooks/reference/*.ipynb \
	notebooks/drafts/*.ipynb notebooks/exercises/*.ipynb)
STUDENTS := notebooks/exercises/students
LONG := compile determinism devices large transforms
UV := uv==0.13.9

# what every kernel finds: figures as data, one order of sets, threads that spin for a moment
export PLOTLY_RENDERER := plotly_mimetype
export PYTHONHASHSEED := 0
export GOMP_SPINCOUNT := 3000

.DEFAULT_GOAL := book
.PHONY: book test check serve lab course bench ledger format stills clean system lock search \
	oldest newest newest-sphinx

book: $(READY)
	@$(BIN)/jupyter-book build .
	@echo "The book: $(CURDIR)/$(INDEX)"

test: book $(VENV)/.referees
	$(BIN)/ruff check .
	$(STANDIN) $(BIN)/python $(NBVAL)
	$(STANDIN) HYPOTHESIS_PROFILE=few $(BIN)/python -m pytest tests/operators tests/devices \
		--ignore tests/operators/references -n auto --dist loadfile
	$(BIN)/python -m pytest tests -n auto --dist loadfile

# fewer examples, nothing that is compiled or large, and of the pages those that git calls changed
check: book $(VENV)/.referees
	$(BIN)/ruff check .
	HYPOTHESIS_PROFILE=few $(BIN)/python -m pytest -n auto --dist loadfile --changed \
		tests/operators tests/notebooks tests/site/test_pages.py --ignore=tests/operators/references \
		$(LONG:%=--ignore=tests/operators/test_%.py)

serve: book
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory $(dir $(INDEX))

lab: $(READY)
	$(BIN)/jupyter lab notebooks

course: $(READY)
	$(BIN)/python -m gather3d.course release --copies $(STUDENTS)
	$(BIN)/python -m gather3d.course leaks

# with threads as they wait in a program that nobody has tuned
bench: $(VENV)/.referees
	env -u GOMP_SPINCOUNT $(BIN)/python -m tests.benchmarks.operators

ledger:
	$(PYTHON) -m tests.ledger $(if $(COMMIT),--commit $(COMMIT))

format: $(READY)
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .
	$(BIN)/python -m tests.notebooks.normalise $(NOTEBOOKS)

stills: book
	$(BIN)/python -m tests.notebooks.stills

system:
	@.ci/system

# what is in the lock stays where it still fits; delete the file first for the newest of all
lock:
	@$(PYTHON) -m venv _build/uv
	@_build/uv/bin/python -m pip install --quiet --disable-pip-version-check $(UV)
	_build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-emit-package gather3d \
		--annotation-style line --custom-compile-command "make lock" \
		--output-file $(LOCK) requirements.txt $(REFEREES)

oldest newest newest-sphinx:
	PYTHON=$(PYTHON) TORCH_INDEX=$(TORCH_INDEX) .ci/versions $@

search: $(VENV)/.referees
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest tests/operators tests/exercises/test_bank.py \
		-n auto --dist loadfile

clean:
	rm -rf _build

$(READY): requirements.txt $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"Gather in 3D needs Python 3.11 or later; $(PYTHON) is " + sys.version.split()[0] + \
		". Name another: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "Making $(VENV) from requirements.txt (torch and all: some minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),@$(INSTALL) --no-deps --index-url $(TORCH_INDEX) torch)
	@$(INSTALL) -r requirements.txt
	@touch $@

# Open3D brings dash, whose extension would have JupyterLab ask for a build at each start
$(VENV)/.referees: $(READY) $(REFEREES)
	@echo "Adding to $(VENV) what the operators are compared with"
	@$(INSTALL) -r requirements.txt -r $(REFEREES)
	@rm -f $(VENV)/share/jupyter/lab/extensions/dash-jupyterlab.tgz
	@touch $@
