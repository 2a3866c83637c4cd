# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the scripts that run in a guest of the debug kernel share; to be sourced.

KMEMLEAK=/sys/kernel/debug/kmemleak

# kmemleak_is_empty: looks for memory that nothing points to any more, and says
# what there is, each with where it was allocated. The kernel takes nothing for
# leaked that is younger than 5 seconds, or that has changed since it was looked
# at last: hence the pause, and two scans.
kmemleak_is_empty() {
	local leaks
	sleep 6
	echo scan >"$KMEMLEAK" || return
	echo scan >"$KMEMLEAK" || return
	leaks=$(<"$KMEMLEAK") || return
	[ -n "$leaks" ] || return 0
	printf '%s\n' "$leaks"
	return 1
}
