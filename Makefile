# `make help` lists the targets. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
DEMO := demo
BENCH_VENV := .venv-bench

# What `make demo` changes in params.yaml to finish in minutes: a small corpus, a small network, a short training.
DEMO_PARAMS := dataset=etudes train.lstm_units=128 train.trunk_units=128 train.head_units=96 train.batch_size=16 \
	train.epochs=6 train.steps_per_epoch=100 train.warmup_steps=60 train.validation_max_notes=400 \
	generate.sample_notes=300 generate.prompt_notes=60 generate.improvisations=3 generate.continuations=2 \
	generate.infills=1 generate.metrics_only_improvisations=24

# Ablations of the network and of its training: a name and what it changes, each with the same number of updates.
ABLATION_BUDGET := train.epochs=1 train.steps_per_epoch=300 train.warmup_steps=100
ABLATIONS := full unidirectional stateless no-duration-pointers no-augmentation half-width double-width \
	one-target-per-sequence no-regularisation bfloat16
unidirectional := train.infill_fraction=0
stateless := train.stateful=false
no-duration-pointers := train.duration_pointers=false
no-augmentation := train.transpose_semitones=0 train.time_stretch=0 train.velocity_shift=0
half-width := train.lstm_units=192
double-width := train.lstm_units=768
one-target-per-sequence := train.loss_on=last train.seq_len=25 train.stateful=false
no-regularisation := train.dropout=0 train.weight_decay=0
bfloat16 := train.precision=bfloat16

# What `make publish-run` puts into git: every out that is pushed.
PUBLISHED := data/excerpts models/bilstm.keras reports/audio reports/index.html reports/samples

# The parts of `make bench`; some of them: `make bench PARTS="extraction dvc"`.
PARTS := notebook extraction scaling input training generation dvc

# What `make lock` compiles, from .in to .txt; each holds to the versions of those before it.
LOCKS := requirements requirements-remotes requirements-dask requirements-dev benchmarks/requirements

# Files in their order, so that those of tests/pipeline, which take longest, come early, and no process is left with one.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup demo ablations $(ABLATIONS) run-queue bench test test-fast lint publish-run check-lock lock clean

##@ Set-up

help:  ## list the targets
	@awk '/^##@ / { printf "%s%s\n", gap, substr($$0, 5); gap = "\n" } \
		/^[a-z-]+:.*## / { split($$0, part, ":.*## "); printf "  make %-14s%s\n", part[1], part[2] }' $(MAKEFILE_LIST)
	@echo; echo "Variants that \`make ablations\` trains, each a target of its own:"
	@echo "$(ABLATIONS)" | fold -s -w 100 | sed "s/^/  /"

setup: $(VENV)/requirements  ## create .venv with the locked requirements

$(VENV)/requirements: requirements.txt
	@echo "== creating $(VENV) with the locked requirements (some minutes on the first run)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/requirements-dev: $(VENV)/requirements requirements-dev.txt
	@echo "== adding what tests and linters need"
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

##@ Run

# Runs in a clone, so that params.yaml and dvc.lock of the checkout stay as they are; and as an experiment, so that
# those of the clone do, too.
demo: $(VENV)/requirements  ## run the whole pipeline offline on the étude corpus, in demo/
	@echo "== the whole pipeline on the étude corpus, in $(DEMO)/"
	@test -d $(DEMO)/.git || git clone --quiet . $(DEMO)
	@git -C $(DEMO) config user.name demo && git -C $(DEMO) config user.email demo@localhost
	@cd $(DEMO) && git fetch --quiet origin HEAD && git reset --quiet --hard FETCH_HEAD
	@cd $(DEMO) && PATH="$(BIN):$$PATH" DATASET_MIRROR= \
		$(BIN)/dvc exp run $(foreach param,$(DEMO_PARAMS),-S $(param))
	@echo
	@echo "== done. Open in a browser:  $(DEMO)/reports/index.html"
	@echo "   listen to:               $(DEMO)/reports/audio/improvisation-1.mp3"
	@echo "   look at:                 $(DEMO)/reports/figures/loss.png, $(DEMO)/reports/figures/distributions.png"

# Each in a temporary copy, as an experiment that DVC keeps; the workspace stays as it is. Needs the data set of
# params.yaml, which the first one makes. A single one: `make half-width`.
ablations: $(ABLATIONS)  ## train variants of the network as DVC experiments and compare them
	@PATH="$(BIN):$$PATH" $(BIN)/dvc exp show --md --no-pager --sort-by reports/loss.json:loss \
		--drop '.*' --keep 'Experiment$$|(reports/loss.json:)?loss$$'

