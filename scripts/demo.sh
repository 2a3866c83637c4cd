#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Shows what groups are by using them from the shell. Every command is printed
# before it runs, and its output is checked: if a step does not do what it says,
# the demo stops there. Runs as root, on a machine whose module is not loaded:
#
#   scripts/vm.sh --no-load -- scripts/demo.sh      (or: make demo)

set -euo pipefail

CLONE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$CLONE"

[ "$(id -u)" -eq 0 ] || { echo "demo.sh: it loads a kernel module, so only root may run it" >&2; exit 1; }
[ ! -e /sys/module/groups ] || { echo "demo.sh: the module is loaded already; scripts/remove.sh first" >&2; exit 1; }

BIN=$(mktemp -d)
trap 'rm -rf "$BIN"' EXIT
chmod 755 "$BIN"
PATH=$BIN:$CLONE/lgroups/target/release:$PATH
command -v groupctl >/dev/null || { echo "demo.sh: groupctl is not built: make lib first" >&2; exit 1; }

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

title() { printf '\n%s# %s%s\n' "$bold" "$*" "$plain"; }

# run COMMAND: prints it, runs it in a subshell, and prints what it says.
# What it said stays in $said, and how it ended in $status.
run() {
	printf '%s$ %s%s\n' "$bold" "$*" "$plain"
	status=0
	said=$(eval "$*" 2>&1) || status=$?
	[ -z "$said" ] || printf '%s\n' "$said"
}

# must COMMAND: it succeeds
must() {
	run "$@"
	[ "$status" -eq 0 ] || wrong "it ended with status $status"
}

# expect TEXT: the last command said that
expect() {
	[[ $said == *"$1"* ]] || wrong "it was to say: $1"
}

# in_order REGEX...: lines of what the last command said match these, in this order
in_order() {
	local regex line=0 found
	for regex in "$@"; do
		found=$(sed -n "$((line + 1)),\$ { /$regex/ { =; q } }" <<<"$said")
		[ -n "$found" ] || wrong "in this order: $*"
		line=$found
	done
}

# not_before MS REGEX: the line that matches this begins with a time that is not less
not_before() {
	local time
	time=$(sed -n "/$2/ { s/^ *\([0-9]*\) ms .*/\1/p; q }" <<<"$said")
	[ "$time" -ge "$1" ] || wrong "$2 not before $1 ms"
}

wrong() {
	printf '\ndemo.sh: the last command did not do what it should: %s\n' "$*" >&2
	dmesg 2>/dev/null | tail -n 20 >&2 || true
	exit 1
}

title 'Load the module. The first group is there at once.'
must 'scripts/install.sh'
must 'ls -l /dev/group0 /dev/synch/group0'
expect 'crw-rw-rw-'
expect '/dev/synch/group0 -> ../group0'
must 'cat /sys/class/groups/group0/id'
expect 'groups'

title 'Ask for a group by id: it is made, and has a device. Who asks next is told of the same.'
must 'groupctl install kitchen'
expect '/dev/synch/group1 made'
must 'groupctl install kitchen'
expect '/dev/synch/group1 was there'
must 'udevadm settle && ls -l /dev/synch'
expect 'group1 -> ../group1'
must 'groupctl list'
expect 'kitchen'

title 'Programs do it with a system call. This is all of it.'
must "sed -n '/^int main/,\$p' tests/programs/install_group.c"
must "cc -Iinclude -o $BIN/install_group tests/programs/install_group.c"
must 'install_group kitchen'
expect '/dev/synch/group1 was there'

title 'Two users talk.'
must "setpriv --reuid=nobody --clear-groups groupctl send kitchen 'is there tea?'"
must 'setpriv --reuid=daemon --clear-groups groupctl receive kitchen'
expect 'is there tea?'

title 'A write sends a message, a read takes one: it takes no tool.'
must "setpriv --reuid=nobody --clear-groups sh -c 'id -un; printf \"is there coffee?\" >/dev/synch/group1'"
expect 'nobody'
must "setpriv --reuid=daemon --clear-groups sh -c 'id -un; head -c 100 /dev/synch/group1'"
expect $'daemon\nis there coffee?'

title 'First in, first out. What is read is gone; an empty group gives nothing at once.'
# shellcheck disable=SC2016 # the subshell expands it
must 'for n in 1 2 3; do echo "message $n" >/dev/synch/group1; done'
must 'for n in 1 2 3 4; do dd bs=100 count=1 status=none </dev/synch/group1; done'
[ "$said" = $'message 1\nmessage 2\nmessage 3' ] || wrong 'the messages were to come in order'

