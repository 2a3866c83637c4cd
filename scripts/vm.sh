#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots the stock kernel on the build root in a VM, with groups.ko loaded, and
# runs one command there as root; its exit status is this script's. The clone
# and every shared folder have their own paths in the guest and can be written;
# nothing else that the guest changes outlives it. FLAVOUR=debug boots the debug
# kernel.
#
#   scripts/vm.sh [OPTION]... -- COMMAND...
#   scripts/vm.sh [OPTION]... --shell
#
#   --share DIR      show DIR in the guest
#   --no-load        do not load the module (otherwise scripts/install.sh does)
#   --kernel IMAGE   boot this kernel, not the root's
#   --append ARGS    more arguments for the kernel's command line
#   --cpus N         processors, 2 by default
#   --memory SIZE    2G by default
#   --icount         one processor that counts instructions: a nanosecond of the
#                    guest's time is one instruction of the guest's, whatever
#                    else this machine does
#   --timeout SEC    after which the guest is ended, with status 124; 3600 by
#                    default, 0 is none, as it is for a shell
#   --log FILE       where the kernel's log goes, $GROUPS_CACHE/log by default
#   --allow REGEX    lines of the kernel's log that are no complaint (egrep)
#   --shell          an interactive shell in place of a command
#
# When the guest is gone its kernel's log is read. A complaint in it (scripts/
# check-log.sh knows them) makes the run fail, whatever the command said.

set -euo pipefail

# shellcheck source=scripts/lib.sh
source "${BASH_SOURCE[0]%/*}/lib.sh"

usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

SHARES=() ALLOW=() APPEND=
LOAD=1 SHELL_WANTED='' KERNEL='' CPUS=2 MEMORY=2G ICOUNT='' TIMEOUT='' LOG=
while [ $# -gt 0 ]; do
	case $1 in
	--share) SHARES+=("$(cd -- "$2" && pwd -P)"); shift ;;
	--no-load) LOAD= ;;
	--kernel) KERNEL=$(realpath -e -- "$2"); shift ;;
	--append) APPEND+=" $2"; shift ;;
	--cpus) CPUS=$2; shift ;;
	--memory) MEMORY=$2; shift ;;
	--icount) ICOUNT=1 ;;
	--timeout) TIMEOUT=$2; shift ;;
	--log) LOG=$(realpath -m -- "$2"); shift ;;
	--allow) ALLOW+=(--allow "$2"); shift ;;
	--shell) SHELL_WANTED=1 ;;
	--) shift; break ;;
	-h | --help) usage; exit ;;
	*) usage >&2; die "unknown argument: $1" ;;
	esac
	shift
