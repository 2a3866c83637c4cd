#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds groups.ko, at the top of the clone. Which kernel it is for:
#
#   scripts/build.sh            $KDIR if that is set; else the running kernel, if
#                               its build tree is ready for Rust; else --root
#   scripts/build.sh --root     the build root's kernel, which the VM boots
#   scripts/build.sh --running  the running kernel, from its build tree, or from
#                               a build root of its flavour
#
# The objects are kept apart by kernel, under build/.

set -euo pipefail

# shellcheck source=scripts/lib.sh
source "${BASH_SOURCE[0]%/*}/lib.sh"

usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

RUNNING=/lib/modules/$(uname -r)/build

rust_ready() { [ -e "$1/rust/libkernel.rmeta" ]; }

# compile KDIR WHERE [COMMAND...]: with a command before make, to run it elsewhere
compile() {
	local kdir=$1 where=$2 release out compiler
	shift 2
	release=$(<"$kdir/include/config/kernel.release")
	out=$CLONE/build/$release
	mkdir -p "$out"
	compiler=$(compiler_of "$kdir")
	"$@" make -C "$kdir" -j"$(nproc)" ${compiler:+"$compiler"} LOCALVERSION= M="$CLONE" MO="$out" modules
	# In one step: somebody may be loading the one that is there.
	cp "$out/groups.ko" "$CLONE/groups.ko.$$"
	mv "$CLONE/groups.ko.$$" "$CLONE/groups.ko"
	echo "groups.ko: built for $release, with $where"
}

compile_in_root() {
	local root=$CLONE/scripts/root.sh
	"$root"
	compile "$("$root" --print kdir)" "the build root's kernel tree" "$root" --
}

compile_with() {
	local kdir
	kdir=$(realpath -e -- "$1" 2>/dev/null) || die "there is no kernel tree $1"
	rust_ready "$kdir" || die "the kernel tree $kdir is not ready for Rust: rust/libkernel.rmeta is missing (its make modules_prepare makes it where CONFIG_RUST is on)"
	compile "$kdir" "$2 $kdir"
}

compile_for_running() {
	local release
	release=$(uname -r)
	case $release in
	*-cloud-amd64) export FLAVOUR=cloud-amd64 ;;
	*-amd64) export FLAVOUR=amd64 ;;
	*) die "the running kernel, $release, has no build tree ready for Rust, and it is none of Debian's that the build root could have; set KDIR" ;;
	esac
	"$CLONE/scripts/root.sh"
	[ "$("$CLONE/scripts/root.sh" --print release)" = "$release" ] ||
		die "the running kernel is $release, and the build root has $("$CLONE/scripts/root.sh" --print release): run the archive's current kernel (or, if that is what you do, make update)"
	compile_in_root
}

case ${1:-} in
--root) compile_in_root ;;
--running)
	if rust_ready "$RUNNING"; then compile_with "$RUNNING" "the running kernel's tree"; else compile_for_running; fi
	;;
'')
	if [ -n "${KDIR:-}" ]; then
		compile_with "$KDIR" KDIR
	elif rust_ready "$RUNNING"; then
		compile_with "$RUNNING" "the running kernel's tree"
	else
		compile_in_root
	fi
	;;
*) usage >&2; die "unknown argument: $1" ;;
esac
