# The commands of this project. `make` alone lists them.
SHELL := /bin/sh
PYTHON_IN_VENV := .venv/bin/python
PYTEST := $(PYTHON_IN_VENV) -m pytest
# lab tests wait most of their time, and a lab stays in one worker (tests/lab/conftest.py)
WORKERS := -n auto --maxprocesses 4 --dist loadscope --no-loadscope-reorder

.PHONY: help setup setup-lab setup-test demo demo-kubernetes demo-rebuild node test test-fast test-long check bench lock clean

help: ## list the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## what wslgpu needs on this machine: a virtual environment, checked by hash
	@scripts/setup.sh

setup-lab:
	@scripts/setup.sh lab

setup-test:
	@scripts/setup.sh test

demo: setup-lab ## a disposable node, provisioned, proven and taken down again (needs root)
	@scripts/demo.sh

demo-kubernetes: setup-lab ## the same as a cluster of one: device plugin, pods, the chain link by link (needs root)
	@scripts/demo_kubernetes.sh

demo-rebuild: setup-lab ## lock, drift, diff, repair, rebuild, compare, remove; a .wsl image built twice and booted (needs root)
	@scripts/demo_rebuild.sh

node: setup ## make this machine, a WSL2 distro, a GPU node, and prove it
	@scripts/node.sh

test: setup-test ## set-up and all tests that CI runs (needs root)
	$(PYTEST) $(WORKERS) -m "not long"

test-fast: setup ## the tests that need no root, no node and no compiler
	$(PYTEST) -n auto -m "not lab and not long and not compiled and not installed" tests/unit tests/facts tests/operations tests/plan

test-long: setup-test ## all tests, every kill point and every drift (needs root)
	$(PYTEST) $(WORKERS)

check: setup ## ruff, mypy --strict, shellcheck
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/shellcheck $$(git ls-files '*.sh') .ci/run

bench: setup-lab ## measure provisioning, a run with nothing to change, and the probe (needs root)
	$(PYTHON_IN_VENV) -m bench.provision
	$(PYTHON_IN_VENV) -m bench.probe

lock: setup ## resolve requirements.txt and checkov's anew
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.10 --no-annotate --no-header \
		--group dev pyproject.toml -o requirements.txt
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.10 --no-annotate --no-header \
		tests/checkov/requirements.in -o tests/checkov/requirements.txt

clean: ## remove what was built here; caches of the lab stay
	rm -rf .venv .venv-checkov build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
