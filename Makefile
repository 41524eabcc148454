# Two front doors: `make run` (the demo) and `make test`. They need python3 (3.11 or newer), make and git, and nothing else.
# Everything is installed into .venv; a stamp in it says which parts are complete, so a second call is quick.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# A file's tests stay together, so its fixtures are made once. (loadgroup does not group under pytest 9.2.)
PYTEST_ARGS ?= -n 2 --dist loadfile

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := pyproject.toml constraints.txt
# Set while an install is under way: a build that was cut off is thrown away, never continued.
UNFINISHED := $(VENV)/unfinished
COMMA := ,
CHECK_FLAG := $(if $(filter 1 yes true,$(CHECK)),--check)

.PHONY: run test test-ad test-compiled compile wheel bench coverage lint format extras pins clean help
.DEFAULT_GOAL := help

help:
	@echo "make run            the demo: a stand-in Qlik behind qproxy, on this machine (ARGS='--tls')"
	@echo "make run CHECK=1    the demo drives a whole evening by itself and exits 0 if all went well"
	@echo "make test           all tests (PYTEST_ARGS='tests/test_x.py -x'); installs what they need"
	@echo "make test-ad        the login with Active Directory by Samba, as root on Linux (a network of its own)"
	@echo "make bench          CPU and memory beside nginx and others, 12 minutes (ARGS='--quick', '--check --results')"
	@echo "make coverage       the same, with the lines and branches that no test reaches"
	@echo "make test-compiled  the tests of the hot road, on qproxy compiled by Cython (needs a C compiler)"
	@echo "make wheel          dist/: a wheel for this system with the hot modules compiled"
	@echo "make lint           ruff, mypy (Linux and Windows), import contracts"
	@echo "make format         let ruff format and fix what it can"
	@echo "make pins           write constraints.txt afresh from the newest releases"
	@echo "make clean          remove .venv and caches"

run: $(VENV)/made-run
	@$(BIN)/qproxy demo $(CHECK_FLAG) $(ARGS)

test: $(VENV)/made-test extras
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

# A domain controller's ports are fixed, so it gets a network in which nothing else is.
test-ad: $(VENV)/made-test
	@$(BIN)/python tools/extras.py samba
	@unshare --net sh -c 'ip link set lo up && exec $(BIN)/python -m pytest tests/active_directory'

bench: $(VENV)/made-test
	@$(BIN)/python bench/run.py --install $(ARGS)

coverage: $(VENV)/made-test extras
	@$(BIN)/python -m pytest $(PYTEST_ARGS) --cov --cov-report=term-missing:skip-covered

# In build/compiled stands a qproxy like the one here with compiled modules beside the sources; here none ever does.
COMPILED := build/compiled
COMPILED_TESTS := flows forwarding hostile security $(addprefix test_,$(addsuffix .py,body builds clients cookies \
	frames head headers ledger metrics model not_accepted observe redact routing sessions_front virtual_proxy))
# They wait for seconds, and meet no compiled module that others do not meet.
NOT_COMPILED := flows/test_guessing_evening.py

compile: $(VENV)/made-compile
	@$(BIN)/python tools/compile.py $(COMPILED)

# Started from there, and found there first by what the tests start: tests/test_builds.py fails if it was not.
test-compiled: extras compile
	@cd $(COMPILED) && QPROXY_BUILD=compiled PYTHONPATH="$$PWD" $(abspath $(BIN))/pytest $(PYTEST_ARGS) \
		--config-file $(CURDIR)/pyproject.toml --rootdir $(CURDIR) $(addprefix $(CURDIR)/tests/,$(COMPILED_TESTS)) \
		$(addprefix --ignore $(CURDIR)/tests/,$(NOT_COMPILED))

wheel: $(VENV)/made-run
	@HATCH_BUILD_HOOK_ENABLE_CUSTOM=true $(PIP) wheel --quiet --no-deps --wheel-dir dist .

extras: $(VENV)/made-test
	@$(BIN)/python tools/extras.py

lint: $(VENV)/made-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32
	$(BIN)/lint-imports

format: $(VENV)/made-lint
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/made-run: $(SOURCES)
	@$(call install,.)
	@touch $@

$(VENV)/made-test: $(SOURCES)
	@$(call install,.[test])
	@touch $(VENV)/made-run $@

$(VENV)/made-compile: $(SOURCES)
	@$(call install,.[test$(COMMA)compile])
	@touch $(VENV)/made-run $(VENV)/made-test $@

$(VENV)/made-lint: $(SOURCES)
	@$(call install,.[test$(COMMA)lint])
	@touch $(VENV)/made-run $(VENV)/made-test $@

# install(WHAT): a sound venv first, then WHAT editable with the pinned versions.
define install
set -e; \
$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"qproxy needs Python 3.11 or newer; $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.11")'; \
if [ -e $(UNFINISHED) ] || ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
	echo "Making $(VENV) ..."; \
	mkdir -p $(VENV); touch $(UNFINISHED); \
	$(PYTHON) -m venv --clear $(VENV); \
fi; \
touch $(UNFINISHED); \
echo "Installing qproxy: $(1) ..."; \
$(PIP) install -qq --constraint constraints.txt --editable '$(1)'; \
rm -f $(UNFINISHED)
endef

# winloop and colorama are Windows' own, so no install here can tell their versions.
pins:
	rm -rf $(VENV)-pins
	$(PYTHON) -m venv $(VENV)-pins
	$(VENV)-pins/bin/python -m pip --disable-pip-version-check install --quiet '.[test,lint,compile]'
	{ sed -n '/^#/p;/sys_platform == .win32./p' constraints.txt; \
	  $(VENV)-pins/bin/python -m pip freeze --exclude qproxy; } > $(VENV)-pins/new
	mv $(VENV)-pins/new constraints.txt
	rm -rf $(VENV)-pins

clean:
	rm -rf $(VENV) $(VENV)-pins build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
