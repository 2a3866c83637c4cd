# SPDX-License-Identifier: GPL-2.0
# The front door. What there is to do here: make help
# The kernel's build does not read this file; it reads Kbuild.

export FLAVOUR ?= cloud-amd64
export SUITE ?= trixie
export KDIR


.DELETE_ON_ERROR:
.PHONY: all demo test shell check install uninstall update clean help

all: ## build groups.ko; KDIR=... names a kernel tree, FLAVOUR=amd64 another of Debian's kernels
	@scripts/build.sh

demo: ## watch two processes talk through a group, in a VM with Debian's own kernel
	@scripts/build.sh --root
	@echo "Booting a VM with that kernel; without KVM this takes about 10 seconds."
	@scripts/vm.sh --no-load -- scripts/demo.sh

test: ## run all tests, here and in the VM; T=name runs one
	@scripts/build.sh --root
	@tests/run.sh $(T)

shell: ## a root shell in the VM, with the module loaded
	@scripts/build.sh --root
	@scripts/vm.sh --shell

check: ## format and lints: rustfmt, clippy with the kernel's lints, shellcheck
	@scripts/root.sh -- scripts/check.sh

install: ## build for the running kernel, and install there; BOOT=1 loads it at every boot
	@scripts/build.sh --running
	@DESTDIR=$(DESTDIR) BOOT=$(BOOT) scripts/install-files.sh

uninstall: ## the reverse of install
	@DESTDIR=$(DESTDIR) scripts/install-files.sh --remove

update: ## look for a newer kernel and newer tools in Debian's archive
	@scripts/root.sh --update

clean: ## remove what was built here; the build root stays
	rm -rf build groups.ko

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
