#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# The first process of a guest that scripts/vm.sh boots, in the place of virtme-
# ng's own. An emulated processor pays for every program that is started and
# every device that is probed, so this starts what a Debian has that matters to
# the module, and nothing else: the usual file systems, a real systemd-udevd,
# and the job. Devices that were there before udev are not announced to it again
# (there is no coldplug). Busybox's shell runs its own mount, mkdir and so on,
# without starting a program.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
umask 022

# What it finds itself by, for that, is /proc; and what is there now is another
# machine's.
/bin/busybox mount -t proc -o nosuid,noexec,nodev proc /proc
mount -t sysfs -o nosuid,noexec,nodev sysfs /sys
mount -t devtmpfs -o mode=0755,nosuid devtmpfs /dev
mkdir /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666,noexec,nosuid devpts /dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run
mount -t cgroup2 -o nosuid,noexec,nodev cgroup2 /sys/fs/cgroup
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t securityfs securityfs /sys/kernel/security
mkdir -m 1777 /run/lock
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
hostname groups
ifconfig lo up

/usr/lib/systemd/systemd-udevd --daemon --resolve-names=never >/dev/kmsg 2>&1

# The kernel hands to its first process what it does not know.
work=${groups_work:?scripts/vm.sh starts this}

# The ports that virtme-ng has for a command's output have names in sysfs.
for port in /sys/class/virtio-ports/*; do
	[ -e "$port" ] || continue
	read -r name <"$port/name"
	case $name in
	virtme.stdout) out=/dev/${port##*/} ;;
	virtme.stderr) err=/dev/${port##*/} ;;
	esac
done

if [ -n "$out" ] && [ -n "$err" ]; then
	# A port can be opened only once; a pipe before it can be opened again, as
	# /dev/stdout, as often as anybody likes.
	mkfifo /run/out /run/err
	cat </run/out >"$out" &
	copy_out=$!
	cat </run/err >"$err" &
	copy_err=$!
	/usr/bin/setsid --wait bash "$work/job" </dev/null >/run/out 2>/run/err
	echo $? >"$work/status"
	# They end when nobody has the pipes open: at once, or if the job left
	# something running, a little later.
	(
		sleep 3
		kill "$copy_out" "$copy_err" 2>/dev/null
	) &
	wait "$copy_out" "$copy_err"
else
	/usr/bin/setsid --ctty --wait bash "$work/job" </dev/ttyS0 >/dev/ttyS0 2>&1
	echo $? >"$work/status"
fi
sync
poweroff -f
