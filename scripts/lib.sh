# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share: messages, and where things are. To be
# sourced; it sets functions and two variables and does nothing else.

# The clone by its real path: it is mounted into the build root and into guests
# under the name that it has here.
CLONE=$(cd -- "${BASH_SOURCE[0]%/*}/.." && pwd -P)
ME=${0##*/}

groups_cache() { realpath -m -- "${GROUPS_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/groups}"; }

# Progress and errors go to standard error: standard output belongs to the
# command that a script runs.
say() { printf '%s: %s\n' "$ME" "$*" >&2; }
die() { say "error: $*"; exit 1; }

# need_root WHY
need_root() { [ "$EUID" -eq 0 ] || die "only root may do this ($1): try again with sudo"; }

# What a command in the build root or in a guest is told of this environment:
# what may mean something to builds and tests, nothing that names a folder of
# the host's. As NAME=VALUE, each ended by a NUL.
passed_environment() {
	local name
	for name in $(compgen -e); do
		case $name in
		GROUPS_CACHE | GROUPS_ROOT | CARGO_HOME | CARGO_TARGET_DIR | CARGO_HTTP_CAINFO) ;;
		CI | T | V | W | TERM | NO_COLOR | SUITE | FLAVOUR | KERNEL_SUITE | SOURCE_DATE_EPOCH | RUSTFLAGS | \
			RUST_BACKTRACE | RUST_LOG | RUST_TEST_* | PROPTEST_* | GROUPS_* | CARGO_* | *_proxy | *_PROXY)
			printf '%s=%s\0' "$name" "${!name}"
			;;
		esac
	done
}

is_loaded() { [ -e /sys/module/groups ]; }

# Somebody listens where udevadm speaks to.
udev_runs() { [[ $(</proc/net/unix) == *' /run/udev/control'* ]]; }

# module_release FILE: the kernel that a module was built for
module_release() { grep -aom1 'vermagic=[^ ]*' "$1" | cut -d= -f2; }

# compiler_of KDIR: what make has to be told to build with the compiler that
# built that kernel
compiler_of() { ! grep -q '^CONFIG_CC_IS_CLANG=y' "$1/include/config/auto.conf" || echo LLVM=1; }

# need_command COMMAND PACKAGE
need_command() { command -v "$1" >/dev/null || die "$1 is missing: install the package $2"; }
