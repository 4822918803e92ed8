# The index of what can be done here. Every target starts from a bare checkout.

bin := .venv/bin

# The daemon as mypy sees it on Windows: without what is for POSIX only. An ignore that is needed on
# the other platform is not idle.
on_windows := --platform win32 --exclude ^hcsd/embedded/ --no-warn-unused-ignores hcsd clients/python \
	tests/windows/native.py tests/windows/conftest.py tests/windows/provider.py \
	tests/windows/at_console.py $(wildcard tests/windows/console_*.py) \
	tests/windows/hasty_daemon.py \
	$(wildcard tests/windows/test_*.py)

# One more than there are cores, since tests also wait.
workers := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# It is a Go module and no package of Python, so .requirements.lock cannot have it.
actionlint := v1.7.12

# Where this is set, each of the many programs that tests start would compile all that it loads.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL: # a recipe uses all cores where it can, and its output stays in one piece under -j

.PHONY: help setup run demo test test-all test-windows test-clients check workflows fmt generate lock bench clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14

setup: ## make .venv with everything needed; at once when nothing has changed
	@.ci/setup

run: setup ## run the daemon in the foreground
	@$(bin)/hcsd serve

demo: setup ## start a daemon, run real processes through it, and show them
	@$(bin)/python -m tests.demo

test: setup ## run the tests
	@$(bin)/python -m pytest -n $(workers) --maxprocesses 4 --dist worksteal

test-all: setup ## run the slow tests too, and measure coverage
	@$(bin)/coverage erase
	@$(bin)/coverage run -m pytest -m ""
	@$(bin)/coverage combine --quiet
	@$(bin)/coverage report

test-windows: setup ## run the Windows half under Wine, over a test double of computecore.dll
	@$(bin)/python -m tests.windows

test-clients: setup ## build the clients of all languages and hold them to one suite
	@$(bin)/python -m tests.conformance

check: setup ## check format, style, types, layers, generated files and spelling
	$(bin)/ruff format --check
	$(bin)/ruff check
	$(bin)/mypy
	$(bin)/mypy $(on_windows)
	$(bin)/lint-imports --no-logo
	$(bin)/python protos/generate.py check
	$(bin)/codespell

workflows: setup ## check the workflows of .github; needs Go, reads their shell if shellcheck is there
	@go run github.com/rhysd/actionlint/cmd/actionlint@$(actionlint) $(wildcard .github/workflows/*.yml)
	@$(bin)/zizmor --offline --quiet --persona=pedantic .github

fmt: setup ## format the code and repair what can be repaired
	@$(bin)/ruff check --fix-only
	@$(bin)/ruff format

generate: setup ## write the stubs of all clients from protos, tables of the documentation, manual pages
	@$(bin)/python -m tests.packages
	@$(bin)/python -m tests.tables
	@$(bin)/python -m tests.manual
	@$(bin)/python protos/generate.py generate
	@$(bin)/python -m tests.conformance --generate

lock: setup ## write .requirements.lock from pyproject.toml (LOCK=--upgrade: newest versions)
	@$(bin)/uv pip compile --no-config --quiet --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" --extra windows --group dev \
		--no-emit-package hcsd-client $(LOCK) \
		-o .requirements.lock pyproject.toml

bench: setup ## measure against the budgets
	@$(bin)/python -m tests.bench

clean: ## remove what the other targets made, .venv too
	rm -rf .venv .venv-windows .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage* dist
	git clean -fdXq clients tests/conformance
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
