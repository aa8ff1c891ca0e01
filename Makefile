# make demo   set up, build the core, run the main job on real input
# make test   set up, build the core, run the tests
# More: check (style and types), cuda-check (compile the CUDA kernels, where nvcc is), sanitize (the core's tests under
# gcc's sanitizers), bench, clean.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test check cuda-check sanitize bench clean

setup: .venv/ready

# Set up again when what is installed or compiled changes; Python files need nothing, the install is editable.
.venv/ready: pyproject.toml constraints.txt setup.py $(wildcard build_tools/*.py) $(shell find csrc -type f)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch==2.13.0 setuptools ninja pybind11 packaging
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch .venv/ready

demo: setup
	$(BIN)/python -m pipelines.reviews.run

test: setup
	$(BIN)/python -m pytest -q

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -q tests/test_architecture.py

cuda-check: setup
	$(BIN)/python -m build_tools.cuda_check

sanitize: setup
	$(BIN)/python -m build_tools.sanitize

bench: setup
	$(BIN)/python -m benchmarks.digits_table --out runs/digits_table.parquet
	$(BIN)/python -m benchmarks.few_labels --data runs/digits_table.parquet --seeds 5 --out runs/few_labels_digits.json

clean:
	rm -rf .venv build runs *.egg-info
	find cotrain -name '*.so' -delete
