#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the tests: those of the plain logic in the build root, those of the loaded
# module in a VM, which is booted once for all of them; those that leave a machine
# as no other test can use it, and those of the library and groupctl, in VMs of
# their own; in another one what a message costs (bench/run.sh --gate); then those
# of the module again on the debug kernel, and the tests of that.
#
#   tests/run.sh           all of them; usually 25 minutes, without KVM
#   tests/run.sh NAME...   those whose names contain one of these, on the stock
#                          kernel; the VM is booted only if it has such a test
#   tests/run.sh --debug [NAME...]
#                          on the debug kernel alone, all or some of the module's
#   tests/run.sh --list    their names
#   tests/run.sh --replay SEED|FILE
#                          runs one of the random programs once more, in a VM, and
#                          shows each call beside what the model says
#
# The last line says how many passed and failed. Logs stay in tests/target/log.
#
# Environment, beside that of scripts/root.sh:
#   GROUPS_TEST_PATIENCE   multiplies the time limits of the tests in the VM
#   GROUPS_TEST_SCALE      divides how often the tests of the module do what they do
#                          very often; 10 on the debug kernel
#   GROUPS_TEST_SOAK_SECONDS  has them go on for so long at least
#   GROUPS_TEST_LOADS      how often the module is loaded and unloaded while programs
#                          use it; 100 by default
#   GROUPS_VM_OPTIONS      more options for scripts/vm.sh (--kernel, --append …)

set -euo pipefail

TESTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
CLONE=$(dirname -- "$TESTS")
LOGS=$TESTS/target/log
VM=$TESTS/target/release/vm


# shellcheck source=scripts/lib.sh
source "$CLONE/scripts/lib.sh"

usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# ------------------------------------------------------ what runs in the build root

