#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Reads a kernel's log and fails if the kernel complains in it, about anything:
#
#   scripts/check-log.sh [--allow REGEX]... FILE
#
# Lines that match an allowed REGEX (egrep) are no complaint. Nothing else is
# excused: a stall that only a slow host may have caused is for a person to see.

set -euo pipefail

# shellcheck source=scripts/lib.sh
source "${BASH_SOURCE[0]%/*}/lib.sh"

COMPLAINTS=(
	'\bBUG\b' 'WARNING:' 'Oops' 'Kernel panic' 'Call Trace:' 'general protection fault' 'Unable to handle kernel'
	'scheduling while atomic' 'sleeping function called' 'unwind stack'
	'possible (recursive|circular) locking' 'possible irq lock inversion' 'inconsistent lock state'
	'lock held when returning' 'lock held at task exit' 'bad unlock balance' 'suspicious RCU usage'
	'turning off the locking correctness validator' 'MAX_LOCK(DEP|ING)_[A-Z_]* too low'
	'KASAN:' 'UBSAN:' 'KCSAN:' 'KFENCE:' 'KMSAN:' 'ODEBUG:' 'DEBUG_LOCKS_WARN'
	'blocked for more than' 'soft lockup' 'hard LOCKUP' 'detected.* stall' 'kthread starved'
	'refcount_t:' 'list_(add|del) corruption' 'Bad page state' 'bad page map' 'Objects remaining'
	'page allocation failure' 'vmalloc error' 'suspected memory leaks' 'unreferenced object'
	'rust_kernel: panicked' 'usercopy: Kernel memory' 'stack-protector' 'double fault' 'INFO: task'
	'invoked oom-killer' 'Disabling lock debugging' 'nobody cared'
)

allow=()
while [ "${1:-}" = --allow ]; do
	allow+=(-e "$2")
	shift 2
done
[ -s "${1:?a file, please}" ] || die "$1: there is no kernel log to read"

pattern=$(IFS='|'; echo "${COMPLAINTS[*]}")
# The command line names some of these as options.
found=$(grep -nE "$pattern" "$1" | grep -viE '^[0-9]+:[^]]*\] (Kernel )?command line: ' | { if [ "${#allow[@]}" -gt 0 ]; then grep -vE "${allow[@]}"; else cat; fi; } || true)
[ -z "$found" ] && exit 0
say "error: the kernel complained; $1 has it all:"
head -n 20 <<<"$found" | sed 's/^/    /' >&2
exit 1
