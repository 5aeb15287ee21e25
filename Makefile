# Easel: set up, test, fuzz, lint, fix, serve, bench.
SHELL := /bin/bash
PYTHON := .venv/bin/python
export HF_HUB_OFFLINE := 1
export GOMP_SPINCOUNT := 5000
SETUP = set -euo pipefail; . ./setup.sh

.PHONY: setup test fuzz chaos lint fix serve docs screens bench train-default score-default

setup: ## what lint and tests need
	@$(SETUP); prepare_tests "$(CURDIR)"

test: setup ## the whole suite
	@$(SETUP); prepare_machine; prepare_page "$(CURDIR)"
	@# The programs that tests start read it, even where Python is told to write none.
	$(PYTHON) -m compileall -q -j 2 -x '/test_' generator webapp filebrowser plugins tests
	$(PYTHON) -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder

fuzz: setup ## every route of /openapi.json, asked long and at random
	EASEL_FUZZ=$${EASEL_FUZZ:-500} $(PYTHON) -m pytest -q tests/webapp/routes/test_fuzzing.py tests/webapp/requests/test_hostile_fields.py

chaos: setup ## 200 queued jobs while workers, the web process and Redis are killed
	$(PYTHON) -m benchmarks.queue_chaos $(CHAOS)
	$(PYTHON) -m benchmarks.queue_chaos --redis $(CHAOS)

lint: setup ## ruff, mypy, the arrows between the packages
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports
	@$(SETUP); check_page "$(CURDIR)"

fix: setup ## what ruff can repair
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

docs: setup ## the pages that are made from tables, and the page's types of the API
	$(PYTHON) -m webapp.documentation
	@$(SETUP); write_page_types "$(CURDIR)"

screens: setup ## docs/screens: each state of the built page in both languages and lights (SCREENS=gallery: that part)
	PYTHONPATH=. $(PYTHON) tests/browser/take_screens.py $(SCREENS)

serve: ## start Easel
	./webui.sh

bench: setup ## measure, and write benchmarks/RESULTS.md
	@$(SETUP); prepare_page "$(CURDIR)"
	$(PYTHON) -m benchmarks

train-default: setup ## go on training the default checkpoint
	$(PYTHON) -m training.train all

score-default: setup ## judge the default checkpoint
	$(PYTHON) -m training.score
