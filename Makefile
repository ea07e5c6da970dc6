# make         derive, print, generate, compile and compare the note's network
# make help    everything else

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

# what `make derive` derives
MODEL        ?= vanilla
G            ?=
H            ?=
T            ?=
WRT          ?=
ARCHITECTURE ?= many-to-many
FEED         ?= none
LOSS         ?= auto
FORMAT       ?=
NOTATION     ?=
LAYOUT       ?=
LEVEL        ?=
OUT          ?=

# how many programs `make fuzz` draws, from which seed (none: a fresh one), beginning with which batch
FUZZ  ?= 5000
CLAIMS ?= 10000
SEED  ?=
FIRST ?=

derive_flags := $(if $(T),--T $(T)) --architecture $(ARCHITECTURE) --feed $(FEED) --loss $(LOSS) \
	$(if $(G),--g $(G)) $(if $(H),--h $(H)) $(if $(WRT),--wrt $(WRT)) \
	$(if $(FORMAT),--format $(FORMAT)) $(if $(NOTATION),--notation $(NOTATION)) $(if $(LAYOUT),--layout $(LAYOUT)) \
	$(if $(LEVEL),--level $(LEVEL)) $(if $(OUT),--out $(OUT))

.PHONY: all derive docs build test verify fuzz check bench format clean help
.DEFAULT_GOAL := all

all: $(VENV)/.base  ## derive the note's network, generate and compile the showcase, compare everything
	@$(RUN) -m chalkgrad tour

derive: $(VENV)/.base  ## print a derivation: MODEL= G= H= T= WRT= ARCHITECTURE= FEED= LOSS= FORMAT= NOTATION= LAYOUT= LEVEL= OUT=
	@$(RUN) -m chalkgrad derive $(MODEL) $(derive_flags)

docs: $(VENV)/.docs  ## build the gallery of derivations, docs/gallery/index.html: CELL=my_cell.toml adds yours
	@$(RUN) -m chalkgrad docs docs/gallery.toml --out docs/gallery $(if $(CELL),--cell $(CELL))

build: $(VENV)/.base  ## regenerate and compile generated/
	@$(RUN) -m chalkgrad showcase

# threads that wait by spinning would count as work; what many processes import is compiled once
test verify: export PYTHONDONTWRITEBYTECODE =
test verify: export OMP_WAIT_POLICY = passive
test verify: export OPENBLAS_NUM_THREADS = 1

test: $(VENV)/.test  ## run the tests (5 minutes on two cores)
	@$(RUN) -m pytest -q -n 2 --dist loadgroup -m "not full"

verify: $(VENV)/.test  ## everything over every combination, and a table of what is promised (an hour)
	@$(RUN) -m pytest -q -n 2 --dist loadgroup --hypothesis-profile=many --promises

fuzz: $(VENV)/.test  ## random programs and claims against oracles (long): FUZZ=5000 CLAIMS=10000 SEED= FIRST=
	@$(RUN) -m tests.programs.fuzz --count $(FUZZ) $(if $(SEED),--seed $(SEED)) $(if $(FIRST),--first $(FIRST))
	@$(RUN) -m tests.claims.fuzz --count $(CLAIMS) $(if $(SEED),--seed $(SEED))

check: $(VENV)/.test  ## ruff, mypy, and who may import whom
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@$(RUN) -m pytest -q tests/test_storeys.py

bench: $(VENV)/.bench  ## time everything against NumPy, PyTorch, JAX, Numba, CasADi, ONNX Runtime: BENCH="--quick"
	@$(RUN) -m benchmarks $(BENCH)

format: $(VENV)/.test  ## let ruff format and mend what it can
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

clean:  ## remove the environment, compiled files and caches of this folder
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info generated/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

# ---------------------------------------------------------------- the environment of this checkout

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { echo "Chalkgrad needs Python 3.11 or newer: install python3 (or say PYTHON=...)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Chalkgrad needs Python 3.11 or newer: $(PYTHON) is older (say PYTHON=...)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Chalkgrad needs Python's venv: install the package python3-venv"; exit 1; }
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.created pyproject.toml
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.base
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/.docs: $(VENV)/.base
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

$(VENV)/.bench: $(VENV)/.base
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@