# Builds everything that the tests need. What was built for another kernel is
# kept apart.
inside_build() {
	local kdir release kmod
	kdir=$(realpath /lib/modules/*/build)
	release=$(<"$kdir/include/config/kernel.release")
	cd "$TESTS"
	cargo test --quiet --locked --package fuzz --package host --package model --no-run
	cargo build --quiet --locked --release --package vm
	make --silent --directory programs OUT="$TESTS/target/programs"
	"$CLONE/lgroups/tests/build.sh"
	(cd "$CLONE/bench" && cargo build --quiet --locked --release && cargo test --quiet --locked --release --no-run)
	kmod=$TESTS/target/kmod/$release
	module "$kdir" kmod "$kmod"
	! grep -q '^CONFIG_KASAN=y' "$kdir/include/config/auto.conf" || module "$kdir" planted "$TESTS/target/planted"
}

# module KDIR FOLDER OUT: builds a module for tests, in silence
module() {
	local compiler
	mkdir -p "$3"
	compiler=$(compiler_of "$1")
	make --silent --directory "$1" ${compiler:+"$compiler"} LOCALVERSION= M="$TESTS/$2" MO="$3" modules >"$3/log" 2>&1 ||
		{ cat "$3/log" >&2; exit 1; }
}

# The names of the tests that any of the arguments is a part of.
inside_list() {
	local name
	cd "$TESTS"
	cargo test --quiet --locked --package fuzz --package host --package model -- --list |
		sed -n 's/: test$//p' | matching "$@" | sed 's/^/host /'
	(cd "$CLONE/lgroups" && cargo test --quiet --locked --workspace --all-features -- --list) |
		sed -n 's/: test$//p' | sort -u | matching "$@" | sed 's/^/lib-host /'
	(cd "$CLONE/bench" && cargo test --quiet --locked --release -- --list) |
		sed -n 's/: test$//p' | matching "$@" | sed 's/^/bench-host /'
	"$VM" --list | matching "$@" | sed 's/^/vm /'
	"$VM" --debug --list | matching "$@" | sed 's/^/debug /'
	"$VM" --alone --list | matching "$@" | sed 's/^/alone /'
	"$VM" --suspend --list | matching "$@" | sed 's/^/suspend /'
	"$CLONE/bench/target/release/bench" gate-name | matching "$@" | sed 's/^/gate /'
	"$CLONE/lgroups/tests/vm.sh" --list | sed 's/^/lgroups:/' | matching "$@" | sed 's/^/lib /'
}

matching() {
	local patterns=() name
	for name in "$@"; do patterns+=(-e "$name"); done
	if [ $# -gt 0 ]; then grep -F "${patterns[@]}" || true; else cat; fi
}

inside_host() {
	cd "$TESTS"
	exec cargo test --quiet --locked --package fuzz --package host --package model -- --exact "$@"
}

# Those that need the module are marked as ignored, and run in the VM.
inside_lib_host() {
	cd "$CLONE/lgroups"
	exec cargo test --quiet --locked --workspace --all-features
}

inside_bench_host() {
	cd "$CLONE/bench"
	exec cargo test --quiet --locked --release -- --exact "$@"
}

DEBUG_ONLY=
case ${1:-} in
--debug)
	DEBUG_ONLY=1
	export FLAVOUR=debug
	shift
	;;
--inside) "inside_$2" "${@:3}"; exit ;;
--list | '') ;;
--replay) [ -n "${2:-}" ] || die "--replay what? The seed of a random program, or a file that has one" ;;
-h | --help) usage; exit ;;
-*) usage >&2; die "unknown option: $1" ;;
esac

# ------------------------------------------------------------------- and what starts it

in_root() { "$CLONE/scripts/root.sh" -- "$TESTS/run.sh" --inside "$@"; }

"$CLONE/scripts/root.sh"
mkdir -p "$LOGS"
say "building the tests (a minute the first time, then a few seconds)"
in_root build || die "the tests do not build"

if [ "${1:-}" = --list ]; then
	in_root list | sed 's/^[a-z-]* //' | awk '!seen[$0]++'
	exit
fi

if [ "${1:-}" = --replay ]; then
	what=$2 options=()
	[ ! -e "$what" ] || what=$(realpath -- "$what") options=(--share "$(dirname -- "$what")")
	exec "$CLONE/scripts/vm.sh" "${options[@]}" -- "$VM" --replay "$what"
fi

in_root list "$@" >"$LOGS/wanted"
mapfile -t host < <(sed -n 's/^host //p' "$LOGS/wanted")
mapfile -t vm < <(sed -n 's/^vm //p' "$LOGS/wanted")
mapfile -t debug < <(sed -n 's/^debug //p' "$LOGS/wanted")
mapfile -t alone < <(sed -n 's/^alone //p' "$LOGS/wanted")
mapfile -t suspend < <(sed -n 's/^suspend //p' "$LOGS/wanted")
mapfile -t lib_host < <(sed -n 's/^lib-host //p' "$LOGS/wanted")
mapfile -t bench_host < <(sed -n 's/^bench-host //p' "$LOGS/wanted")
mapfile -t gate < <(sed -n 's/^gate //p' "$LOGS/wanted")
mapfile -t lib < <(sed -n 's/^lib lgroups://p' "$LOGS/wanted")
[ -s "$LOGS/wanted" ] || die "there is no test with such a name; tests/run.sh --list prints them all"

passed=0 failed=0 skipped=0 failures=()

# fails NAME: counts it, and names it at the end
WHERE=
fails() {
	failed=$((failed + 1))
	failures+=("$WHERE$1")
}

# The sum of the numbers in front of a word in cargo's closing lines.
result_of() { sed -n "s/^test result: .* \([0-9]*\) $1;.*/\1/p" "$2" | awk '{ sum += $1 } END { print sum + 0 }'; }

# run_host WHAT COMMAND...: runs cargo's tests in the build root, and counts.
run_host() {
	local what=$1 rc=0 name log=$LOGS/$2 before=$failed
	shift
	in_root "$@" >"$log" 2>&1 || rc=$?
	if ! grep -q '^test result: ' "$log"; then
		cat "$log"
		fails "$what did not run"
		return
	fi
	passed=$((passed + $(result_of passed "$log")))
	[ "$rc" -ne 0 ] || return 0
	cat "$log"
	# Their names stand indented below the second "failures:".
	while read -r name; do fails "$name"; done < <(sed -n '/^failures:$/,$s/^    \([^ ]*\)$/\1/p' "$log" | sort -u)
	[ "$failed" -gt "$before" ] || fails "$what ended with $rc"
}

# run_guest WHAT LOG ARGUMENTS...: has scripts/vm.sh run what prints TAP, and
# counts. The plans say how many there have to be.
run_guest() {
	local what=$1 log=$2 options=()
	shift 2
	read -ra options <<<"${GROUPS_VM_OPTIONS:-}"
	run_tap "$what" "$log" "$CLONE/scripts/vm.sh" "${options[@]}" "$@"
}

# run_tap WHAT LOG COMMAND...: runs what boots a guest and prints TAP, and counts.
run_tap() {
	local what=$1 log=$LOGS/$2 rc=0 line name plan ran
	shift 2
	[ -e "$CLONE/groups.ko" ] || "$CLONE/scripts/build.sh" --root
	"$@" | tee "$log" || rc=$?
	while read -r line; do
		name=${line#*ok * - }
		case $line in
		'ok '*' # SKIP'*) skipped=$((skipped + 1)) ;;
		'ok '*) passed=$((passed + 1)) ;;
		'not ok '*) fails "${name%% \#*}" ;;
		esac
	done < <(tr -d '\r' <"$log")
	ran=$(grep -cE '^(not )?ok ' "$log" || true)
	plan=$(sed -n 's/^1\.\.\([0-9]*\)\r*$/\1/p' "$log" | awk '{ sum += $1 } END { print sum }')
	if [ "$ran" -eq 0 ] || [ "$ran" -ne "${plan:-0}" ]; then
		fails "$what: the VM ended after $ran of ${plan:-an unknown number of} tests"
	elif [ "$rc" -ne 0 ] && ! grep -q '^not ok ' "$log"; then
		fails "$what: the VM run ended with $rc although its tests passed (the kernel's log?)"
	fi
}

