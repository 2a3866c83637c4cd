#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the tests: those of the plain logic in the build root, and those of the
# loaded module in a VM, which is booted once for all of them.
#
#   tests/run.sh           all of them; usually 4 minutes, without KVM
#   tests/run.sh NAME...   those whose names contain one of these; the VM is
#                          booted only if it has such a test
#   tests/run.sh --list    their names
#
# The last line says how many passed and failed. Logs stay in tests/target/log.
#
# Environment, beside that of scripts/root.sh:
#   GROUPS_TEST_PATIENCE   multiplies the time limits of the tests in the VM
#   GROUPS_VM_OPTIONS      more options for scripts/vm.sh (--kernel, --append …)

set -euo pipefail

TESTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
CLONE=$(dirname -- "$TESTS")
LOGS=$TESTS/target/log
VM=$TESTS/target/release/vm

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "error: $*"; exit 1; }
usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# ------------------------------------------------------ what runs in the build root

# Builds everything that the tests need. What was built for another kernel is
# kept apart.
inside_build() {
	local kdir release kmod
	kdir=$(realpath /lib/modules/*/build)
	release=$(<"$kdir/include/config/kernel.release")
	cd "$TESTS"
	cargo test --quiet --locked --package host --no-run
	cargo build --quiet --locked --release --package vm --package pair
	make --silent --directory programs OUT="$TESTS/target/programs"
	kmod=$TESTS/target/kmod/$release
	mkdir -p "$kmod"
	make --silent --directory "$kdir" LOCALVERSION= M="$TESTS/kmod" MO="$kmod" modules >"$kmod/log" 2>&1 ||
		{ cat "$kmod/log" >&2; exit 1; }
}

# The names of the tests that any of the arguments is a part of.
inside_list() {
	local name
	cd "$TESTS"
	cargo test --quiet --locked --package host -- --list |
		sed -n 's/: test$//p' | matching "$@" | sed 's/^/host /'
	"$VM" --list | matching "$@" | sed 's/^/vm /'
}

matching() {
	local patterns=() name
	for name in "$@"; do patterns+=(-e "$name"); done
	if [ $# -gt 0 ]; then grep -F "${patterns[@]}" || true; else cat; fi
}

inside_host() {
	cd "$TESTS"
	exec cargo test --quiet --locked --package host -- --exact "$@"
}

case ${1:-} in
--inside) "inside_$2" "${@:3}"; exit ;;
--list | '') ;;
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
	in_root list | cut -d' ' -f2
	exit
fi

in_root list "$@" >"$LOGS/wanted"
mapfile -t host < <(sed -n 's/^host //p' "$LOGS/wanted")
mapfile -t vm < <(sed -n 's/^vm //p' "$LOGS/wanted")
[ $((${#host[@]} + ${#vm[@]})) -gt 0 ] || die "there is no test with such a name; tests/run.sh --list prints them all"

passed=0 failed=0 skipped=0 failures=()

# fails NAME: counts it, and names it at the end
fails() {
	failed=$((failed + 1))
	failures+=("$1")
}

# The number in front of a word in cargo's closing line.
result_of() { sed -n "s/^test result: .* \([0-9]*\) $1;.*/\1/p" "$LOGS/host" | tail -n 1; }

run_host() {
	local rc=0 name
	say "running ${#host[@]} tests of the plain logic (a few seconds)"
	in_root host "${host[@]}" >"$LOGS/host" 2>&1 || rc=$?
	if ! grep -q '^test result: ' "$LOGS/host"; then
		cat "$LOGS/host"
		fails "the tests of the plain logic did not run"
		return
	fi
	passed=$((passed + $(result_of passed)))
	skipped=$((skipped + $(result_of ignored)))
	[ "$rc" -ne 0 ] || return 0
	cat "$LOGS/host"
	# Their names stand indented below the second "failures:".
	while read -r name; do fails "$name"; done < <(sed -n '/^failures:$/,$s/^    \([^ ]*\)$/\1/p' "$LOGS/host" | sort -u)
	[ ${#failures[@]} -gt 0 ] || fails "the tests of the plain logic ended with $rc"
}

run_vm() {
	local rc=0 line name options=()
	[ -e "$CLONE/groups.ko" ] || "$CLONE/scripts/build.sh" --root
	read -ra options <<<"${GROUPS_VM_OPTIONS:-}"
	say "booting a VM for ${#vm[@]} tests of the module (3 minutes for all of them, without KVM)"
	"$CLONE/scripts/vm.sh" "${options[@]}" -- "$VM" --exact "${vm[@]}" | tee "$LOGS/vm" || rc=$?
	while read -r line; do
		name=${line#*ok * - }
		case $line in
		'ok '*' # SKIP'*) skipped=$((skipped + 1)) ;;
		'ok '*) passed=$((passed + 1)) ;;
		'not ok '*) fails "${name%% \#*}" ;;
		esac
	done < <(tr -d '\r' <"$LOGS/vm")
	local ran
	ran=$(grep -cE '^(not )?ok ' "$LOGS/vm" || true)
	if [ "$ran" -ne ${#vm[@]} ]; then
		fails "the VM ended after $ran of ${#vm[@]} tests"
	elif [ "$rc" -ne 0 ] && ! grep -q '^not ok ' "$LOGS/vm"; then
		fails "the VM run ended with $rc although its tests passed (the kernel's log?)"
	fi
}

[ ${#host[@]} -eq 0 ] || run_host
[ ${#vm[@]} -eq 0 ] || run_vm

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
