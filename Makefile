# make demo: run the app on 127.0.0.1:7860.  make test: linters, type checker, tests.  PYTHON=python3.12: interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# The page's scripts: ESLint where npm can fetch it, else their syntax where Node is, else nothing.
ESLINT := npx --yes eslint@9
define JAVASCRIPT
if ! command -v node > /dev/null; then echo "JavaScript is not checked: Node is not installed."; \
elif npm_config_fetch_retries=0 npm_config_fetch_timeout=20000 $(ESLINT) --version > /dev/null 2>&1; then $(ESLINT) dala; \
else echo "ESLint is not available: checking the syntax alone."; \
find dala -name '*.js' -print0 | xargs -0 -n 1 node --check; fi
endef

.PHONY: demo test test-all lint audit fuzz check chromium screenshots clean

demo: $(VENV)/app
	$(BIN)/python app.py

# Two processes with one thread each: more threads compete with each other and with the browser for two cores.
test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-all: check
	$(BIN)/python -m pytest

check: lint chromium

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/bandit -q -r app.py dala
	@$(JAVASCRIPT)

# Build the sdist and the wheel in dist/.
.PHONY: package
package: $(VENV)/dev
	$(BIN)/python -m build

# Known vulnerabilities in the app's dependencies, from the package index; fails if a package cannot be looked up.
audit: $(VENV)/dev
	$(BIN)/pip-audit --strict -r requirements.txt

# Feed damaged pictures and weights to their readers.
fuzz: $(VENV)/dev
	$(BIN)/python tests/fuzz/pictures.py --n 20000
	$(BIN)/python tests/fuzz/weights.py --n 500

# Use the Chromium on the PATH; else install the distribution's; else download Playwright's.
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
	rm -rf $(VENV) runs screenshots build dist dala.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache
