#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs random programs against the module on the debug kernel, guided by what of
# the module's code they reach (KCOV):
#
#   tests/fuzz/run.sh [--seconds N] [--seed N]
#                     600 seconds by default; ends with what was reached, and TAP
#   tests/fuzz/run.sh --input FILE|FOLDER [--times N]
#                     runs these programs again, and says what each call returns
#   tests/fuzz/run.sh --show FILE...
#                     says what programs mean
#
#   --stock           on the stock kernel, where programs are not guided
#
# What is in tests/target/fuzz then: corpus/, the inputs that were found, with
# which the next run begins; minimised/, as few of them as reach the same, for
# tests/fuzz/corpus; coverage.txt, what was reached and what not; progress.txt;
# kernel.log; recent/, the programs that ran last; finding/, the same in order, if
# something was found.

set -euo pipefail

FUZZ=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
# shellcheck source=scripts/lib.sh
source "${FUZZ%/tests/fuzz}/scripts/lib.sh"
ME=fuzz
TESTS=$CLONE/tests
OUT=$TESTS/target/fuzz
PROGRAM=$TESTS/target/release/fuzz

usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

in_root() { "$CLONE/scripts/root.sh" -- "$@"; }

seconds=600 input='' stock='' show='' args=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) seconds=$2; shift ;;
	--seed | --times) args+=("$1" "$2"); shift ;;
	--input) input=$(realpath -e -- "$2"); shift ;;
	--stock) stock=1 ;;
	--show) show=1; shift; break ;;
	-h | --help) usage; exit ;;
	*) usage >&2; die "unknown argument: $1" ;;
	esac
	shift
done
case $seconds in '' | *[!0-9]*) die "SECONDS=$seconds: a number, please" ;; esac
case ${input:-$CLONE/} in "$CLONE"/*) ;; *) die "$input: it has to be in the clone, to be seen in the guest" ;; esac

if [ -z "$stock" ]; then
	export FLAVOUR=debug
	# It is slow.
	export GROUPS_TEST_PATIENCE=$((${GROUPS_TEST_PATIENCE:-1} * 4))
fi
"$CLONE/scripts/root.sh"
say "building the fuzzer (a minute the first time)"
in_root env --chdir="$TESTS" cargo build --quiet --locked --release --package fuzz
if [ -n "$show" ]; then
	in_root "$PROGRAM" --show "$@"
	exit
fi

# The clone's module is as before when this is done.
mkdir -p "$OUT"
module=$CLONE/groups.ko
if [ -e "$module" ]; then
	cp -p "$module" "$OUT/groups.ko.before"
	trap 'mv "$OUT/groups.ko.before" "$module"' EXIT
else
	trap 'rm -f "$module"' EXIT
fi
"$CLONE/scripts/build.sh" --root

if [ -n "$input" ]; then args+=(--input "$input"); else args+=(--seconds "$seconds"); fi
rm -rf "$OUT/finding" "$OUT/places.txt" "$OUT/progress.txt"
read -ra options <<<"${GROUPS_VM_OPTIONS:-}"
rc=0
# What is not done after twice the time will not be.
"$CLONE/scripts/vm.sh" "${options[@]}" --no-load --timeout $((2 * seconds + 900)) --log "$OUT/kernel.log" \
	-- "$PROGRAM" "${args[@]}" "$CLONE" || rc=$?

[ ! -e "$OUT/places.txt" ] || in_root "$PROGRAM" --report "$CLONE" || rc=$((rc ? rc : 1))
if [ "$rc" -ne 0 ] && [ ! -e "$OUT/finding" ] && [ -z "$input" ]; then
	# The guest has died: the programs are still there.
	last=$(grep -hs '^# program ' "$OUT"/recent/*.txt | sort -k3n | tail -n 1)
	[ -z "$last" ] || say "what ran last: $(grep -lxs -- "$last" "$OUT"/recent/*.txt) (${last#\# }); the others there ran before. To run it again, copy it: make fuzz INPUT=COPY"
fi
[ "$rc" -eq 0 ] || [ ! -e "$OUT/finding" ] || say "to run it again: make fuzz INPUT=tests/target/fuzz/finding, or one file of those"
exit "$rc"
