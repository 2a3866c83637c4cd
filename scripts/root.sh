#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The build root: a Debian of the right age, with the compilers that Debian's
# kernel was built with, and a tree of that kernel that is ready for modules in
# Rust. Everything is built in it and the VM boots on it.
#
#   scripts/root.sh                 make it, if it is not there already
#   scripts/root.sh --update        look for a newer kernel and newer packages
#   scripts/root.sh --prune         remove the kernels and bases no longer in use
#   scripts/root.sh --print WHAT    release, kdir, image, root, kernel, cache: of
#                                   the root that is there (never makes one)
#   scripts/root.sh [--share DIR]... -- COMMAND...
#                                   run COMMAND in it, as root, with this clone
#                                   and each DIR at their own paths
#
# Environment:
#   FLAVOUR        cloud-amd64 (default) or amd64; or debug: the same source with
#                  everything on that finds bugs (tests/debug.config), with clang
#   SUITE          the Debian release, trixie by default
#   KERNEL_SUITE   where its kernel comes from: by default $SUITE-backports if
#                  the archive has that, else $SUITE
#   MIRROR         a Debian mirror; by default debootstrap's own
#   STALE_ARCHIVE  when not empty, a mirror that has not been updated for longer
#                  than it says it may be is used all the same
#   GROUPS_CACHE   where all of it is kept: ${XDG_CACHE_HOME:-~/.cache}/groups
#
# The cache:
#   base/NAME/           a Debian root with the tools; never changed once made
#   kernel/NAME/linux/   a prepared kernel tree
#   kernel/NAME/image/   the kernel and its modules, a layer over a base
#   current/             links to the base and the kernel in use; the name of a
#                        link says all that what it points to depends on
#   cargo/ deb/ log/     crates, packages, and the output of what takes long
#   tmp/                 what is being made; renamed when it is whole
# Nothing outside tmp/ is ever half made. Commands see the root through an
# overlay in a mount namespace of their own: what they change in it, and every
# mount, is gone when they end, however they end.

set -euo pipefail
umask 022

# shellcheck source=scripts/lib.sh
source "${BASH_SOURCE[0]%/*}/lib.sh"
# shellcheck source=scripts/debug-kernel.sh
source "${BASH_SOURCE[0]%/*}/debug-kernel.sh"

SUITE=${SUITE:-trixie}
FLAVOUR=${FLAVOUR:-cloud-amd64}
KERNEL_SUITE=${KERNEL_SUITE:-}
MIRROR=${MIRROR:-}
STALE_ARCHIVE=${STALE_ARCHIVE:-}
CACHE=$(groups_cache)
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
FREE_GB_NEEDED=8

# What the root has, beside Debian's minimum. One line for each purpose.
PACKAGES=(
	gcc make flex bison bc libelf-dev libssl-dev xz-utils kmod pahole python3  # the kernel
	rustc rust-src bindgen rustfmt rust-clippy cargo                           # Rust, there and here
	gcc-multilib g++                                                           # test programs: 32 bits, C++
	clang lld llvm                                                             # the debug kernel
	valgrind libc6-dbg pkgconf man-db groff mandoc                             # the library, its tests and its manuals
	virtme-ng qemu-system-x86 virtiofsd busybox-static                         # the VM, outside
	udev iproute2 procps systemd-sysv                                          # and inside
	shellcheck strace                                                          # checking and looking
	fonts-dejavu-core                                                          # pictures of benchmarks
)

# ------------------------------------------------------------------ the cache

# Hashes the functions and lists that make something, as a part of its key: a
# change of the recipe makes a new one. Comments and blanks do not count.
recipe() { { declare -f "$@"; printf '%s\n' "${PACKAGES[@]}"; } | sha256sum | cut -c1-10; }

base_link() { echo "$CACHE/current/base-$SUITE-$(recipe make_base configure_apt install_packages)"; }

# A kernel tree is tied to the compilers in a base rather than to the base.
kernel_key() {
	{
		cat "$1/etc/groups-toolchain"
		declare -f make_kernel add_kernel_suite find_kernel fetch check_kernel unpack_kernel prepare_kernel
	} | sha256sum | cut -c1-10
}

