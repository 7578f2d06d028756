# `make demo` and `make test` bring up what they need: a virtual environment with pinned versions and a release build of
# the extension. A second run starts at once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
export PIP_CONSTRAINT := $(abspath constraints.txt)
SOURCES := $(shell find rust -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock pyproject.toml

.NOTPARALLEL:
.PHONY: help demo test rust-test python-test test-engines torture lint docs release clean

help:
	@echo "make demo         the main job on an embedded sample, timed against the tutorials' way"
	@echo "make test         every test, Rust's (make rust-test) and Python's (make python-test)"
	@echo "make test-engines look-ups in Ray, Spark, Daft, Dask and others, JAX, Keras' backends; Spark needs a Java runtime"
	@echo "make torture      attacks, counted: five minutes, or one with SHORT=1; strace for kills and failures"
	@echo "make lint         formatting, clippy, rustdoc, ruff, mypy, pyright, stubtest"
	@echo "make docs         the documentation, in docs/_build/html; DOCS_OFFLINE=1 without a network"
	@echo "make release      whether the versions agree and the changelog is ready for a tag"
	@echo "make clean        take away .venv and target"

demo: $(VENV)/.built $(VENV)/.demo
	@$(BIN)/embmap demo

test: rust-test python-test

rust-test:
	@echo "==> Rust tests"
	cargo test --release --locked

python-test: $(VENV)/.built $(VENV)/.demo $(VENV)/.test
	@echo "==> Python tests"
	$(BIN)/python -m pytest

# One after the other: an engine has processes of its own.
test-engines: $(VENV)/.built $(VENV)/.demo $(VENV)/.test $(VENV)/.engines
	@echo "==> tests in other engines"
	$(BIN)/python -m pytest -n 0 tests/engines

torture: $(VENV)/.built $(VENV)/.test
	$(BIN)/python tests/torture $(if $(SHORT),--short)

lint: $(VENV)/.built $(VENV)/.demo $(VENV)/.test $(VENV)/.lint
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/basedpyright
	@mkdir -p docs/_build
	@{ echo "# pyright: reportUnusedExpression=false"; awk '/^```python/ {p = 1; next} /^```/ {p = 0} p' README.md; } > docs/_build/readme.py
	$(BIN)/basedpyright docs/_build/readme.py
	$(BIN)/python -m mypy.stubtest embmap._embmap

docs: $(VENV)/.built $(VENV)/.demo $(VENV)/.test $(VENV)/.docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo docs/_build/html/index.html

release:
	@version=$$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1); \
	grep -q "^## \[$$version\] - [0-9]" CHANGELOG.md || { echo "CHANGELOG.md has no dated section for $$version"; exit 1; }; \
	grep -q "^version: $$version" CITATION.cff || { echo "CITATION.cff has another version than $$version"; exit 1; }; \
	test -z "$$(git status --porcelain)" || { echo "there are changes that are not committed"; exit 1; }; \
	echo "ready: git tag v$$version && git push origin v$$version"

$(VENV)/.venv:
	@echo "==> a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade pip
	@touch $@

$(VENV)/.built: $(VENV)/.venv $(SOURCES)
	@echo "==> a release build of the extension (about a minute the first time)"
	@$(PIP) install maturin numpy
	@. $(BIN)/activate && env -u CONDA_PREFIX PIP_QUIET=1 maturin develop --release --locked --quiet
	@touch $@

$(VENV)/.demo: $(VENV)/.venv constraints.txt pyproject.toml
	@echo "==> PyTorch, Keras and matplotlib (a few gigabytes the first time)"
	@$(PIP) install torch keras matplotlib
	@touch $@

$(VENV)/.%: $(VENV)/.venv constraints.txt pyproject.toml
	@echo "==> what $* needs"
	@$(PIP) install --group $*
	@touch $@

clean:
	rm -rf $(VENV) target
