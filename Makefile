# SPDX-License-Identifier: GPL-2.0
# The front door. What there is to do here: make help
# The kernel's build does not read this file; it reads Kbuild.

export FLAVOUR ?= cloud-amd64
export SUITE ?= trixie
export KDIR
# Where `make install` puts the library, groupctl and their manuals; and what
# to put in front of every path, for packagers.
export PREFIX ?= /usr/local
export DESTDIR


.DELETE_ON_ERROR:
.PHONY: all demo test test-debug fuzz soak replay bench bench-quick bench-docs bench-record shell check lib install uninstall update clean help

all: ## build groups.ko; KDIR=... names a kernel tree, FLAVOUR=amd64 another of Debian's kernels
	@scripts/build.sh

demo: ## watch two processes talk through a group, in a VM with Debian's own kernel
	@scripts/build.sh --root
	@echo "Building the library and groupctl; the first time this takes about a minute."
	@scripts/root.sh -- make -s -C lgroups
	@echo "Booting a VM with that kernel; without KVM this takes about 10 seconds."
	@scripts/vm.sh --no-load -- scripts/demo.sh

test: ## run all tests, here, in the VM and on the debug kernel; T=name runs one, on the stock kernel
	@scripts/build.sh --root
	@tests/run.sh $(T)

test-debug: ## run the module's tests on the debug kernel alone (KASAN, lockdep, kmemleak and so on)
	@tests/run.sh --debug $(T)

fuzz: ## random programs on the debug kernel, guided by KCOV; SECONDS=600; INPUT=file runs that again
	@tests/fuzz/run.sh $(if $(INPUT),--input $(INPUT),--seconds $(or $(SECONDS),600))

soak: ## run the random tests for SECONDS=600
	@scripts/build.sh --root
	@GROUPS_TEST_SOAK_SECONDS=$$(($(or $(SECONDS),600) / 2)) GROUPS_VM_OPTIONS="$(GROUPS_VM_OPTIONS) --timeout 0" tests/run.sh random_

replay: ## run the random program SEED=N, or PROGRAM=FILE, and show each call beside what the model says
	@scripts/build.sh --root
	@tests/run.sh --replay $(or $(PROGRAM),$(SEED))

bench: ## measure groups beside the kernel's other means, and renew docs/performance.md (10 minutes)
	@scripts/build.sh --root
	@bench/run.sh

bench-quick: ## the same in two minutes, to see that it works, into bench/target/quick
	@scripts/build.sh --root
	@bench/run.sh --quick

bench-docs: ## docs/performance.md anew, from the results in docs/performance
	@bench/run.sh --docs

bench-record: ## put on record what a message costs with this kernel and compiler
	@scripts/build.sh --root
	@bench/run.sh --record

shell: ## a root shell in the VM, with the module loaded
	@scripts/build.sh --root
	@scripts/vm.sh --shell

check: ## format and lints: rustfmt, clippy with the kernel's lints, shellcheck
	@scripts/root.sh -- scripts/check.sh

lib: ## build the library and groupctl, in lgroups/
	@scripts/build-lib.sh

install: ## build for the running kernel, and install there; BOOT=1 loads it at every boot
	@scripts/build.sh --running
	@scripts/build-lib.sh
	@DESTDIR=$(DESTDIR) BOOT=$(BOOT) scripts/install-files.sh
	@$(MAKE) -s -C lgroups install

uninstall: ## the reverse of install
	@DESTDIR=$(DESTDIR) scripts/install-files.sh --remove
	@$(MAKE) -s -C lgroups uninstall

update: ## look for a newer kernel and newer tools in Debian's archive
	@scripts/root.sh --update

clean: ## remove what was built here; the build root stays
	rm -rf build groups.ko tests/target lgroups/target bench/target

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