done
: "${TIMEOUT:=$([ -n "$SHELL_WANTED" ] && echo 0 || echo 3600)}"
[ $# -gt 0 ] || [ -n "$SHELL_WANTED" ] || { usage >&2; die "no command given"; }

need_root "the VM runs in the build root"
"$CLONE/scripts/root.sh"
CACHE=$(groups_cache)
# What is not under the root has to be shown to it.
DEBUG=
[ -n "$KERNEL" ] || [ "${FLAVOUR:-}" != debug ] || DEBUG=1
[ -z "$KERNEL" ] || SHARES+=("${KERNEL%/*}")
[ -n "$KERNEL" ] || KERNEL=$("$CLONE/scripts/root.sh" --print image)
[ -z "$LOAD" ] || [ -e "$CLONE/groups.ko" ] || die "there is no groups.ko: run make first"
for share in "$CLONE" "${SHARES[@]}"; do
	case $share/ in /dev/* | /proc/* | /run/* | /sys/*) die "$share cannot be in a guest, which has a /dev, /proc, /run and /sys of its own" ;; esac
done
mkdir -p "$CACHE/log" "$CACHE/vm"
: "${LOG:=$CACHE/log/vm-$(date +%Y%m%d-%H%M%S)-$$.log}"

# What this script and the guest say to each other.
WORK=$(mktemp -d "$CACHE/vm/$$.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
# Of runs that could not clean up, and of long ago.
find "$CACHE/vm" -mindepth 1 -maxdepth 1 -mtime +1 -exec rm -rf {} +
find "$CACHE/log" -name '*.log' -mtime +7 -delete

# ------------------------------------------------------------- what the guest runs

{
	printf 'cd %q 2>/dev/null || cd %q\n' "$PWD" "$CLONE"
	while IFS= read -r -d '' variable; do
		printf 'export %q=%q\n' "${variable%%=*}" "${variable#*=}"
	done < <(passed_environment)
	echo "export GROUPS_VM=1"
	[ -z "$LOAD" ] || printf '%q >&2 || exit\n' "$CLONE/scripts/install.sh"
	if [ -n "$SHELL_WANTED" ]; then
		read -r rows columns < <(stty size 2>/dev/null || echo 24 80)
		echo "stty rows $rows cols $columns"
		echo "echo 'groups: leave with exit or Ctrl-D'"
		echo "exec bash"
	else
		printf '%q ' exec "$@"
	fi
	echo
} >"$WORK/job"

# ---------------------------------------------------------------- how it is booted

# KVM needs more than its device: a machine that is itself a guest can have one
# that boots no stock kernel.
can_kvm() { grep -qE '^flags.* (vmx|svm)( |$)' /proc/cpuinfo && [ -w /dev/kvm ]; }

VNG=(vng --run "$KERNEL" --user root --rw --disable-microvm)
CONSOLE=console
[ -z "$SHELL_WANTED" ] || CONSOLE=dmesg
# virtme-ng's console for the kernel goes to a file, and gets all of the log
# whatever anybody does to the log level.
QEMU=(-nic none -set "chardev.$CONSOLE.path=$WORK/console")
# virtme-ng names its own init after this one; the first is the one that counts.
ARGS="init=$CLONE/scripts/vm-init.sh groups_work=$WORK ignore_loglevel printk.devkmsg=on"
if [ -n "$DEBUG" ]; then
	# The root comes by 9p, which QEMU itself serves, so what it writes into the
	# guest's memory it knows (see init_on_alloc below), and the kernel mounts it
	# without an initramfs. Nobody else writes to it meanwhile: so it may keep
	# all that it has read.
	VNG+=(--force-9p --no-virtme-ng-init)
	ARGS+=" rootflags=version=9p2000.L,trans=virtio,access=any,cache=loose,msize=524288 kunit.enable=0 kasan_multi_shot"
else
	VNG+=(--force-initramfs)
fi
if [ -n "$ICOUNT" ] || ! can_kvm; then
	VNG+=(--disable-kvm)
	# What virtiofsd writes into the guest's memory, QEMU's translator does not
	# notice: a page that held one program's code and now holds another's would
	# run as the old one. Zeroing every page that is allocated prevents that;
	# Debian's kernels do it by default, others may not.
	[ -n "$DEBUG" ] || ARGS+=" init_on_alloc=1"
	# A busy host can keep an emulated processor waiting for long. A real stall
	# is still found.
	ARGS+=" rcupdate.rcu_cpu_stall_timeout=60 watchdog_thresh=30"
fi
if [ -n "$ICOUNT" ]; then
	CPUS=1
	QEMU+=(-accel "tcg,thread=single" -icount "shift=0,sleep=off")
elif ! can_kvm; then
	QEMU+=(-accel "tcg,thread=multi")
fi
VNG+=(--cpus "$CPUS" --memory "$MEMORY" --append "$ARGS$APPEND" --qemu-opts="${QEMU[*]}")
[ -n "$SHELL_WANTED" ] || VNG+=(--exec true)
# Without an initramfs the init that counts is the last one that is named, virtme-
# ng's own: in the root, of which nothing stays, that becomes this clone's.
# shellcheck disable=SC2016
[ -z "$DEBUG" ] || VNG=(sh -ec 'ln -sf "$0" "$1"; shift; exec "$@"' "$CLONE/scripts/vm-init.sh"
	/usr/lib/python3/dist-packages/virtme/guest/virtme-init "${VNG[@]}")
[ "$TIMEOUT" = 0 ] || VNG=(timeout --foreground --kill-after=5 "$TIMEOUT" "${VNG[@]}")

ROOT_ARGS=()
for share in "$WORK" "${SHARES[@]}"; do ROOT_ARGS+=(--share "$share"); done

# --------------------------------------------------------------------- and is run

RUN=(setpriv --pdeathsig KILL "$CLONE/scripts/root.sh" "${ROOT_ARGS[@]}" -- "${VNG[@]}")
rc=0
if [ -n "$SHELL_WANTED" ]; then
	"${RUN[@]}" || rc=$?
else
	# QEMU opens its outputs anew, and would truncate a file: so it gets pipes.
	exec 3> >(cat)
	copies=$!
	exec 4> >(cat >&2)
	copies+=" $!"
	"${RUN[@]}" </dev/null >&3 2>&4 3>&- 4>&- || rc=$?
	exec 3>&- 4>&-
	# shellcheck disable=SC2086
	wait $copies || true
fi
[ ! -e "$WORK/console" ] || { mkdir -p "$(dirname -- "$LOG")"; tr -d '\r' <"$WORK/console" >"$LOG"; }

if [ ! -s "$WORK/console" ] && [ "$rc" != 130 ] && [ "$rc" != 143 ]; then
	die "the VM did not start (status $rc)"
elif [ -e "$WORK/status" ]; then
	rc=$(<"$WORK/status")
elif [ "$rc" = 124 ]; then
	say "error: the guest was ended after $TIMEOUT seconds; the end of its kernel's log ($LOG):"
	tail -n 20 "$LOG" >&2
elif [ "$rc" != 130 ] && [ "$rc" != 143 ]; then
	say "error: the guest died before its command ended; the end of its kernel's log ($LOG):"
	tail -n 40 "$LOG" >&2
	rc=125
fi
if ! "$CLONE/scripts/check-log.sh" "${ALLOW[@]}" "$LOG"; then
	[ "$rc" -ne 0 ] || rc=1
fi
exit "$rc"
