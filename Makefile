# What a person types. `make` alone lists the targets.
PYTHON ?= python3
BIN := .venv/bin
# Tests wait more than they work: on two cores, four at a time take little more than half as long as two.
WORKERS ?= 4
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.PHONY: help setup demo test fuzz powercut powercut-full faults mutants bench size docs mip lint clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile

setup: ## get all that the others need (they call it themselves)
	@$(PYTHON) tools/setup.py

demo: setup ## watch four simulated boards update, go back from a bad release, and update file by file
	@$(BIN)/python -m twinslot_tools.demo

test: setup ## run all tests
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal $(ARGS)

fuzz: setup ## send the server far more of what its OpenAPI document allows and forbids than the tests do
	@TWINSLOT_FUZZ=$(or $(EXAMPLES),500) $(BIN)/pytest tests/host/test_schemathesis.py $(ARGS)

powercut: setup ## fail the power at each flash operation of each thing that a board does: an hour (ARGS=update: of that)
	@$(BIN)/python -m tests.powercut $(ARGS)

powercut-full: setup ## fail the power twice in a row everywhere, with an image that fills its slot: a night
	@$(BIN)/python -m tests.powercut --full $(ARGS)

faults: setup ## fail the flash at each of its operations in an update: an hour
	@$(BIN)/python -m tests.powercut --faults $(ARGS)

mutants: setup ## seed faults into the device code, and see the power cuts bring each to light: half an hour
	@$(BIN)/python -m tests.powercut.mutants $(ARGS)

bench: setup ## measure the server and transfers beside the least that could do their work
	@$(BIN)/python -m bench.held
	@$(BIN)/python -m bench.check_ins
	@$(BIN)/python -m bench.transfers
	@$(BIN)/python -m bench.updates
	@$(BIN)/python -m bench.bundles
	@$(BIN)/python -m bench.adding

size: setup ## measure the device package: bytes of each module, and the heap that an update needs
	@$(BIN)/python -m bench.size

docs: setup ## write the tables of docs/power-loss.md anew, from the code
	@$(BIN)/python tools/make_power_loss.py

mip: setup ## make what `mpremote mip install` takes from this folder, once a web server serves it
	@$(BIN)/python tools/make_mip.py

lint: setup ## check style, types and the imports between rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pyright
	@$(BIN)/pytest -q tests/test_rooms.py

clean: ## remove what set-up and the tests made
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
