#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Puts groups.ko and the udev rule where the system looks for them, or with
# --remove takes them away. BOOT=1 has the module loaded at every boot. With
# DESTDIR everything goes below that folder, for a packager to take.

set -euo pipefail

# shellcheck source=scripts/lib.sh
source "${BASH_SOURCE[0]%/*}/lib.sh"

DESTDIR=${DESTDIR:-}
RULE=$DESTDIR/etc/udev/rules.d/83-groups.rules
AT_BOOT=$DESTDIR/etc/modules-load.d/groups.conf

system_knows() {
	[ -z "$DESTDIR" ] || return 0
	depmod "$1"
	[ ! -S /run/udev/control ] || udevadm control --reload
}

[ -n "$DESTDIR" ] || need_root "it writes to /lib/modules and /etc"
[ -n "$DESTDIR" ] || need_command depmod kmod
case ${1:-} in
'')
	[ -e "$CLONE/groups.ko" ] || die "there is no groups.ko: run make first"
	release=$(module_release "$CLONE/groups.ko")
	[ -d "/lib/modules/$release" ] || [ -n "$DESTDIR" ] ||
		die "groups.ko was built for $release, and that kernel is not installed here"
	install -D -m 0644 "$CLONE/groups.ko" "$DESTDIR/lib/modules/$release/updates/groups.ko"
	install -D -m 0644 "$CLONE/udev/83-groups.rules" "$RULE"
	if [ -n "${BOOT:-}" ]; then
		mkdir -p "${AT_BOOT%/*}"
		printf '# The groups module, for /dev/synch.\ngroups\n' >"$AT_BOOT"
	fi
	system_knows "$release"
	say "installed for $release: modprobe groups loads it${BOOT:+, and so does every boot}"
	;;
--remove)
	rm -f "$RULE" "$AT_BOOT"
	for file in "$DESTDIR"/lib/modules/*/updates/groups.ko; do
		[ -e "$file" ] || continue
		rm "$file"
		rmdir --ignore-fail-on-non-empty "${file%/*}"
		release=${file%/updates/groups.ko}
		system_knows "${release##*/}"
	done
	say "removed"
	;;
*) die "unknown argument: $1" ;;
esac
