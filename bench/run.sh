#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The benchmark: groups beside what the kernel has otherwise.
#
#   bench/run.sh            measures all of it, and brings docs/performance.md, its
#                           pictures, and the README's table up to date
#   bench/run.sh --quick    the same in two minutes, to see that it works: the
#                           results go to bench/target/quick, and nowhere else
#   bench/run.sh --docs     measures nothing: the pages anew, from the results in
#                           docs/performance
#   bench/run.sh --record   puts on record what a message costs with this kernel
#                           and this compiler (bench/instructions.json)
#   bench/run.sh --gate     fails if it costs noticeably more than is on record;
#                           a test of tests/run.sh
#
# Where the module is loaded, that machine is measured; it is to have nothing else
# to do, and gets as many groups as the module makes. Everywhere else guests are
# booted: for what is counted in instructions, one with one processor under
# icount, and another one so that what the first leaves behind is in nobody's
# way; for what takes time, one with two processors.
# GROUPS_BENCH_WHERE=here or guest says otherwise.

set -euo pipefail

# shellcheck source=scripts/lib.sh
source "${BASH_SOURCE[0]%/*}/../scripts/lib.sh"

BENCH=$CLONE/bench
PROGRAM=$BENCH/target/release/bench
DOCS=$CLONE/docs/performance
RECORD=$BENCH/instructions.json

usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

in_root() { "$CLONE/scripts/root.sh" -- "$@"; }

build() {
	say "building the benchmark (a few minutes the first time)"
	in_root env --chdir="$BENCH" cargo build --quiet --locked --release
}

where_to() { if [ -e /sys/module/groups ]; then echo here; else echo guest; fi; }

# What a guest cannot know: whose processor that is, and how wide the terminal.
say_host() {
	GROUPS_BENCH_PROCESSOR=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
	GROUPS_BENCH_PROCESSORS=$(nproc)
	GROUPS_BENCH_COLUMNS=$(tput cols 2>/dev/null || echo 80)
	export GROUPS_BENCH_PROCESSOR GROUPS_BENCH_PROCESSORS GROUPS_BENCH_COLUMNS
}

# in_guest OPTIONS... -- ARGUMENTS...: udev has done its part when the module is
# loaded; what it does for each new group would be counted with the rest.
in_guest() {
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	# shellcheck disable=SC2016
	"$CLONE/scripts/vm.sh" "${options[@]}" -- sh -c 'udevadm control --exit 2>/dev/null; exec "$@"' sh "$PROGRAM" "$@"
}

measure_guest() {
	local out=$1 timed=many,ping-pong,wake-up,delay options=(--append idle=poll)
	shift
	# Without KVM, what a pair takes is the emulator's time; and to wake a processor
	# that has halted takes the host several times what is to be measured, so there
	# they wait for work without halting.
	! grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo || timed=pair,$timed options=()
	say "pair, in a guest that counts instructions"
	in_guest --icount -- measure --icount --modes pair --out "$out/1-pair.json" "$@"
	say "growth, in a guest that counts instructions"
	in_guest --icount --memory 3G -- measure --icount --modes install,growth,delayed,ping-pong,wake-up --out "$out/2-counted.json" "$@"
	say "what takes time, in a guest with 2 processors"
	in_guest "${options[@]}" -- measure --modes "$timed" --out "$out/3-timed.json" "$@"
}

measure_here() {
	local out=$1
	shift
	need_root "it raises the limits of the kernel's queues"
	say "this machine: the module is loaded here"
	"$PROGRAM" measure --modes install,pair,many,ping-pong,wake-up,delay,growth,delayed --out "$out/1-here.json" "$@"
}

# measure OUT ARGUMENTS...: results, one or more files in OUT
measure() {
	local out=$1 options=(--progress lines) began=$SECONDS
	shift
	[ ! -t 2 ] || options=(--progress bar)
	rm -rf "$out"
	mkdir -p "$out"
	say_host
	"measure_${GROUPS_BENCH_WHERE:-$(where_to)}" "$out" "${options[@]}" "$@"
	say "measured in $(((SECONDS - began) / 60)) minutes"
}

# What it says goes through a file: under icount a guest's time is up before its
# ports have been read.
gate() {
	local out=$BENCH/target/gate
	mkdir -p "$out"
	say_host
	in_guest --icount -- measure --icount --modes pair --out "$out/pair.json" >&2
	in_root "$PROGRAM" gate --record "$RECORD" "$@" "$out/pair.json"
}

report() { in_root env --chdir="$CLONE" "$PROGRAM" report "$@"; }

pages=(--page docs/performance.md --page README.md)
case ${1:-} in
'')
	build
	measure "$BENCH/target/measured"
	report --out "$DOCS" "${pages[@]}" "$BENCH"/target/measured/*.json
	say "docs/performance.md, its pictures and the README's table are up to date"
	;;
--quick)
	build
	measure "$BENCH/target/quick/measured" --quick
	report --out "$BENCH/target/quick" "$BENCH"/target/quick/measured/*.json
	say "$BENCH/target/quick has the results and the pictures"
	;;
--docs)
	build
	report --out "$DOCS" "${pages[@]}" "$DOCS/results.json"
	;;
--gate) gate ;;
--record)
	build
	gate --write
	;;
-h | --help) usage ;;
*) usage >&2; die "unknown argument: $1" ;;
esac
