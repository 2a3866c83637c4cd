#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the tests that suspend the machine, and prints TAP. The guest that
# scripts/vm.sh boots cannot be suspended, for virtiofs, on which its root is,
# cannot. So this boots the same stock kernel with all that the tests need in
# memory. There is no udev in it. The kernel's log is read when it is gone.
#
#   scripts/root.sh -- tests/suspend.sh TEST...

set -euo pipefail

TESTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
CLONE=$(dirname -- "$TESTS")
VM=$TESTS/target/release/vm
WORK=$(mktemp -d)
LOG=$TESTS/target/log/suspend-kernel
trap 'rm -rf "$WORK"' EXIT

# The first process: what scripts/vm-init.sh and udev do elsewhere, as far as it
# is needed; then the tests. A machine that has been suspended does not come to
# be switched off here; it is reset, which ends QEMU.
init() {
	cat <<-END
		#!/bin/busybox sh
		/bin/busybox --install /bin
		mount -t proc proc /proc
		mount -t sysfs sysfs /sys
		mount -t devtmpfs devtmpfs /dev
		insmod /groups.ko
		mkdir /dev/synch
		ln -s ../group0 /dev/synch/group0
		export GROUPS_TEST_PATIENCE=${GROUPS_TEST_PATIENCE:-1}
		/vm --suspend --exact $* >/dev/ttyS1 2>&1
		sync
		echo b >/proc/sysrq-trigger
	END
}

# A root in memory: the program with the libraries that it is linked with.
make_root() {
	local library
	mkdir -p "$1"/{bin,dev,proc,sys,tmp}
	cp /bin/busybox "$1/bin/"
	cp "$CLONE/groups.ko" "$VM" "$1/"
	for library in $(ldd "$VM" | grep -o '/[^ ]*'); do
		cp --parents "$library" "$1/"
	done
	init "${@:2}" >"$1/init"
	chmod +x "$1/init"
	(cd "$1" && find . | busybox cpio -o -H newc 2>/dev/null) >"$1.cpio"
}

[ -n "${GROUPS_ROOT:-}" ] || exec "$CLONE/scripts/root.sh" -- "$TESTS/suspend.sh" "$@"
mkdir -p "${LOG%/*}"
make_root "$WORK/root" "$@"
ACCEL=tcg,thread=multi
if grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo && [ -w /dev/kvm ]; then ACCEL=kvm; fi
rc=0
timeout --kill-after=5 600 qemu-system-x86_64 -machine q35 -accel "$ACCEL" -cpu max -smp 2 -m 1G \
	-display none -nic none -no-reboot -monitor none \
	-serial "file:$WORK/console" -serial stdio \
	-kernel "$(find /boot -name 'vmlinuz-*')" -initrd "$WORK/root.cpio" \
	-append "console=ttyS0 ignore_loglevel no_console_suspend rcupdate.rcu_cpu_stall_timeout=60 watchdog_thresh=30" </dev/null |
	tr -d '\r' || rc=$?
tr -d '\r' <"$WORK/console" >"$LOG"
[ "$rc" -eq 0 ] || tail -n 20 "$LOG" >&2
"$CLONE/scripts/check-log.sh" "$LOG" || rc=1
exit "$rc"
