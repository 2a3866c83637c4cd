#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests the debug kernel itself, and what reads its reports: a module that has a
# bug of each class is loaded into it (tests/planted), and each has to make the
# very check fail that the other runs go through. Prints TAP. The module has to
# be built before.
#
#   FLAVOUR=debug tests/debug/planted.sh [LOG]

set -euo pipefail

DEBUG=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
CLONE=${DEBUG%/tests/debug}
WORK=$CLONE/tests/target/log/planted.d
LOG=${1:-$WORK/log}
number=0 failed=0

# The module's number for it, its name, what the kernel calls it, and who finds
# it. The order matters: lockdep is off after its first report, and KASAN's turns
# it off too.
BUGS=(
	"1:sleep|sleeping function called from invalid context|a planted sleep under a spinlock is caught (DEBUG_ATOMIC_SLEEP)"
	"3:timer|ODEBUG: free active.*hrtimer|a planted timer that survives unloading is caught (DEBUG_OBJECTS)"
	"2:inversion|possible circular locking dependency detected|a planted lock inversion is caught (lockdep)"
	"4:use-after-free|KASAN: slab-use-after-free in .*planted|a planted use after free is caught (KASAN)"
	"5:leak|suspected memory leaks|a planted leak is caught (kmemleak)"
)

# result RC NAME
result() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number - $2"
	else
		failed=$((failed + 1))
		echo "not ok $number - $2"
		[ -z "${3:-}" ] || sed 's/^/# /' "$3"
	fi
}

# during NAME: what the kernel said while that was planted
during() { sed -n "/planted: begin $1\$/,/planted: end $1\$/p" "$LOG" | grep -v 'planted: \(begin\|end\)' || true; }

# complains NAME WORDS: the check that all runs go through finds WORDS
complains() {
	local part=$WORK/$1
	# An empty file would be an error of another kind.
	{ echo "(from $LOG)"; during "$1"; } >"$part.log"
	! "$CLONE/scripts/check-log.sh" "$part.log" >"$part.check" 2>&1 && grep -qE -- "$2" "$part.check"
}

mkdir -p "$WORK"
module=$CLONE/tests/target/planted/planted.ko
echo "TAP version 14"
echo "1..$((${#BUGS[@]} + 2))"

rc=0
"$CLONE/scripts/vm.sh" --no-load --log "$LOG" -- "$DEBUG/planted-guest.sh" "$module" 0:nothing "${BUGS[@]%%|*}" \
	>"$WORK/out" 2>"$WORK/err" </dev/null || rc=$?
ended=0
grep -q 'planted: end leak$' "$LOG" || ended=1

{ echo "(from $LOG)"; during nothing; } >"$WORK/nothing.log"
ok=0
[ "$ended" -eq 0 ] && "$CLONE/scripts/check-log.sh" "$WORK/nothing.log" >"$WORK/nothing.check" 2>&1 || ok=1
result "$ok" "a module without a bug is no complaint" "$WORK/nothing.log"
for bug in "${BUGS[@]}"; do
	IFS='|' read -r name words title <<<"$bug"
	name=${name#*:}
	ok=0
	complains "$name" "$words" || ok=1
	# The scan that follows all tests has to say so as well, and from where.
	if [ "$name" = leak ]; then
		grep -q '^not empty$' "$WORK/out" && grep -q 'unreferenced object' "$WORK/out" && grep -q '\[planted\]' "$WORK/out" || ok=1
		cat "$WORK/out" >>"$WORK/leak.log"
	fi
	result "$ok" "$title" "$WORK/$name.log"
done
# scripts/vm.sh has read the log of the whole run, as it does after every run.
ok=0
[ "$rc" -ne 0 ] && grep -q 'the kernel complained' "$WORK/err" || ok=1
result "$ok" "a run in which the kernel complains fails" "$WORK/err"
[ "$failed" -eq 0 ]
