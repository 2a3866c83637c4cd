#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Unloads the module and takes away what scripts/install.sh added. While a
# program has a device open this cannot be: then it says which.

set -euo pipefail

# shellcheck source=scripts/lib.sh
source "${BASH_SOURCE[0]%/*}/lib.sh"

RULE=/run/udev/rules.d/83-groups.rules

# Lines "PID COMMAND", for each process that has a file of our major number
# open; by what the file is, since a device can have names outside of /dev.
holders() {
	local major name pid parent words
	while read -r major name; do [ "$name" != groups ] || break; done </proc/devices
	major=$(printf '%x' "$major")
	{ stat -L -c '%t %n' /proc/[0-9]*/fd/* 2>/dev/null || true; } |
		sed -n "s,^$major /proc/\([0-9]*\)/.*,\1,p" | sort -nu |
		while read -r pid; do
			# What this script started has what this script was given.
			read -r _ _ _ parent _ 2>/dev/null <"/proc/$pid/stat" || continue
			case $$ in "$pid" | "$parent") continue ;; esac
			mapfile -d '' words 2>/dev/null <"/proc/$pid/cmdline" || continue
			[ -z "${words[*]}" ] || echo "$pid ${words[*]}"
		done
}

need_root "it unloads a kernel module"
need_command rmmod kmod
if is_loaded; then
	if ! error=$(rmmod groups 2>&1); then
		say "error: the module cannot be unloaded: $error"
		list=$(holders)
		if [ -n "$list" ]; then
			say "these processes have a device open:"$'\n'"$list"
		else
			say "no process shows a device open; one may be on its way through a socket, or held by an io_uring"
		fi
		exit 1
	fi
else
	say "the module is not loaded"
fi
rm -f "$RULE"
if udev_runs; then
	udevadm settle || true
	udevadm control --reload || true
fi
say "gone"
