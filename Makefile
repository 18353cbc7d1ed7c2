# `make demo` and `make test` work on a fresh clone: both create the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo
MINUTES ?= 30

.PHONY: demo test lint docs figures zoo zoo-status clean

# TensorRT-RTX builds engines without a GPU, so the tests do it; where it cannot be installed, they skip.
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "torch==$(shell sed -n 's/^torch==//p' constraints.txt)"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[cpu,openvino,dev]"
	-$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[trt-rtx]"
	touch $@

demo: $(VENV)/.installed
	mkdir -p $(DEMO)
	cd $(DEMO) && $(abspath $(BIN))/clearer search --budget-mb 5
	cd $(DEMO) && $(abspath $(BIN))/clearer export
	cd $(DEMO) && $(abspath $(BIN))/clearer bench

# Two processes with one thread each, half the time of one; who is done takes over from the other.
test: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Their makers would announce other programs at each build.
docs: $(VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

# Writes the tables of docs/figures/ that change with the networks; what they say is measured by the scripts named there.
figures: $(VENV)/.installed
	$(BIN)/python benchmarks/zoo/figures.py

# Trains the networks of benchmarks/zoo/queue.toml on one core that nothing else wants; stop it at any time.
zoo: $(VENV)/.installed
	$(BIN)/python benchmarks/zoo/train_queue.py run --minutes $(MINUTES)

zoo-status: $(VENV)/.installed
	$(BIN)/python benchmarks/zoo/train_queue.py status

clean:
	rm -rf $(VENV) $(DEMO) build dist site *.egg-info