title 'A read that is too short truncates its message: the rest of it is gone.'
must 'printf "a long message" >/dev/synch/group1; printf "the next" >/dev/synch/group1'
must 'dd bs=6 count=1 status=none </dev/synch/group1; echo'
[ "$said" = 'a long' ] || wrong 'the message was to be truncated'
must 'dd bs=100 count=1 status=none </dev/synch/group1; echo'
[ "$said" = 'the next' ] || wrong 'the rest of the message was to be gone'

title 'A group has limits. Whoever exceeds one is told so, and nothing has changed.'
must 'head /sys/class/groups/group1/max_*_size'
expect $'max_message_size <==\n100\n'
expect $'max_storage_size <==\n10000'
sender='dd if=/dev/zero of=/dev/synch/group1 status=none'
run "strace -qq -e trace=write -s 4 $sender bs=101 count=1 2>&1 | grep write.1"
expect 'EMSGSIZE (Message too long)'
must "$sender bs=100 count=100"
run "strace -qq -e trace=write -s 4 $sender bs=100 count=1 2>&1 | grep write.1"
expect 'ENOSPC (No space left on device)'
must 'dd if=/dev/synch/group1 of=/dev/null bs=100 status=none; echo "emptied"'
run "strace -qq -e trace=write -s 4 $sender bs=1 count=1 2>&1 | grep write.1"
expect 'EBADMSG (Bad message)'

title 'Messages can be delayed. The shorter delay overtakes the longer one, and none comes early.'
must "cc -w -Iinclude -o $BIN/timeline tests/programs/timeline.c"
must 'timeline delay /dev/synch/group1'
in_order 'sent.*: later' 'sent.*: sooner' 'came: sooner' 'came: later' 'nothing comes'
not_before 500 'came: sooner'
not_before 1000 'came: later'

title 'As long as they are delayed they can be revoked: then they never come.'
must 'timeline revoke /dev/synch/group1'
in_order 'sent.*: third' 'revoked' 'nothing comes'
! grep -q came <<<"$said" || wrong 'nothing was to come'

title 'Or flushed, by closing any descriptor of the group: then they come now, in the order in which they are due.'
must 'timeline flush /dev/synch/group1'
in_order 'flushed' 'came: first' 'came: second' 'came: third' 'nothing comes'

title 'Threads sleep on the barrier of the group until somebody awakes them all.'
must 'timeline barrier /dev/synch/group1'
in_order 'goes to sleep' 'ms  awake' 'is awake'
[ "$(grep -c 'is awake' <<<"$said")" -eq 3 ] || wrong 'three were to be awake'
expect 'AWAKE_BARRIER returned 0'

title 'Root changes the limits, and nobody else does.'
run "setpriv --reuid=nobody --clear-groups sh -c 'echo 5 >/sys/class/groups/group1/max_message_size'"
expect 'Permission denied'
must 'echo 200 >/sys/class/groups/group1/max_message_size; cat /sys/class/groups/group1/max_message_size'
[ "$said" = 200 ] || wrong 'the limit was to be 200'
must "$sender bs=101 count=1; dd bs=1000 count=1 status=none </dev/synch/group1 | wc -c"
[ "$said" = 101 ] || wrong 'a message of 101 bytes was to come'

title 'What the kernel says to all this: one line when the module comes.'
must "dmesg | grep ' groups: ' | grep -v taint"
expect 'groups: loaded'
[ "$(wc -l <<<"$said")" -eq 1 ] || wrong 'it was to be one line'

title 'Unloading: not while somebody has a group open, and then without a trace.'
sleep 100 3</dev/synch/group1 &
holder=$!
run 'scripts/remove.sh'
[ "$status" -ne 0 ] || wrong 'it was to be refused'
expect 'sleep 100'
kill "$holder"
wait "$holder" 2>/dev/null || true
must 'scripts/remove.sh'
run 'ls -d /dev/group* /dev/synch/group* /sys/class/groups'
! grep -v 'No such file' <<<"$said" || wrong 'nothing was to be left'
must "dmesg | grep ' groups: ' | grep -v taint"
expect 'groups: unloaded'

printf '\n%sThat was all of it.%s\n' "$bold" "$plain"
