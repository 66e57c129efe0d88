# SPDX-License-Identifier: BSD-2-Clause
# The front door. Behind it is meson: see meson.build, and `meson configure build` for what can be changed.
BUILD  ?= build
PAGE   ?= 1
PREFIX ?= /usr/local
BUILDER = $(shell command -v ninja || echo ninja)

.PHONY: all deps demo test lint coverage bench install uninstall clean help

all: deps $(BUILD)/build.ninja
	@$(BUILDER) -C $(BUILD)

# Installs with apt what the build needs. Asks dpkg only, and is silent, when all is there.
deps:
	@tools/deps build

$(BUILD)/build.ninja: | deps
	@meson setup $(BUILD) --prefix $(PREFIX)

# Three network namespaces, real traffic, the same traffic replayed, and on a terminal the page (PAGE=0: not).
demo:
	@tools/deps build demo
	@$(MAKE) --no-print-directory -s all BUILD=$(BUILD) BUILDER='$(BUILDER) --quiet'
	@PAGE=$(PAGE) tools/demo --build $(BUILD)

# Everything: checks of the sources, unit tests, scenarios in every home, sanitizers, fuzzers, real programs. `tools/run-tests --help` for parts.
test:
	@tools/deps build test
	@tools/run-tests --build $(BUILD)

# Before a change is sent: all checks of the sources, where the linter and two compilers read only what differs from the main branch.
lint:
	@tools/deps build test
	@tools/run-tests --build $(BUILD) --changed check

# How much of the code the unit tests and scenarios run: a figure that nothing depends on, so `make test` does without it.
coverage: all
	@tools/deps build test
	@tests/check/coverage.py $(BUILD)

# Keepstate, an equal nftables policy, and no firewall, in one run.
bench:
	@tools/deps build bench
	@$(MAKE) --no-print-directory -s all BUILD=$(BUILD)
	@bench/run --build $(BUILD)

# PREFIX may be given here, too: the programs do not know it, only the unit does.
install: all
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@meson install -C $(BUILD)

# Leaves policies and /var/lib/keepstate. A firewall in force stays in force: `keepstate stop` comes before.
uninstall:
	@tools/uninstall --build $(BUILD)

clean:
	@rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-coverage $(BUILD)-fuzz $(BUILD)-tsan

help:
	@echo 'make           build in $(BUILD)/ (installs what is missing, with apt)'
	@echo 'make demo      see it work: a LAN, a gateway, a server, real traffic'
	@echo 'make test      build and run every test; the last line counts them'
	@echo 'make lint      the checks of the sources alone, of what a branch changes: before it is sent'
	@echo 'make coverage  count the lines that unit tests and scenarios run'
	@echo 'make bench     measure it beside nftables and no firewall'
	@echo 'make install   install below PREFIX ($(PREFIX)); DESTDIR is honoured'
	@echo 'make uninstall remove that again; policies and /var/lib/keepstate stay'
	@echo 'make clean     remove what was built'
