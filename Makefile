# `make` prints what there is. Everything is installed into .venv, nothing outside this folder.

VENV := .venv
BIN := $(VENV)/bin
OUT := quickstart
BIOME := 2.6.8
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3.11 python3.12 python3.13 python3.10 python3)
PYTEST_ARGS ?=
# Two processes, since most tests keep one core busy; more would mostly take memory. A file stays
# in one process, which makes what its tests share once.
PYTEST := -m pytest -n 2 --dist loadfile --no-loadscope-reorder

ifeq ($(OS),Windows_NT)
REFUSAL := Windows is not supported: use Linux, macOS on Apple silicon, or WSL
else ifeq ($(shell uname -sm),Darwin x86_64)
REFUSAL := there is no TensorFlow 2.21 for Intel Macs: use Linux, or macOS on Apple silicon
endif

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help quickstart gallery test test-long quick test-browser lint lint-js docs dist clean

help:
	@echo "make quickstart  from nothing to 25 drawings: installs, prepares KanjiVG, trains, evaluates, draws, exports"
	@echo "                 (about 10 minutes on 2 cores; interrupted, it goes on where it was)"
	@echo "make gallery     draws docs/pictures with the quickstart's model"
	@echo "make test        installs what the tests need, checks style and runs the tests"
	@echo "make test-long   runs those that take minutes: busy machines, several machines, experiments"
	@echo "make test-browser  runs the tests of the pages in Chromium (apt installs what is missing)"
	@echo "make quick       runs the fast tests that need no training"
	@echo "make lint        checks style and types only"
	@echo "make lint-js     checks the style of JavaScript and CSS with Biome (npm)"
	@echo "make docs        makes the pages of docs/_build/html"
	@echo "make dist        makes dist/: the source distribution and the wheel, checked"
	@echo "make clean       removes what make made: $(VENV), $(OUT) and caches"
	@echo
	@echo "PYTHON=python3.12 chooses the Python (3.10 to 3.13), PYTEST_ARGS='-k drawing' some of the tests."

# --- the environment -------------------------------------------------------------------------

# The first Python that runs, is of the right version and can make an environment.
$(VENV)/made:
	$(if $(REFUSAL),$(error $(REFUSAL)))
	@for python in $(PYTHONS); do \
	  if $$python -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
	      >/dev/null 2>&1; then \
	    echo "$$python -m venv $(VENV)"; \
	    $$python -m venv --clear $(VENV) && touch $@ && exit 0; exit 1; \
	  fi; \
	done; \
	echo "found no Python 3.10 to 3.13 that can make an environment (tried $(PYTHONS)):" \
	  "PYTHON=/path/to/python names one; on Debian and Ubuntu it needs the package python3-venv" >&2; exit 1

# One stamp an extra; they are made anew when the dependencies change.
$(VENV)/installed-%: $(VENV)/made pyproject.toml setup.cfg
	$(BIN)/python -m pip install --disable-pip-version-check -e '.[$*]'
	@touch $@

# --- checks ----------------------------------------------------------------------------------

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# pyproject.toml makes warnings from our own code errors.
test: lint
	$(BIN)/python $(PYTEST) -m "not long and not browser" $(PYTEST_ARGS)

# One at a time: each keeps all cores busy.
test-long: $(VENV)/installed-test
	$(BIN)/python -m pytest -m long $(PYTEST_ARGS)

# Chromium and its driver come from Debian's packages where they are not there yet.
test-browser: $(VENV)/installed-test
	@command -v chromedriver >/dev/null || apt-get install -y --no-install-recommends chromium chromium-driver || \
	  { echo "needs chromium and chromedriver: apt-get install chromium chromium-driver" >&2; exit 1; }
	$(BIN)/python $(PYTEST) -m browser tests/export/web $(PYTEST_ARGS)

lint-js:
	npx --yes @biomejs/biome@$(BIOME) check .

# What does not need TensorFlow to be imported, or is quick with it: for the hands while they write.
QUICK := tests/data_prep tests/drawing tests/sketcher/test_arguments.py tests/sketcher/test_latent_space.py \
  tests/data/test_tfrecord.py tests/data/test_dataset.py tests/quality/test_metrics.py tests/quality/test_rendering.py \
  tests/test_architecture.py tests/test_cli.py tests/test_config.py tests/test_files.py tests/test_layers.py \
  tests/test_progress.py tests/test_strokes.py

