# `make demo` plays the whole pipeline offline in a few minutes; `make test` runs the tests. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
DEMO := demo
BENCH := .venv-bench

# What a demonstration of some minutes changes in params.yaml: the small corpus, a small network, a short training.
DEMO_PARAMS := dataset=etudes train.units=128 train.trunk=128 train.head=96 train.streams=16 train.epochs=6 \
	train.steps_per_epoch=100 train.warmup_steps=60 train.validation_notes=400 \
	generate.notes=300 generate.prompt_notes=60 generate.improvisations=3 generate.continuations=2 generate.fillings=1 generate.measured=24

# What each part of the network and of its training is worth: a name and what it changes, every one on equal budget.
ABLATION_BUDGET := train.epochs=1 train.steps_per_epoch=300 train.warmup_steps=100
ABLATIONS := whole unidirectional no-carried-state no-release-pointer no-augmentation half-the-units twice-the-units \
	one-target-a-window no-regularisation float32
unidirectional := train.infill_share=0
no-carried-state := train.carry=false
no-release-pointer := train.pointers=false
no-augmentation := train.transpose=0 train.stretch=0
no-regularisation := train.dropout=0 train.weight_decay=0
half-the-units := train.units=192
twice-the-units := train.units=768
one-target-a-window := train.targets=last train.window=25 train.carry=false
float32 := train.precision=float32

# What `make bundle` puts into git: every out that is pushed.
BUNDLED := data/reference models/bilstm.keras reports/audio reports/index.html reports/samples

# The parts of `make bench`; some of them: `make bench PARTS="extraction dvc"`.
PARTS := notebook extraction training generation dvc

.PHONY: help setup demo ablations $(ABLATIONS) bench bundle current test lint lock clean

help:
	@echo "make demo   run the whole pipeline offline on the étude corpus, in $(DEMO)/, and say what to listen to"
	@echo "make test   run the linter and all tests"
	@echo "make ablations  train variants of the network on equal, short budgets, as DVC experiments, and compare them"
	@echo "make bench  measure speed side by side with what people use today, and write benchmarks/README.md"
	@echo "make bundle  fill .dvc/bundled, the remote that travels with git, with what dvc.lock names, and nothing else"
	@echo "make current  fail unless dvc.lock and the reports belong to the code and the settings; needs no data"
	@echo "make setup  create $(VENV) with the locked requirements, and nothing more"
	@echo "make lock   compile requirements*.in to requirements*.txt with the newest versions that fit"
	@echo "make clean  remove $(VENV), $(BENCH) and $(DEMO)/"

setup: $(VENV)/requirements

$(VENV)/requirements: requirements.txt
	@echo "== creating $(VENV) with the locked requirements (some minutes on the first run)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/requirements-dev: $(VENV)/requirements requirements-dev.txt
	@echo "== adding what the tests need"
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# A clone beside the checkout, so that nobody's params.yaml and dvc.lock change; an experiment, so that not even its own do.
demo: $(VENV)/requirements
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

# Each in a temporary copy, as an experiment that DVC keeps: what lies in the workspace stays. Needs the data set of
# params.yaml, which the first one makes. One of them alone: `make half-the-units`.
ablations: $(ABLATIONS)
	@PATH="$(BIN):$$PATH" $(BIN)/dvc exp show --md --no-pager --sort-by validation_loss.loss \
		--drop '.*' --keep 'Experiment|validation_loss.*'

# Not by --force, which would make the data set anew, too.
$(ABLATIONS): $(VENV)/requirements
	@$(BIN)/dvc exp remove --quiet $@ 2>/dev/null || true
	PATH="$(BIN):$$PATH" $(BIN)/dvc exp run --temp --name $@ \
		$(foreach param,$(ABLATION_BUDGET) $($@),-S $(param)) train

# What is measured beside the pipeline, PyTorch among it, has an environment of its own: the project's lock has none of it.
$(BENCH)/requirements: requirements.txt benchmarks/requirements.txt
	@echo "== creating $(BENCH) (some minutes on the first run; PyTorch brings 5 GB)"
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check -r requirements.txt -r benchmarks/requirements.txt
	@touch $@

# `notebook`, `generation` and `dvc` need a finished run of the pipeline, `extraction` measures MAESTRO if it is there.
bench: $(BENCH)/requirements
	@set -e; for part in $(PARTS); do echo "== $$part"; $(BENCH)/bin/python -m benchmarks.$$part; done
	@$(BENCH)/bin/python -m benchmarks.table

# Anew, so that what earlier runs left goes; but first what only the bundle has comes to the cache, or it would go too.
# A missing object is no error to DVC, so what it says is looked at.
bundle: $(VENV)/requirements
	@said=$$($(BIN)/dvc fetch --remote bundled $(BUNDLED) 2>&1); status=$$?; echo "$$said"; \
	if [ $$status -ne 0 ] || echo "$$said" | grep -q "Missing cache files"; then \
		echo "error: neither the cache nor the bundle has all that dvc.lock names: dvc repro, then again"; exit 1; fi
	rm -rf .dvc/bundled
	$(BIN)/dvc push --remote bundled
	@du -sh .dvc/bundled

# `dvc repro --dry` ends well either way, or stumbles over data that is not here; so what it says is looked at.
current: $(VENV)/requirements
	@said=$$($(BIN)/dvc repro --dry --allow-missing 2>&1); status=$$?; \
	stale=$$(echo "$$said" | grep -oE "Running stage '[a-z]+'|failed to reproduce '[a-z]+'"); \
	if [ $$status -ne 0 ] || [ -n "$$stale" ]; then \
		echo "$$stale"; echo "error: dvc.lock is not of this code and these settings: dvc repro, then commit"; exit 1; \
	fi; echo "dvc.lock and the reports are of this code and these settings"

test: lint
	@echo "== tests"
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)/requirements-dev
	@echo "== linter"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lock: $(VENV)/requirements
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --upgrade \
		--custom-compile-command "make lock" requirements.in --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --upgrade \
		--custom-compile-command "make lock" requirements-remotes.in --output-file requirements-remotes.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --upgrade \
		--custom-compile-command "make lock" requirements-dev.in --output-file requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --upgrade \
		--custom-compile-command "make lock" benchmarks/requirements.in --output-file benchmarks/requirements.txt

clean:
	rm -rf $(VENV) $(BENCH) $(DEMO)