kernel_link() {
	local key
	if [ "$FLAVOUR" = debug ]; then key=$(debug_key "$1"); else key=$(kernel_key "$1"); fi
	echo "$CACHE/current/kernel-$SUITE${KERNEL_SUITE:+-from-$KERNEL_SUITE}-$FLAVOUR-$key"
}

kernel_name() { echo "$RELEASE-${VERSION//[~:]/.}-$(kernel_key "$1")"; }

# Sets BASE, KERNEL and RELEASE; fails if one is not there.
find_current() {
	BASE=$(readlink -e "$(base_link)") || return 1
	KERNEL=$(readlink -e "$(kernel_link "$BASE")") || return 1
	RELEASE=$(<"$KERNEL/release")
}

# A link is replaced by renaming another over it, so it is never absent.
set_link() {
	mkdir -p "$CACHE/current"
	ln -sfn "../${1#"$CACHE/"}" "$2.new"
	mv -T "$2.new" "$2"
}

# -------------------------------------------------------- what must be so first

check_host() {
	local free
	[ "$(uname -m)" = x86_64 ] || die "this machine is $(uname -m); the kernels used here are for amd64 (x86_64) only"
	case $FLAVOUR in cloud-amd64 | amd64 | debug) ;; *) die "FLAVOUR=$FLAVOUR: it must be cloud-amd64, amd64 or debug" ;; esac
	need_root "making the build root takes debootstrap and mounts"
	mkdir -p "$CACHE" || die "cannot make $CACHE"
	free=$(df --output=avail -BM "$CACHE" | tail -n1 | tr -dc 0-9)
	[ "$free" -ge $((FREE_GB_NEEDED * 1024)) ] ||
		die "$CACHE has $free MB free and $FREE_GB_NEEDED GB are needed; set GROUPS_CACHE to a folder with more room"
	check_mounts
}

check_mounts() {
	case $CACHE in *[[:space:]:,\\]*) die "GROUPS_CACHE=$CACHE: no blanks, colons or commas, please: it is mounted as layers" ;; esac
	unshare --mount --pid --fork --propagation private true 2>/dev/null ||
		die "root may not mount here (a container without CAP_SYS_ADMIN?): use a real or virtual machine, or a privileged container"
}

# The only thing needed from the host beyond what every Debian or Ubuntu has.
check_debootstrap() {
	command -v debootstrap >/dev/null && [ -e "$KEYRING" ] && return
	command -v apt-get >/dev/null || die "debootstrap is missing: install the packages debootstrap and debian-archive-keyring"
	say "installing debootstrap (a few seconds)"
	host_apt install -y debootstrap debian-archive-keyring ||
		{ host_apt update; host_apt install -y debootstrap debian-archive-keyring; } ||
		{ tail -n 5 "$LOG" >&2; die "debootstrap is missing, and apt-get could not install it (no network?): install the packages debootstrap and debian-archive-keyring"; }
}

host_apt() {
	DEBIAN_FRONTEND=noninteractive timeout 120 apt-get -o Acquire::Retries=1 \
		-o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15 "$@" >>"$LOG" 2>&1
}

# An old debootstrap does not know the name of a new suite. All are like sid.
debootstrap_script() {
	local folder=/usr/share/debootstrap/scripts
	if [ -e "$folder/$SUITE" ]; then echo "$folder/$SUITE"; else echo "$folder/sid"; fi
}

# Without this, a dead network is noticed after minutes only.
check_network() {
	local mirror=$MIRROR rc=0
	[ -n "$mirror" ] || mirror=$(sed -n 's/^default_mirror //p' "$(debootstrap_script)" | head -n1)
	[ -n "$mirror" ] || mirror=$(sed -n 's/^DEF_MIRROR="\(.*\)"/\1/p' "$(command -v debootstrap)")
	[ -n "$mirror" ] || return 0
	timeout 30 wget -q --spider --tries=2 --timeout=10 "$mirror/dists/$SUITE/Release" || rc=$?
	case $rc in
	0) ;;
	8) die "$mirror has no suite $SUITE (see SUITE and MIRROR in scripts/root.sh)" ;;
	*) die "cannot reach $mirror: is there a network? (behind a proxy set http_proxy; for another mirror, MIRROR)" ;;
	esac
}

