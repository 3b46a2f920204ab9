# Two commands do everything on a machine with python3 (3.11 or later), pip and make:
#   make reproduce   all figures at smoke scale, and the report
#   make test        the fast tests
PYTHON ?= python3
VENV ?= .venv
# more requirements, which replace pins
ON_TOP ?=
OUT ?= results/smoke
BIN := $(VENV)/bin
WORKERS ?= 2
# most of the tests' time goes to compiling small programs: with these options of XLA it takes a third
QUICKLY := --xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false \
	--xla_cpu_parallel_codegen_split_count=1
# neighbours share fixtures and programs, and so a worker
SHARED := -n $(WORKERS) --dist worksteal -q
# what Python makes of the tests' source is kept for the next run
PYTEST = PYTHONDONTWRITEBYTECODE= XLA_FLAGS="$(QUICKLY)" $(BIN)/python -m pytest
# tests of texts, files, processes and pages: no arithmetic of theirs depends on the processor
NO_ARITHMETIC := page report store sweep $(addprefix test_,$(addsuffix .py, \
	amounts crash_campaign environment faults hostile_inputs interrupts packaging pickling \
	program_cache prose rooms surroundings threads user_code))

.PHONY: benchmarks docs notebooks peers pins release reproduce test test-avx2 test-many-seeds test-sdist test-slow test-browser test-lowest test-readme crash campaign slurm lint types contracts check clean

reproduce: $(VENV)/.run
	$(BIN)/gapless reproduce all --scale smoke --workers $(WORKERS) --out $(OUT)

test: $(VENV)/.dev
	$(PYTEST) $(SHARED)

# the fast tests of arithmetic with the instructions of every processor of the last ten years
test-avx2: QUICKLY += --xla_cpu_max_isa=AVX2
test-avx2: $(VENV)/.dev
	OPENBLAS_CORETYPE=Haswell $(PYTEST) $(SHARED) $(addprefix --ignore=tests/,$(NO_ARITHMETIC))

# the fast tests with every seed moved, in reversed order (tests/seeds.py)
test-many-seeds: $(VENV)/.dev
	for shift in 1 2 1000; do \
		SEED_SHIFT=$$shift $(PYTEST) $(SHARED) --hypothesis-seed=$$shift || exit 1; \
	done

# the fast tests as the source distribution holds them
test-sdist: $(VENV)/.dev
	rm -rf build/sdist && mkdir -p build/sdist
	$(BIN)/python -c "from setuptools.build_meta import build_sdist; build_sdist('build/sdist')"
	tar -xzf build/sdist/gapless-*.tar.gz -C build/sdist --strip-components=1
	rm build/sdist/gapless-*.tar.gz
	cd build/sdist && PYTHONPATH=src XLA_FLAGS="$(QUICKLY)" \
	    $(abspath $(BIN))/python -m pytest $(SHARED)

test-slow: $(VENV)/.docs
	$(BIN)/python -m pytest $(SHARED) -m "slow and not campaign"

# the site, build/docs/index.html; needs no network, and a warning is an error
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

# the fast tests with the lowest versions that pyproject.toml allows; with another Python:
# `make test PYTHON=python3.13 VENV=.venv-3.13`
test-lowest:
	$(MAKE) test VENV=.venv-lowest ON_TOP=requirements/lowest.txt

# README's commands, typed in a fresh clone
test-readme: $(VENV)/.dev
	$(BIN)/python -m pytest -q -s -m readme tests/test_readme.py

# docs/notebooks/*.ipynb from their pages
notebooks: $(VENV)/.dev
	$(BIN)/python tests/make_notebooks.py

# the pages in Debian's chromium, found as CHROMIUM
test-browser: $(VENV)/.dev
	$(PYTEST) -q -m browser

# faults by the thousand, one test at a time: longer than a check should take
campaign: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m campaign

# 200 kills: minutes
crash: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python tests/crash_campaign.py --kills 200 --points 5000

# as root, with Debian's slurmctld, slurmd, slurm-client and munge
slurm: $(VENV)/.dev
	tests/slurm/run.sh $(BIN)/python

benchmarks: $(VENV)/.dev
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/theory.py
	$(BIN)/python benchmarks/first_look.py --program now=$(BIN)/gapless
	$(BIN)/python benchmarks/eigenpairs.py --crossover

# gapless beside other packages on the same work, in an environment of its own: an hour
peers: .venv-peers/.done
	.venv-peers/bin/python benchmarks/peers.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/prose.py

# the tests import what runs the notebooks
types: $(VENV)/.docs
	$(BIN)/basedpyright

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

check: lint types contracts test

# requirements/run, dev and docs.txt from the newest versions that pyproject.toml allows
pins:
	rm -rf build/pins
	$(PYTHON) -m venv build/pins
	build/pins/bin/python requirements/pin.py

# sdist and wheel in dist/; the wheel is built from the sdist, and tested in a fresh environment from
# another folder, where a type checker has to find its types
release: $(VENV)/.dev
	rm -rf dist build/release
	$(BIN)/python -c "from setuptools.build_meta import build_sdist; build_sdist('dist')"
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist dist/gapless-*.tar.gz
	$(PYTHON) -m venv build/release
	build/release/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/run.txt
	build/release/bin/python -m pip install --quiet --disable-pip-version-check --no-deps dist/*.whl
	build/release/bin/python tests/installed.py
	folder=$$(mktemp -d) && cp tests/installed.py $$folder && cd $$folder && \
		$(abspath $(BIN))/basedpyright --level error \
			--pythonpath $(abspath build/release/bin/python) installed.py

clean:
	rm -rf $(VENV) .venv-lowest .venv-peers build dist

$(VENV)/.run: requirements/run.txt pyproject.toml
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt $(ON_TOP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	# lint-imports, which no test calls, asks for a newer rich than gapless does
	$(if $(ON_TOP),$(BIN)/python -m pip uninstall --quiet --yes import-linter)
	$(if $(ON_TOP),$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(ON_TOP))
	touch $@

$(VENV)/.docs: $(VENV)/.dev requirements/docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/docs.txt
	touch $@

# one at a time: a peer that cannot be installed here is left out, and the benchmark names it
.venv-peers/.done: requirements/run.txt benchmarks/peers-requirements.txt pyproject.toml
	$(MAKE) .venv-peers/.run VENV=.venv-peers
	for peer in diffrax pymanopt matfree deepinv primme; do \
		timeout 1800 .venv-peers/bin/python -m pip install --quiet --disable-pip-version-check \
			-c requirements/run.txt -c benchmarks/peers-requirements.txt $$peer \
			|| echo "not installed: $$peer"; \
	done
	touch $@
