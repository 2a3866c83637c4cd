#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Looks at the sources without running anything: format and lints. Runs in the
# build root, whose kernel's rules the module has to follow.
#
#   scripts/root.sh -- scripts/check.sh

set -euo pipefail

# shellcheck source=scripts/lib.sh
source "${BASH_SOURCE[0]%/*}/lib.sh"

[ -n "${GROUPS_ROOT:-}" ] || exec "$CLONE/scripts/root.sh" -- "$CLONE/scripts/check.sh"
cd "$CLONE"
kdir=$(realpath /lib/modules/*/build)
release=$(<"$kdir/include/config/kernel.release")
compiler=$(compiler_of "$kdir")
failed=()

# check NAME COMMAND...: all are tried, so that one run shows everything.
check() {
	local name=$1
	shift
	say "$name"
	"$@" || failed+=("$name")
}

module_format() { rustfmt --check --config-path "$kdir/.rustfmt.toml" groups.rs; }

# The kernel's own lints for its Rust code, and none may fire.
module_lints() {
	mkdir -p "build/clippy-$release"
	make -s -C "$kdir" -j"$(nproc)" ${compiler:+"$compiler"} LOCALVERSION= M="$CLONE" MO="$CLONE/build/clippy-$release" \
		CLIPPY=1 KRUSTFLAGS=-Dwarnings KCFLAGS=-Werror modules
}

workspace_format() { (cd "$1" && cargo fmt --all --check); }
workspace_lints() { (cd "$1" && cargo clippy --quiet --workspace --all-targets -- -D warnings); }

scripts() { find . \( -name target -o -name build -o -name .git \) -prune -o -type f \( -name '*.sh' -o -path ./.ci/run \) -print0 | xargs -0 shellcheck -x; }

check "rustfmt: the module" module_format
check "clippy: the module, with the kernel's lints" module_lints
check "rustfmt: tests/" workspace_format tests
check "clippy: tests/" workspace_lints tests
check "rustfmt: bench/" workspace_format bench
check "clippy: bench/" workspace_lints bench
check "the library: rustfmt, clippy, documentation, manual pages" make -s -C lgroups check
check "shellcheck" scripts

[ ${#failed[@]} -eq 0 ] || die "failed: $(printf '[%s] ' "${failed[@]}")"
say "all is well"
