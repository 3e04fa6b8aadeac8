# Everything runs in cargo's one release profile, so that libtorch's C++ bindings (minutes) compile once.
# Variables: ARGS for `make serve` (ARGS=--lan), SUITE and QUICK=1 for `make bench`, TRY=1 for `make dist`.

PYTHON ?= python3
CARGO ?= cargo

.PHONY: help setup serve test check hostile bench dist clean

help:
	@echo 'make serve   build and start the dashboard; ARGS="--address 127.0.0.1:9000" goes to it'
	@echo 'make test    everything a change must pass: the checks below, all tests, the browser tests'
	@echo 'make check   formatting, clippy, rustdoc, licences of dependencies'
	@echo 'make hostile requests of every kind against a server of its own, for minutes; ARGS="--examples 10" for fewer'
	@echo 'make bench   measure against gensim, PyTorch, Keras and others; SUITE=search for one, QUICK=1 for a smoke run'
	@echo 'make dist    a tarball that runs without tools or libtorch, in target/dist; TRY=1 tries it on a clean Debian'
	@echo 'make setup   bring libtorch and the npm packages (the targets above do it themselves)'
	@echo 'make clean   remove what was built here; the cache in ~/.cache/torchboard stays'

setup:
	@command -v $(PYTHON) >/dev/null || { echo 'Python 3.9 or newer is missing: sudo apt-get install python3 python3-pip'; exit 1; }
	@$(PYTHON) tools/setup.py

serve: setup
	$(CARGO) run --release -- serve $(ARGS)

test: setup
	@$(PYTHON) tools/setup.py tests
	@$(PYTHON) tools/verify.py test

check: setup
	@$(PYTHON) tools/verify.py check

hostile: setup
	@$(PYTHON) tests/hostile/run.py $(ARGS)

bench: setup
	@$(PYTHON) benches/run.py $(if $(QUICK),--quick) $(SUITE)

dist: setup
	@$(PYTHON) tools/dist.py $(if $(TRY),--try)

clean:
	$(CARGO) clean
	rm -rf node_modules
	if [ -L libtorch ]; then rm libtorch; fi
