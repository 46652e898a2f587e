# Two commands are enough: `make run` and `make test`. Everything else is `.venv/bin/kindred --help`.
PYTHON ?= python3
export PYTHONUNBUFFERED = 1

.PHONY: run test setup dev lint bench docs

run: setup
	.venv/bin/kindred run --all --sample-if-empty

test: setup
	.venv/bin/python -m pytest -n auto --dist loadfile

setup:
	@$(PYTHON) tools/setup.py

dev: setup
	.venv/bin/kindred dev

lint: setup
	.venv/bin/python tools/lint.py

bench: setup
	.venv/bin/python benchmarks/run_all.py

docs: setup
	.venv/bin/kindred docs
