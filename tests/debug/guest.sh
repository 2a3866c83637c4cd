#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# All that runs in the guest of the debug kernel: the module's tests, the
# library's suites that are not slow for reasons of their own, and the search for
# what they have leaked, before and after unloading. Prints TAP, with a plan for
# each part.
#
#   scripts/vm.sh -- tests/debug/guest.sh PROGRAM [ARGUMENT]...
#
# PROGRAM is tests/vm's.

set -euo pipefail

DEBUG=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
CLONE=${DEBUG%/tests/debug}
failed=0

# shellcheck source=tests/debug/kmemleak.sh
source "$DEBUG/kmemleak.sh"

# leaks_nothing NUMBER NAME
leaks_nothing() {
	local leaks line
	if leaks=$(kmemleak_is_empty 2>&1); then
		echo "ok $1 - $2"
	else
		failed=1
		echo "not ok $1 - $2"
		while IFS= read -r line; do echo "# $line"; done <<<"$leaks"
	fi
}

"$@" || failed=1
"$CLONE/lgroups/tests/vm.sh" c/gcc-c99 || failed=1

echo "1..2"
[ -e /sys/module/groups ] || "$CLONE/scripts/install.sh" >&2
leaks_nothing 1 "after all tests, nothing is leaked (kmemleak)"
"$CLONE/scripts/remove.sh" >&2
leaks_nothing 2 "after unloading, nothing is leaked (kmemleak)"
[ "$failed" -eq 0 ]
