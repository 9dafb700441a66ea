# Gather in 3D. On a machine with Python 3.11 or later and make:
#
#   make book     build the book, every notebook executed
#   make test     build it, then run every test
#
#   make serve    the built book at http://localhost:8000
#   make lab      the notebooks in JupyterLab
#   make course   the exercises for students, from the instructor's notebooks: course/
#   make bench    the operators timed beside what one would install instead
#   make ledger   the operators and the chapters on the CPU and on a GPU, compared
#   make format   sort and format the code, bring the notebooks into their normal form
#
# Each makes the virtual environment .venv first, where that is missing or out of date.
# PYTHON=python3.12 chooses the interpreter that makes it. `make ledger` makes none: it runs in
# the PYTHON of a machine with a GPU, whose torch stays as it is.

PYTHON ?= python3
PORT ?= 8000

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
REFEREES := tests/operators/references/requirements.txt
INDEX := _build/html/index.html
NOTEBOOKS := $(wildcard notebooks/*.ipynb notebooks/exercises/*.ipynb)
STUDENTS := notebooks/exercises/students

# what every kernel finds: figures as data, one order of sets, threads that spin for a moment
export PLOTLY_RENDERER := plotly_mimetype
export PYTHONHASHSEED := 0
export GOMP_SPINCOUNT := 3000

.DEFAULT_GOAL := book
.PHONY: book test serve lab course bench ledger format clean

book: $(READY)
	@$(BIN)/jupyter-book build .
	@echo "The book: $(CURDIR)/$(INDEX)"

test: book $(VENV)/.referees
	$(BIN)/ruff check .
	$(BIN)/python -m pytest tests -n auto --dist loadfile
	$(BIN)/python -m pytest --nbval -p no:cacheprovider -n auto --dist loadfile --ignore=notebooks/exercises notebooks

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

clean:
	rm -rf _build

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		"Gather in 3D needs Python 3.11 or later; $(PYTHON) is " + sys.version.split()[0] + \
		". Name another: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@echo "Making $(VENV) from requirements.txt (torch and all: some minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# Open3D brings dash, whose extension would have JupyterLab ask for a build at each start
$(VENV)/.referees: $(READY) $(REFEREES)
	@echo "Adding to $(VENV) what the operators are compared with"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r $(REFEREES)
	@rm -f $(VENV)/share/jupyter/lab/extensions/dash-jupyterlab.tgz
	@touch $@