# On the debug kernel. The clone's groups.ko is as before when this is done.
run_debug() {
	local program=("$VM" --debug --exact "${debug[@]}")
	export FLAVOUR=debug
	export GROUPS_TEST_PATIENCE=$((${GROUPS_TEST_PATIENCE:-1} * 8)) GROUPS_TEST_SCALE=${GROUPS_TEST_SCALE:-10}
	WHERE="on the debug kernel: "
	"$CLONE/scripts/root.sh"
	[ ! -e "$CLONE/groups.ko" ] || { cp "$CLONE/groups.ko" "$CLONE/groups.ko.before"; trap 'mv "$CLONE/groups.ko.before" "$CLONE/groups.ko"' EXIT; }
	"$CLONE/scripts/build.sh" --root
	[ -n "$DEBUG_ONLY" ] || in_root build || die "the tests do not build for the debug kernel"
	say "booting the debug kernel for ${#debug[@]} tests of the module (10 minutes for all of them, without KVM)"
	if [ $# -eq 0 ]; then
		run_guest "the module's tests" debug -- "$TESTS/debug/guest.sh" "${program[@]}"
		say "booting the debug kernel with planted bugs (2 minutes, without KVM)"
		run_tap "the planted bugs" planted "$TESTS/debug/planted.sh" "$LOGS/planted.kernel"
	else
		run_guest "the module's tests" debug -- "${program[@]}"
	fi
}

if [ -n "$DEBUG_ONLY" ]; then
	[ ${#debug[@]} -gt 0 ] || die "no test of the module has such a name; tests/run.sh --list prints them all"
	vm=() host=() alone=() suspend=() lib_host=() bench_host=() gate=() lib=()
elif [ $# -gt 0 ]; then
	# Those of one name run on the stock kernel if they can.
	mapfile -t debug < <(printf '%s\n' "${vm[@]}" | grep -vxF -f - <(printf '%s\n' "${debug[@]}") | grep .)
fi
if [ ${#host[@]} -gt 0 ]; then
	say "running ${#host[@]} tests of the plain logic (a few seconds)"
	run_host "the tests of the plain logic" host "${host[@]}"
fi
if [ ${#lib_host[@]} -gt 0 ]; then
	say "running the library's tests that need no module (a few seconds)"
	run_host "the library's tests" lib_host
fi
if [ ${#bench_host[@]} -gt 0 ]; then
	say "running ${#bench_host[@]} tests of the benchmark (a few seconds)"
	run_host "the benchmark's tests" bench_host "${bench_host[@]}"
fi
if [ ${#vm[@]} -gt 0 ]; then
	say "booting a VM for ${#vm[@]} tests of the module (5 minutes for all of them, without KVM)"
	run_guest "the module's tests" vm -- "$VM" --exact "${vm[@]}"
fi
if [ ${#alone[@]} -gt 0 ]; then
	say "booting a VM for ${#alone[@]} tests that no other can run behind (5 minutes for all of them, without KVM)"
	run_guest "the tests that need a guest for themselves" alone --no-load --append log_buf_len=4M -- "$VM" --alone --exact "${alone[@]}"
fi
if [ ${#suspend[@]} -gt 0 ]; then
	say "booting a VM that can be suspended (half a minute, without KVM)"
	run_tap "suspending" suspend "$TESTS/suspend.sh" "${suspend[@]}"
fi
if [ ${#lib[@]} -gt 0 ]; then
	say "booting a VM for ${#lib[@]} suites of the library and groupctl (5 minutes for all of them, without KVM)"
	run_guest "the library's tests" lib --no-load -- "$CLONE/lgroups/tests/vm.sh" "${lib[@]}"
fi
if [ ${#gate[@]} -gt 0 ]; then
	say "counting what a message costs, in a VM of its own (a minute)"
	run_tap "the gate" gate "$CLONE/bench/run.sh" --gate
fi

if [ ${#debug[@]} -gt 0 ]; then run_debug "$@"; fi

if [ ${#vm[@]} -gt 20 ]; then
	echo "The slowest:"
	sed -n 's/^ok [0-9]* - \(.*\) # \([0-9.]*\) s\r*$/\2 s  \1/p' "$LOGS/vm" | sort -rn | awk "NR <= 5" | sed 's/^/  /'
fi
if [ "$failed" -gt 0 ]; then
	echo "Failed:"
	printf '  %s\n' "${failures[@]}"
fi
summary="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || summary+=", $skipped skipped"
echo "$summary"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
