# make demo: the app on 127.0.0.1:7860.   make test: lint, types and tests.   PYTHON=python3.12 picks an interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-all lint audit fuzz check chromium screenshots clean

demo: $(VENV)/app
	$(BIN)/python app.py

# Two processes of one thread each: threads of several would spin beside each other and the browser.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-all: check
	$(BIN)/python -m pytest

check: lint chromium

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/bandit -q -r app.py dala

# Known holes in what the app needs, by the package index; fails where a package could not be asked about.
audit: $(VENV)/dev
	$(BIN)/pip-audit --strict -r requirements.txt

# Long runs of damaged pictures and weights.
fuzz: $(VENV)/dev
	$(BIN)/python tests/fuzz/pictures.py --n 20000
	$(BIN)/python tests/fuzz/weights.py --n 500

# One on the PATH, else the distribution's own where it can be installed, else Playwright's download.
chromium: $(VENV)/dev
	@command -v chromium || command -v chromium-browser || command -v google-chrome \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get && apt-get update -q && apt-get install -yq chromium; } \
	|| $(BIN)/python -m playwright install chromium

screenshots: chromium
	$(BIN)/python tests/browser/screenshots.py

$(VENV)/app: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -r requirements.txt
	@touch $@

$(VENV)/dev: requirements.txt requirements-train.txt requirements-dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install -q -r requirements-dev.txt
	@touch $@ $(VENV)/app

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) runs screenshots .pytest_cache .ruff_cache .mypy_cache