# ------------------------------------------------------------ while it is made

step() {
	say "$1 (usually $2)"
	printf '\n=== %s  %s\n' "$(date +%T)" "$1" >>"$LOG"
}

# Runs with its output in the log, and shows the end of that when it fails.
logged() {
	printf '+ %s\n' "$*" >>"$LOG"
	"$@" >>"$LOG" 2>&1 && return
	tail -n 20 "$LOG" | sed 's/^/    /' >&2
	die "failed: $* (all of its output is in $LOG)"
}

# in_root ROOT COMMAND...: with a clean environment, save for proxies.
in_root() {
	local root=$1 name env=(PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive)
	shift
	for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
		[ -z "${!name:-}" ] || env+=("$name=${!name}")
	done
	env -i "${env[@]}" chroot "$root" "$@"
}

# How the host resolves names and whom it trusts holds in the root as well. A
# root does not know a certificate authority that the host was given by hand.
copy_host_files() {
	local file
	for file in /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt; do
		[ -e "$file" ] || continue
		rm -f "$1$file"
		cp -L "$file" "$1$file"
	done
}

# Reads the archive's package lists. What apt says of it goes to /tmp/lists too.
try_lists() {
	local options=()
	[ -z "$STALE_ARCHIVE" ] || options=(-o Acquire::Check-Valid-Until=false)
	in_root "$1" apt-get "${options[@]}" update 2>&1 | tee -a "$LOG" >"$1/tmp/lists"
}

update_lists() {
	try_lists "$1" && return
	grep '^E:' "$1/tmp/lists" >&2 || tail -n 5 "$1/tmp/lists" >&2
	! grep -q 'is expired' "$1/tmp/lists" || say "this mirror is old; STALE_ARCHIVE=1 uses it all the same"
	die "cannot read the archive's package lists (more in $LOG)"
}

# overlay DIR LAYER...: mounts at DIR the layers, the first on top, under an
# upper layer in memory that is forgotten with the mount namespace.
overlay() {
	local dir=$1 lower
	shift
	lower=$(IFS=:; echo "$*")
	mount -t tmpfs -o size=75%,mode=0755 groups "$dir"
	mkdir "$dir/upper" "$dir/work" "$dir/root"
	mount -t overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" groups "$dir/root"
	mount -t proc proc "$dir/root/proc"
}

# ---------------------------------------------------------------- making a base

make_base() {
	local root=$1
	step "making a Debian $SUITE root with debootstrap" "30 seconds"
	mkdir -p "$CACHE/deb"
	logged debootstrap --variant=minbase --include=ca-certificates --keyring="$KEYRING" \
		--cache-dir="$CACHE/deb" "$SUITE" "$root" "$MIRROR" "$(debootstrap_script)"
	copy_host_files "$root"
	configure_apt "$root"
	step "installing the compilers and the VM's tools in it" "2 minutes"
	install_packages "$root"
}

