#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the library and groupctl: with this machine's cargo if that is new
# enough, and else in the build root.

set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$CLONE/lgroups/Cargo.toml")
have=$(cargo --version 2>/dev/null | cut -d' ' -f2) || have=0

say "building the library and groupctl (a minute the first time)"
if [ "$(printf '%s\n' "$wanted" "$have" | sort -V | head -n 1)" = "$wanted" ]; then
	make -s -C "$CLONE/lgroups"
else
	"$CLONE/scripts/root.sh"
	"$CLONE/scripts/root.sh" -- make -s -C "$CLONE/lgroups"
fi
