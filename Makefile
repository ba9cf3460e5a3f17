# `make demo` and `make test` set up everything they need; as root, on a Debian-like system.
VENV := .venv
BIN := $(VENV)/bin
LAB := $(BIN)/python -m lab
# The other Salt that is supported.
SALT := 3006.26
FAST = pytest --numprocesses auto --dist loadfile --no-loadscope-reorder test/functional test/unit
DOCS = $(BIN)/mkdocs build --strict
SHELL_FILES = $(shell grep -rlE --exclude='*.py' '^\#(!/bin/(ba)?sh| shellcheck shell=)' lab .ci test hamysql 2>/dev/null)

.PHONY: demo test test-fast test-salt test-salt-lab test-long test-long-parts tested lint docs down clean

demo: $(VENV)/.installed  ## two real nodes, deployed from bare
	$(LAB) demo

test: lint test-fast  ## everything; the cluster tests start a lab of their own
	$(LAB) host
	$(BIN)/pytest test/cluster

test-long: $(VENV)/.installed  ## what takes too long for `test`, hours in all; a part of it with `make test-long PART=3`
	$(LAB) host
	$(BIN)/python test/parts.py run $(PART)

test-long-parts: $(VENV)/.installed  ## what is in which part of test-long
	$(BIN)/python test/parts.py list

tested: $(VENV)/.installed  ## write docs/tested.md: when each scenario last passed, at which commit
	$(BIN)/python test/tested.py

test-fast: $(VENV)/.installed  ## what needs no lab
	$(LAB) host --tests
	$(BIN)/$(FAST)

test-salt: $(VENV)/.installed $(VENV)-$(SALT)/.installed  ## the same with another Salt: `make test-salt SALT=3006.26`
	$(LAB) host --tests
	$(VENV)-$(SALT)/bin/$(FAST)

test-salt-lab: $(VENV)-$(SALT)/.installed  ## a cluster with another Salt, on the master and on the nodes
	$(VENV)-$(SALT)/bin/python -m lab host
	$(VENV)-$(SALT)/bin/pytest test/cluster/test_deployment.py

lint: $(VENV)/.installed
	$(LAB) host --tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy _utils/hamysql _modules _states _runners
	$(BIN)/mypy lab
	$(BIN)/yamllint --strict .
	find hamysql -name '*.sls' -exec $(BIN)/salt-lint {} +
	shellcheck $(SHELL_FILES)
	$(DOCS)

docs: $(VENV)/.installed  ## the documentation as a site in .lab/docs; fails on a broken link
	$(BIN)/python docs/generate.py
	$(DOCS)

down:  ## end everything that `demo` started; the nodes' disks and the cached images stay
	if [ -x $(BIN)/python ]; then $(LAB) down; fi

clean: down
	rm -rf .lab $(VENV) $(VENV)-* .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

REQUIREMENTS = lab/bootstrap.sh requirements.txt requirements-dev.txt requirements-override.txt

$(VENV)/.installed: $(REQUIREMENTS)
	sh lab/bootstrap.sh $(VENV)

$(VENV)-%/.installed: $(REQUIREMENTS)
	sh lab/bootstrap.sh $(VENV)-$* $*