configure_apt() {
	local root=$1
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	cat >"$root/etc/apt/apt.conf.d/90groups" <<-END
		APT::Install-Recommends "false";
		APT::Keep-Downloaded-Packages "true";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		Acquire::Retries "3";
	END
	# What can be made again needs no fsync, and nobody reads manuals in here.
	cat >"$root/etc/dpkg/dpkg.cfg.d/groups" <<-END
		force-unsafe-io
		path-exclude /usr/share/man/*
		path-exclude /usr/share/info/*
		path-exclude /usr/share/locale/*
		path-exclude /usr/share/doc/*
		path-exclude /usr/src/rustc-*
		path-include /usr/src/rustc-*/library/*
	END
}

install_packages() {
	local root=$1
	mount -t proc proc "$root/proc"
	mount --bind "$CACHE/deb" "$root/var/cache/apt/archives"
	update_lists "$root"
	logged in_root "$root" apt-get dist-upgrade -y
	logged in_root "$root" apt-get install -y "${PACKAGES[@]}"
	umount "$root/var/cache/apt/archives" "$root/proc"
	{
		in_root "$root" rustc --version
		in_root "$root" bindgen --version
		in_root "$root" gcc --version | head -n1
	} >"$root/etc/groups-toolchain"
}

# -------------------------------------------------------------- making a kernel

# make_kernel ROOT DIR: makes DIR a kernel, with ROOT, an overlay on the base.
# DIR appears in ROOT under the name that it will have, which is K: so nothing
# in the tree knows it by another. Seen from outside, that is $D.
make_kernel() {
	local root=$1
	K=$CACHE/kernel/$(kernel_name "$BASE")
	D=$root$K
	mkdir -p "$D"
	mount --bind "$2" "$D"
	check_kernel "$root"
	unpack_kernel "$root"
	prepare_kernel "$root"
	umount "$D"
}

# The kernel may come from another suite than the rest, and nothing else may.
add_kernel_suite() {
	local root=$1 from=${KERNEL_SUITE:-$SUITE-backports} mirror list=/etc/apt/sources.list.d/kernel.list
	copy_host_files "$root"
	update_lists "$root"
	[ "$from" != "$SUITE" ] || return 0
	mirror=$(awk '$1 == "deb" { print $2; exit }' "$root/etc/apt/sources.list")
	echo "deb $mirror $from main" >"$root$list"
	cat >"$root/etc/apt/preferences.d/kernel" <<-END
		Package: *
		Pin: release n=$from
		Pin-Priority: 50

		Package: linux-headers-* linux-image-* linux-modules-* linux-base-* linux-binary-* linux-source-*
		Pin: release n=$from
		Pin-Priority: 900
	END
	if [ -z "$KERNEL_SUITE" ] && ! try_lists "$root" && grep -q 'does not have a Release file' "$root/tmp/lists"; then
		rm "$root$list" "$root/etc/apt/preferences.d/kernel"
	fi
	update_lists "$root"
}

# Sets RELEASE and VERSION: of the kernel that the flavour's meta package names.
find_kernel() {
	local root=$1
	step "looking for the current kernel of $FLAVOUR" "10 seconds"
	add_kernel_suite "$root"
	RELEASE=$(in_root "$root" apt-cache depends "linux-headers-$FLAVOUR" |
		sed -n "s/^ *Depends: linux-headers-\([0-9].*-$FLAVOUR\)\$/\1/p" | head -n1)
	[ -n "$RELEASE" ] || die "the archive has no kernel of flavour $FLAVOUR (linux-headers-$FLAVOUR)"
	VERSION=$(candidate "$root" "linux-headers-$RELEASE")
	say "it is $RELEASE, package version $VERSION"
}

candidate() { in_root "$1" apt-cache show --no-all-versions "$2" | sed -n 's/^Version: //p' | head -n1; }

# fetch ROOT PACKAGE...: downloads packages and unpacks them under $K/deb.
fetch() {
	local root=$1
	mkdir "$D/deb"
	# shellcheck disable=SC2016
	logged in_root "$root" sh -ec 'cd "$1/deb"; shift; apt-get download "$@"' sh "$K" "${@:2}"
	# shellcheck disable=SC2016
	logged in_root "$root" sh -ec 'cd "$1/deb"; for deb in *.deb; do dpkg-deb -x "$deb" .; rm "$deb"; done' sh "$K"
}

# What is cheap to know goes first: the headers have the kernel's configuration.
check_kernel() {
	local root=$1 tool have want
	fetch "$root" "linux-headers-$RELEASE"
	mv "$D/deb/usr/src/linux-headers-$RELEASE/.config" "$D/config"
	mv "$D/deb/usr/src/linux-headers-$RELEASE/Module.symvers" "$D/symvers"
	rm -r "$D/deb"
	grep -q '^CONFIG_RUST=y' "$D/config" ||
		die "the archive's kernel $RELEASE is built without CONFIG_RUST: no module in Rust can be loaded into it"
	for tool in rustc bindgen; do
		want=$(sed -n "s/^CONFIG_${tool^^}_VERSION_TEXT=\"\(.*\)\"/\1/p" "$D/config")
		have=$(grep "^$tool " "$root/etc/groups-toolchain")
		[ "$want" = "$have" ] ||
			die "the kernel $RELEASE was built with \"$want\", and $SUITE has \"$have\": modules in Rust made with that would not fit"
	done
}

unpack_kernel() {
	local root=$1 source packages dir
	source=linux-source-$(grep -oE '^[0-9]+\.[0-9]+' <<<"$RELEASE")
	[ "$(candidate "$root" "$source")" = "$VERSION" ] ||
		die "the archive's $source is not at $VERSION as the kernel is; it may be so between two kernels: try again later"
	mapfile -t packages < <(in_root "$root" apt-cache depends --recurse --important "linux-image-$RELEASE" |
		grep -E '^linux-[a-z]+-[0-9]' | grep -F -- "-$RELEASE" | sort -u)
	step "downloading the kernel and its source, and unpacking them" "1 minute"
	fetch "$root" "$source" "${packages[@]}"
	mkdir -p "$D/linux" "$D/image/boot" "$D/image/usr/lib/modules"
	logged in_root "$root" tar -C "$K/linux" --strip-components=1 -xf "$K/deb/usr/src/$source.tar.xz"
	# Not as lib/modules: a folder lib would hide the link of that name in a base.
	for dir in "$D/deb/lib/modules/$RELEASE" "$D/deb/usr/lib/modules/$RELEASE"; do
		[ ! -d "$dir" ] || cp -a --link "$dir" "$D/image/usr/lib/modules/"
	done
	# Where Debian keeps the kernel itself depends on its age.
	dir=$D/image/usr/lib/modules/$RELEASE
	[ -e "$dir/vmlinuz" ] || mv "$D/deb/boot/vmlinuz-$RELEASE" "$dir/vmlinuz"
	ln "$dir/vmlinuz" "$D/image/boot/vmlinuz-$RELEASE"
	rm -r "$D/deb"
	rm -f "$dir/build" "$dir/source"
	ln -s "$K/linux" "$dir/build"
	logged in_root "$root" depmod -b "$K/image/usr" "$RELEASE"
}

prepare_kernel() {
	local root=$1 made
	step "preparing the kernel's tree for modules in Rust" "2 minutes"
	cp "$D/config" "$D/linux/.config"
	mv "$D/symvers" "$D/linux/Module.symvers"
	made=$(in_root "$root" make -s -C "$K/linux" kernelversion)
	printf '%s' "${RELEASE#"$made"}" >"$D/linux/localversion-debian"
	logged in_root "$root" make -C "$K/linux" -j"$(nproc)" LOCALVERSION= olddefconfig modules_prepare
	diff -u "$D/config" "$D/linux/.config" >>"$LOG" || true
	[ -e "$D/linux/rust/libkernel.rmeta" ] ||
		die "the kernel's build has turned Rust off: the compilers of $SUITE do not suit it (how the configuration changed is in $LOG)"
	made=$(in_root "$root" make -s -C "$K/linux" LOCALVERSION= kernelrelease)
	[ "$made" = "$RELEASE" ] || die "the prepared tree calls itself $made and the kernel is $RELEASE"
	echo "$RELEASE" >"$D/release"
}

# ---------------------------------------------------------------- all that is made

# Holds the lock until the script ends; what waits longer than a moment says so.
lock() {
	mkdir -p "$CACHE/tmp" "$CACHE/log" "$CACHE/mnt"
	exec 9>"$CACHE/lock"
	flock -n 9 && return
	say "another run is working on $CACHE; waiting for it"
	flock 9
}

# Makes what is missing, or with "update" what is outdated. The work is done in
# namespaces of its own, which end with this process, however that ends.
ensure() {
	local what=${1:-missing} rc
	[ "$what" = missing ] && find_current && return
	check_host
	lock
	[ "$what" = missing ] && find_current && return
	LOG=$CACHE/log/$(date +%Y%m%d-%H%M%S).log
	: >"$LOG"
	clean_tmp
	check_debootstrap
	check_network
	say "this goes to $CACHE, once for each kernel; the details are in $LOG"
	inside make "$what" "$LOG" || { rc=$?; clean_tmp; exit "$rc"; }
	find_current
}

# Whatever a killed run left. Its mounts went away with its namespace; should
# there be one all the same, nothing must be deleted through it.
clean_tmp() {
	! grep -qF " $(readlink -f "$CACHE")/tmp/" /proc/self/mountinfo || die "something is mounted under $CACHE/tmp"
	rm -rf --one-file-system "$CACHE"/tmp/*
}

# Runs this script's function inside_$1 in new mount and pid namespaces. They
# die with this process, by setpriv and --kill-child, even if that is killed.
inside() {
	setpriv --pdeathsig KILL unshare --mount --propagation private --pid --kill-child \
		bash "$CLONE/scripts/${BASH_SOURCE[0]##*/}" --inside "$@"
}

