# One line a target: what is behind each is in tools/ and in the `bertedu` command.
# PYTHON only starts the set-up, which looks for a fitting Python itself (any 3.8 or newer will do here).
PYTHON ?= python3
VENV := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)

.DEFAULT_GOAL := help
.PHONY: help lab test nightly lint format notebooks screenshot book page bench colab-test doctor setup clean

help:        ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 18
lab:         ## set up if need be, then open the course in JupyterLab (LAB="..." passes arguments on)
	@$(PYTHON) tools/setup_env.py lab && $(VENV)/bertedu lab $(LAB)
test:        ## set up if need be, then lint, unit tests, every chapter, one browser test (TEST="--coverage" measures)
	@$(PYTHON) tools/setup_env.py test && $(VENV)/bertedu test $(TEST)
nightly:     ## the same, everything slow, the labs in full, and the coverage of the unit tests: some two hours
	@$(PYTHON) tools/setup_env.py book && $(VENV)/bertedu test --all --coverage
lint:        ## ruff over code and notebooks, mypy over the package, tsc over the views' JavaScript
	@$(PYTHON) tools/setup_env.py test && $(VENV)/bertedu test --lint
format:      ## let ruff rewrite code and notebooks
	@$(PYTHON) tools/setup_env.py test && $(VENV)/ruff check --fix . ; $(VENV)/ruff format .
notebooks:   ## run every notebook again and store its outputs (NOTEBOOKS="..." for some only)
	@$(PYTHON) tools/setup_env.py test && $(VENV)/python tools/run_notebooks.py $(NOTEBOOKS)
screenshot:  ## make the README's pictures from the real JupyterLab, and of the page
	@$(PYTHON) tools/setup_env.py test && $(VENV)/python tools/screenshot.py
book:        ## build the course as a static book, to be read without a network: build/book/html
	@$(PYTHON) tools/setup_env.py book && $(VENV)/python tools/build_book.py
page:        ## build the explorer that needs only a browser, to be served from any folder: build/page
	@$(PYTHON) tools/setup_env.py lab && $(VENV)/bertedu page build/page
bench:       ## compare with the peers (installs the bench extra)
	@$(PYTHON) tools/setup_env.py bench && $(VENV)/python -m benchmarks
colab-test:  ## run the course as Colab would, with its versions (needs a network and Python 3.12; NOTEBOOKS="..." for some)
	@$(PYTHON) tools/setup_env.py test && $(VENV)/python tools/colab_runtimes.py $(NOTEBOOKS)
doctor:      ## say what is installed, what is wrong and what to do
	@$(PYTHON) tools/setup_env.py lab && $(VENV)/bertedu doctor
setup:       ## only make .venv
	@$(PYTHON) tools/setup_env.py lab
clean:       ## remove the environment, caches and test artifacts
	rm -rf .venv .pytest_cache .ruff_cache tests/artifacts build dist
