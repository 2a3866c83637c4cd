#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Loads the module into the running kernel and waits until programs can use it:
#
#   scripts/install.sh [PARAMETER=VALUE]...
#
# It takes the clone's groups.ko if that has been built, and else the one that
# `make install` put into the system. The udev rule goes to /run: like the module
# itself it is there until the next boot. If anything fails it says why, and
# leaves nothing behind. Doing it again does no harm.

set -euo pipefail

# shellcheck source=scripts/lib.sh
source "${BASH_SOURCE[0]%/*}/lib.sh"

RULE=/run/udev/rules.d/83-groups.rules
MODULE=$CLONE/groups.ko
FIRST=synch/group0
undo=()

# What was done is undone in reverse, and then the script ends.
fail() {
	local i
	say "error: $*"
	for ((i = ${#undo[@]} - 1; i >= 0; i--)); do ${undo[i]} || true; done
	exit 1
}

# The kernel ignores what it does not know; a slip of the pen should be noticed.
check_parameters() {
	local parameter known
	[ $# -gt 1 ] || return 0
	known=$(modinfo -F parm "$1")
	for parameter in "${@:2}"; do
		grep -q "^${parameter%%=*}:" <<<"$known" || fail "the module has no parameter ${parameter%%=*}"
	done
}

install_rule() {
	[ ! -e "$RULE" ] || [ "$(<"$CLONE/udev/83-groups.rules")" != "$(<"$RULE")" ] || return 0
	mkdir -p "${RULE%/*}"
	undo+=(remove_rule)
	cp "$CLONE/udev/83-groups.rules" "$RULE" || fail "cannot write $RULE"
	udevadm control --reload || fail "udevd does not reload its rules"
}

remove_rule() {
	rm -f "$RULE"
	udevadm control --reload
}

load() {
	local error
	if is_loaded; then
		[ $# -eq 0 ] || fail "the module is loaded already, and its parameters cannot be changed now: scripts/remove.sh first"
		say "the module is loaded already"
		return
	fi
	if [ -e "$MODULE" ]; then
		check_parameters "$MODULE" "$@"
		error=$(insmod "$MODULE" "$@" 2>&1) || fail "$(explain "$error")"
	else
		modinfo groups >/dev/null 2>&1 || fail "there is no $MODULE and no installed module: run make first"
		check_parameters groups "$@"
		error=$(modprobe groups "$@" 2>&1) || fail "$(explain "$error")"
	fi
	undo+=("rmmod groups")
}

# Turns what insmod says into what to do about it.
explain() {
	case $1 in
	*'Operation not permitted'* | *'Key was rejected'* | *'Required key not available'*)
		cat <<-END
			the kernel accepts signed modules only (Secure Boot, or lockdown): $1
			Either turn Secure Boot off in the firmware's setup, or make a key, have it enrolled
			(mokutil --import, then a reboot), and sign groups.ko with it (the kernel's scripts/sign-file).
		END
		;;
	*'Invalid module format'* | *'Exec format error'*)
		echo "groups.ko was built for $(module_release "$MODULE"), and this kernel is $(uname -r): build it for this one"
		;;
	*) echo "$1"$'\n'"the kernel's log says:"$'\n'"$(dmesg 2>/dev/null | grep '\] groups: ' | tail -n 2)" ;;
	esac
}

# A module that has just been unloaded leaves udev to tidy /dev/synch, and udev
# does not make a link whose folder it removes, empty, at that moment.
await_tidiness() {
	is_loaded || udevadm settle || true
}

# udev makes the name that programs use. It is done when its queue is empty.
await_device() {
	udevadm settle --exit-if-exists="/dev/$FIRST" || true
	[ -c "/dev/$FIRST" ] || fail "the module is loaded, and udev made no /dev/$FIRST of it (does another rule, in /etc/udev/rules.d, hide ours?)"
}

need_root "it loads a kernel module"
need_command insmod kmod
if udev_runs; then
	install_rule
	await_tidiness
	load "$@"
	await_device
	say "ready: /dev/$FIRST"
else
	load "$@"
	[ -c /dev/group0 ] || fail "the module is loaded, and there is no /dev/group0 (is devtmpfs mounted on /dev?)"
	say "udevd does not run here: there is no /dev/$FIRST, programs have to use /dev/group0"
fi