# Not by --force, which would make the data set again, too.
$(ABLATIONS): $(VENV)/requirements
	@$(BIN)/dvc exp remove --quiet $@ 2>/dev/null || true
	PATH="$(BIN):$$PATH" $(BIN)/dvc exp run --temp --name $@ \
		$(foreach param,$(ABLATION_BUDGET) $($@),-S $(param)) train

# `dvc exp run --run-all` exits with 0 whatever becomes of the experiments.
run-queue: $(VENV)/requirements  ## run the queued experiments (dvc exp run --queue); fails if one of them does
	@PATH="$(BIN):$$PATH" $(BIN)/dvc exp run --run-all
	@if $(BIN)/dvc queue status | grep -w Failed; then \
		echo "error: these experiments failed; \`dvc queue logs NAME\` tells why, \`dvc queue remove --failed\` forgets them"; \
		exit 1; fi >&2

# PyTorch and other libraries that only the benchmarks need have an environment and a lock file of their own.
$(BENCH_VENV)/requirements: requirements.txt benchmarks/requirements.txt
	@echo "== creating $(BENCH_VENV) (some minutes on the first run; PyTorch brings 5 GB)"
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements.txt -r benchmarks/requirements.txt
	@touch $@

# `notebook`, `generation` and `dvc` need a finished run of the pipeline, `input` its note tables; `extraction` and
# `scaling` read MAESTRO if it is there.
bench: $(BENCH_VENV)/requirements  ## measure speed against other libraries and write benchmarks/README.md
	@set -e; for part in $(PARTS); do echo "== $$part"; $(BENCH_VENV)/bin/python -m benchmarks.$$part; done
	@$(BENCH_VENV)/bin/python -m benchmarks.table

##@ Test

test: lint  ## run the linters and all tests, with coverage of stages/
	@echo "== tests"
	$(PYTEST) --cov --cov-report=term

test-fast: $(VENV)/requirements-dev  ## run the unit, stage and command-line tests that are not slow
	$(PYTEST) -m "not slow and not dvc and not browser" tests/unit tests/stages tests/command_line

lint: $(VENV)/requirements-dev  ## run ruff on all files, and mypy on stages/ and compose.py
	@echo "== linters"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

##@ Publish

# Filled from scratch, which drops the objects of earlier runs; objects that only .dvc/bundled has are fetched to the
# cache first. DVC exits with 0 when an object is missing, so its output is searched.
publish-run: $(VENV)/requirements  ## fill .dvc/bundled, the DVC remote inside git, with the outs of dvc.lock
	@output=$$($(BIN)/dvc fetch --remote bundled $(PUBLISHED) 2>&1); status=$$?; echo "$$output"; \
	if [ $$status -ne 0 ] || echo "$$output" | grep -q "Missing cache files"; then \
		echo "error: outs of dvc.lock are missing from the cache and from .dvc/bundled: run dvc repro, then try again"; \
		exit 1; fi
	rm -rf .dvc/bundled
	$(BIN)/dvc push --remote bundled
	@du -sh .dvc/bundled

# `dvc repro --dry` exits with 0 whether stages would run or not, and may fail where data is missing, so its output is
# searched.
check-lock: $(VENV)/requirements  ## fail unless dvc.lock and reports/ match the code and params.yaml; needs no data
	@output=$$($(BIN)/dvc repro --dry --allow-missing 2>&1); status=$$?; \
	stale=$$(echo "$$output" | grep -oE "Running stage '[a-z]+'|failed to reproduce '[a-z]+'"); \
	if [ $$status -ne 0 ] || [ -n "$$stale" ]; then \
		echo "$$stale"; echo "error: dvc.lock does not match the code and params.yaml: run dvc repro, then commit"; exit 1; \
	fi; echo "dvc.lock and reports/ match the code and params.yaml"

##@ Maintenance

lock: $(VENV)/requirements  ## compile requirements*.in to requirements*.txt with the newest versions that fit
	$(BIN)/pip install --quiet uv
	@set -e; for name in $(LOCKS); do echo "== $$name.txt"; \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --upgrade \
			--custom-compile-command "make lock" $$name.in --output-file $$name.txt; done

clean:  ## remove .venv, .venv-bench and demo/
	rm -rf $(VENV) $(BENCH_VENV) $(DEMO)
