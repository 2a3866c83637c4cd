#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds what tests/vm.sh runs: in the build root (scripts/root.sh -- …), before
# the VM is booted.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

make --silent all
make --silent --directory tests/c
# The tests in Rust that need the module, each a program; by name.
cargo test --quiet --locked --profile vm --workspace --all-features --no-run --message-format=json |
	sed -n 's/.*"kind":\["test"\].*"name":"\([^"]*\)".*"executable":"\([^"]*\)".*/\1 \2/p' >target/tests.new
mv target/tests.new target/tests
[ -s target/tests ]

# The shared library has the functions of its header, and no other ones.
diff <(nm --dynamic --defined-only target/release/liblgroups.so | cut -d' ' -f3 | sort) \
	<(sed -n 's/^[a-z].*[ *]\([a-z_]*\)(.*);$/\1/p' ../include/lgroups.h | sort)
