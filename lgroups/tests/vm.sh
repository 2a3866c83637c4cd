#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests the library and groupctl with the module, as root in a guest, and prints
# TAP. tests/build.sh has to be run before, outside.
#
#   scripts/vm.sh --no-load -- lgroups/tests/vm.sh [TEXT]...
#
# With TEXTs, only the suites whose names contain one of them; --list prints the
# names.
# It loads and unloads the module itself, and leaves it loaded if it was.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
SCRIPTS=$PWD/../scripts
C=$PWD/target/c
LOG=$(mktemp)
WANTED=("$@")
number=0 failed=0
was_loaded=
export MAX_GROUPS=64
[ ! -e /sys/module/groups ] || was_loaded=1

if [ "${1:-}" = --list ]; then
	printf '%s\n' unloaded/c unloaded/rust unloaded/groupctl rust/device rust/async rust/groupctl
	for program in "$C"/unit_tests-*; do echo "c/${program##*/unit_tests-}"; done
	printf '%s\n' valgrind install
	exit
fi

unload() { [ ! -e /sys/module/groups ] || "$SCRIPTS/remove.sh" >&2; }

# Fresh, and with few groups, so that all of them can be made.
load() {
	unload
	"$SCRIPTS/install.sh" max_groups="$MAX_GROUPS" >&2
}

wanted() {
	local text
	[ ${#WANTED[@]} -gt 0 ] || return 0
	for text in "${WANTED[@]}"; do [[ $1 != *"$text"* ]] || return 0; done
	return 1
}

# result OK NAME
result() {
	number=$((number + 1))
	[ "$1" = ok ] || failed=$((failed + 1))
	echo "$1 $number - $2"
}

# suite NAME COMMAND...: its results, be they in TAP or as cargo's tests have
# them, become ours. What it says otherwise is shown if it fails.
suite() {
	local name=$1 rc=0 line bad=$failed before=$number start=$SECONDS
	shift
	wanted "$name" || return 0
	"$@" >"$LOG" 2>&1 </dev/null || rc=$?
	while IFS= read -r line; do
		case $line in
		'ok '*' - '*) result ok "$name: ${line#* - }" ;;
		'not ok '*' - '*) result 'not ok' "$name: ${line#* - }" ;;
		'test '*' ... ok') line=${line#test } && result ok "$name: ${line% ... ok}" ;;
		'test '*' ... FAILED') line=${line#test } && result 'not ok' "$name: ${line% ... FAILED}" ;;
		esac
	done <"$LOG"
	[ "$number" -gt "$before" ] || { result 'not ok' "$name: ran no test"; }
	[ "$rc" -eq 0 ] || [ "$failed" -gt "$bad" ] || result 'not ok' "$name: ended with $rc"
	[ "$failed" -eq "$bad" ] || sed 's/^/# /' "$LOG"
	echo "# $name: $((SECONDS - start)) s"
}

# The tests in Rust, one at a time: some look at the clock.
rust() {
	local name=$1 program
	program=$(sed -n "s/^$name //p" target/tests)
	shift
	"$program" --ignored --test-threads=1 "$@"
}

valgrind_tests() {
	export VALGRIND=1 STRESS_SECONDS=1
	# Every process of it is looked at: a test that is not clean ends with 99.
	valgrind --quiet --leak-check=full --show-leak-kinds=definite,indirect,possible \
		--errors-for-leak-kinds=definite,indirect,possible --error-exitcode=99 \
		--fair-sched=yes "$C/unit_tests-gcc-c99"
}

echo "TAP version 14"
unload
suite unloaded/c "$C/not_loaded"
suite unloaded/rust rust device --exact without_the_module
suite unloaded/groupctl rust groupctl --exact without_the_module

load
suite rust/device rust device --skip without_the_module --skip max_install
suite rust/async rust async
suite rust/groupctl rust groupctl --skip without_the_module --skip without_a_free_number
suite rust/device rust device --exact max_install
suite rust/groupctl rust groupctl --exact without_a_free_number
for program in "$C"/unit_tests-*; do
	name=c/${program##*/unit_tests-}
	wanted "$name" || continue
	load
	suite "$name" "$program"
done
if wanted valgrind; then
	load
	suite valgrind valgrind_tests
fi
if wanted install; then
	load
	suite install tests/install.sh
fi

unload
[ -z "$was_loaded" ] || "$SCRIPTS/install.sh" >&2
rm -f "$LOG"
echo "1..$number"
echo "# $number tests, $failed failed"
[ "$failed" -eq 0 ] && [ "$number" -gt 0 ]