inside_make() {
	local what=$1 tmp
	LOG=$2
	tmp=$(mktemp -d "$CACHE/tmp/XXXXXX")
	mkdir "$tmp/base" "$tmp/kernel" "$tmp/debug" "$tmp/root"
	BASE=$(readlink -e "$(base_link)") || BASE=
	if [ -z "$BASE" ] || { [ "$what" = update ] && base_is_old "$tmp/root"; }; then
		make_base "$tmp/base"
		BASE=$CACHE/base/$SUITE-$(date +%Y%m%d-%H%M%S)
		mkdir -p "$CACHE/base"
		sync -f "$tmp"
		mv -T "$tmp/base" "$BASE"
		set_link "$BASE" "$(base_link)"
	fi
	if [ "$FLAVOUR" = debug ]; then
		FLAVOUR=$DEBUG_FLAVOUR ensure_kernel "$what" "$tmp"
		ensure_debug "$tmp"
	else
		ensure_kernel "$what" "$tmp"
	fi
	rm -rf --one-file-system "$tmp"
	say "ready: $(<"$KERNEL/release") in $CACHE"
}

# Sets KERNEL.
ensure_kernel() {
	local what=$1 tmp=$2
	KERNEL=$(readlink -e "$(kernel_link "$BASE")") || KERNEL=
	[ -z "$KERNEL" ] || [ "$what" = update ] || return 0
	overlay "$tmp/root" "$BASE"
	find_kernel "$tmp/root/root"
	KERNEL=$CACHE/kernel/$(kernel_name "$BASE")
	if [ -e "$KERNEL" ]; then
		say "that one is there already"
	else
		make_kernel "$tmp/root/root" "$tmp/kernel"
		mkdir -p "$CACHE/kernel"
		sync -f "$tmp"
		mv -T "$tmp/kernel" "$KERNEL"
	fi
	set_link "$KERNEL" "$(kernel_link "$BASE")"
	umount "$tmp/root/root/proc" "$tmp/root/root" "$tmp/root"
}