quick: $(VENV)/installed-test
	$(BIN)/python $(PYTEST) -m "not large" $(QUICK) $(PYTEST_ARGS)

# --- quickstart: six commands, each skipped when its result is there --------------------------

quickstart: $(OUT)/litert.png $(OUT)/doodles.png
	@echo "$(OUT)/kanji.png            25 new characters of the model that was just trained"
	@echo "$(OUT)/reconstructions.png  characters that it has not seen, read and drawn again"
	@echo "$(OUT)/walk.png             from one of them to another"
	@echo "$(OUT)/box_reconstructions.png  the same by the model in the box, pretrained:kanji"
	@echo "$(OUT)/box_walk.png         and its walk"
	@echo "$(OUT)/litert.png           what its .tflite draws without TensorFlow; all exports are in $(OUT)/export"
	@echo "$(OUT)/doodles.png          sheep, palm trees, bicycles and dolphins of the model in the box"
	@echo "$(OUT)/evaluation.json      the losses of the test split"

# The environment stands after a bar: installing again is no reason to train again.
$(OUT)/data/dataset.json: | $(VENV)/installed-quickstart
	$(BIN)/sketch-rnn-prepare --input package:kanjivg --simplify_epsilon 1.5 --output_dir $(OUT)/data --overwrite

# Training goes on by itself from the last checkpoint.
$(OUT)/trained: $(OUT)/data/dataset.json | $(VENV)/installed-quickstart
	$(BIN)/sketch-rnn-train --data_dir $(OUT)/data --run_dir $(OUT)/run --preset quickstart
	@test -f $(OUT)/run/report.html || { echo "Training was stopped; the same command goes on."; exit 1; }
	@touch $@

$(OUT)/evaluation.json: $(OUT)/trained
	$(BIN)/sketch-rnn-evaluate --model $(OUT)/run --data_dir $(OUT)/data --split test --json > $@

$(OUT)/kanji.png: $(OUT)/evaluation.json
	$(BIN)/sketch-rnn-sample --model $(OUT)/run --num 25 --temperature 0.4 --seed 0 --overwrite \
	  --output $(OUT)/kanji.svg --output $(OUT)/kanji.png

HELD_OUT := --input $(OUT)/data --split test --overwrite
AGAIN := --task reconstruct $(HELD_OUT) --index 0-7 --temperature 0.2
WALK := --task interpolate $(HELD_OUT) --index 0,5 --temperature 0.1

$(OUT)/reconstructions.png: $(OUT)/kanji.png
	$(BIN)/sketch-rnn-sample --model $(OUT)/run $(AGAIN) --output $@

$(OUT)/walk.png: $(OUT)/reconstructions.png
	$(BIN)/sketch-rnn-sample --model $(OUT)/run $(WALK) --output $@

# The same characters by the model in the box, which was trained for longer.
$(OUT)/box_reconstructions.png: $(OUT)/walk.png
	$(BIN)/sketch-rnn-sample --model pretrained:kanji $(AGAIN) --output $@

$(OUT)/box_walk.png: $(OUT)/box_reconstructions.png
	$(BIN)/sketch-rnn-sample --model pretrained:kanji $(WALK) --output $@

$(OUT)/doodles.png: $(OUT)/box_walk.png
	$(BIN)/sketch-rnn-sample --model pretrained:doodles --class sheep,palm_tree,bicycle,dolphin --num 6 \
	  --temperature 0.3 --overwrite --output $@

$(OUT)/exported: $(OUT)/kanji.png
	$(BIN)/sketch-rnn-export --model $(OUT)/run --output_dir $(OUT)/export --format saved_model,litert --overwrite
	@touch $@

$(OUT)/litert.png: $(OUT)/exported
	$(BIN)/sketch-rnn-sample --model $(OUT)/export/litert/model.tflite --num 25 --temperature 0.4 --seed 0 \
	  --overwrite --output $@

# --- pages and distributions -------------------------------------------------------------------

# A link or a name that leads nowhere is an error.
docs: $(VENV)/installed-docs
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

dist: $(VENV)/installed-test
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents --toplevel sketch_rnn_tf,data_prep dist/*.whl

gallery: $(OUT)/trained
	$(BIN)/python examples/gallery.py --model $(OUT)/run --data_dir $(OUT)/data --output_dir docs/pictures

clean:
	rm -rf $(VENV) $(OUT) build dist docs/_build docs/_generated .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