# Would apt upgrade anything in the base?
base_is_old() {
	local old=0
	step "looking for newer packages of $SUITE" "10 seconds"
	overlay "$1" "$BASE"
	copy_host_files "$1/root"
	update_lists "$1/root"
	in_root "$1/root" apt-get -s dist-upgrade | tee -a "$LOG" | grep -q '^Inst ' || old=1
	umount "$1/root/proc" "$1/root" "$1"
	return "$old"
}

# Removes what this version of the script would not use for any flavour. While
# a command runs in some root nothing is removed: it may be that one.
prune() {
	local link entry key debug keep=()
	need_root "the cache is root's"
	[ -d "$CACHE/current" ] || return 0
	lock
	exec 8>"$CACHE/users"
	flock -n 8 || die "a command is running in one of the roots; try again when it has ended"
	BASE=$(readlink -e "$(base_link)") || BASE=none
	key=$([ "$BASE" = none ] || kernel_key "$BASE")
	debug=$([ "$BASE" = none ] || FLAVOUR=debug kernel_link "$BASE")
	for link in "$CACHE"/current/*; do
		case $link in
		"$(base_link)" | "$debug" | "$CACHE/current/kernel-$SUITE-"*"-$key") ;;
		"$CACHE/current/base-$SUITE-"* | "$CACHE/current/kernel-$SUITE-"*) rm "$link" ;;
		esac
	done
	clean_tmp
	for link in "$CACHE"/current/*; do keep+=("$(readlink -m "$link")"); done
	for entry in "$CACHE"/base/* "$CACHE"/kernel/*; do
		case " ${keep[*]} " in *" $(readlink -m "$entry") "*) continue ;; esac
		[ -e "$entry" ] || continue
		say "removing $entry"
		# In one step out of the way: it must not be taken for whole meanwhile.
		mv "$entry" "$CACHE/tmp/"
	done
	clean_tmp
}

# -------------------------------------------------------------- commands in the root

# run SHARES... -- COMMAND...
inside_run() {
	local root=$CACHE/mnt/root cwd=$PWD rc=0 share passed
	exec 8>"$CACHE/users"
	flock -s 8
	find_current
	overlay "$CACHE/mnt" "$KERNEL/image" "$BASE"
	copy_host_files "$root"
	mount --rbind /dev "$root/dev"
	mount --bind /sys "$root/sys"
	show "$KERNEL"
	mount -o remount,bind,ro "$root$KERNEL"
	mkdir -p "$CACHE/cargo"
	show "$CACHE/cargo"
	show "$CLONE"
	while [ "$1" != -- ]; do
		share=$1
		show "$share"
		shift
	done
	shift
	[ -d "$root$cwd" ] || cwd=$CLONE
	mapfile -t -d '' passed < <(passed_environment)
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		CARGO_HOME="$CACHE/cargo" GROUPS_CACHE="$CACHE" GROUPS_ROOT=1 "${passed[@]}" chroot "$root" env --chdir="$cwd" "$@" 8>&- || rc=$?
	exit "$rc"
}

# show DIR: at its own path in the root
show() {
	mkdir -p "$CACHE/mnt/root$1"
	mount --bind "$1" "$CACHE/mnt/root$1"
}

# ------------------------------------------------------------------------------ main

usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

print() {
	find_current || die "there is no root for SUITE=$SUITE FLAVOUR=$FLAVOUR yet: scripts/root.sh makes it"
	case $1 in
	release) echo "$RELEASE" ;;
	kdir) echo "$KERNEL/linux" ;;
	image) echo "$KERNEL/image/boot/vmlinuz-$RELEASE" ;;
	kernel) echo "$KERNEL" ;;
	root) echo "$BASE" ;;
	cache) echo "$CACHE" ;;
	*) die "--print $1: release, kdir, image, kernel, root or cache" ;;
	esac
}

main() {
	local shares=()
	case ${1:-} in
	--inside)
		trap 'exit 130' INT
		trap 'exit 143' TERM HUP
		"inside_$2" "${@:3}"
		return
		;;
	--update) ensure update; return ;;
	--prune) prune; return ;;
	--print) print "${2:-}"; return ;;
	-h | --help) usage; return ;;
	'') ensure; return ;;
	esac
	while [ $# -gt 0 ]; do
		case $1 in
		--share) shares+=("$(cd -- "${2:?--share needs a folder}" && pwd -P)"); shift 2 ;;
		--) shift; break ;;
		*) usage >&2; die "unknown argument: $1" ;;
		esac
	done
	[ $# -gt 0 ] || die "no command given after --"
	ensure
	need_root "commands in the build root run in a namespace of their own"
	inside run "${shares[@]}" -- "$@"
}

main "$@"
