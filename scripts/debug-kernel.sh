# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The debug kernel: the source of a stock kernel, built with clang and with all
# that finds bugs (tests/debug.config). A part of root.sh, which sources this file.

# The stock kernel whose source it is built from, and its options.
DEBUG_FLAVOUR=cloud-amd64
DEBUG_CONFIG=$CLONE/tests/debug.config

# debug_key BASE: it depends on the stock kernel that it is a copy of, on clang,
# and on its options.
debug_key() {
	{
		readlink "$(FLAVOUR=$DEBUG_FLAVOUR kernel_link "$1")" || echo "no stock kernel"
		awk '/^Package: (clang|lld|llvm)-[0-9]+$/ { print; wanted = 1 } /^Version: / && wanted { print; wanted = 0 }' "$1/var/lib/dpkg/status"
		grep -E '^(# )?CONFIG_' "$DEBUG_CONFIG"
		declare -f make_debug_kernel configure_debug build_debug
	} | sha256sum | cut -c1-10
}

# debug_name STOCK BASE
debug_name() { echo "$(basename -- "$1")-debug-$(debug_key "$2")"; }

# make_debug_kernel ROOT DIR STOCK: as make_kernel, from the tree of a stock
# kernel. Sets K and D.
make_debug_kernel() {
	local root=$1 stock=$3
	K=$CACHE/kernel/$(debug_name "$stock" "$BASE")
	D=$root$K
	mkdir -p "$D"
	mount --bind "$2" "$D"
	step "copying the kernel's source for the debug kernel" "1 minute"
	cp -a --reflink=auto "$stock/linux" "$D/linux"
	logged in_root "$root" make -s -C "$K/linux" LLVM=1 mrproper
	RELEASE=$(<"$stock/release")
	RELEASE=${RELEASE%-"$DEBUG_FLAVOUR"}-debug
	printf '%s' "${RELEASE#"$(in_root "$root" make -s -C "$K/linux" kernelversion)"}" >"$D/linux/localversion-debian"
	configure_debug "$root"
	build_debug "$root"
	echo "$RELEASE" >"$D/release"
	umount "$D"
}

# Whatever the fragment does not name is off. Kconfig is silent about what it
# cannot give, so that is looked for.
configure_debug() {
	local root=$1 line name lost=()
	cp "$DEBUG_CONFIG" "$D/config"
	logged in_root "$root" make -C "$K/linux" LLVM=1 LOCALVERSION= KCONFIG_ALLCONFIG="$K/config" allnoconfig
	while read -r line; do
		case $line in
		'# CONFIG_'*' is not set')
			name=${line#\# }
			! grep -q "^${name% is not set}=" "$D/linux/.config" || lost+=("$line")
			;;
		CONFIG_*) grep -qxF -- "$line" "$D/linux/.config" || lost+=("$line") ;;
		esac
	done <"$D/config"
	[ ${#lost[@]} -eq 0 ] || die "this kernel's configuration cannot have what ${DEBUG_CONFIG#"$CLONE/"} asks for (dependencies?):$(printf '\n    %s' "${lost[@]}")"
}

build_debug() {
	local root=$1 modules=$D/image/usr/lib/modules/$RELEASE made
	step "building the debug kernel" "20 minutes"
	logged in_root "$root" make -C "$K/linux" -j"$(nproc)" LLVM=1 LOCALVERSION= bzImage modules
	made=$(in_root "$root" make -s -C "$K/linux" LLVM=1 LOCALVERSION= kernelrelease)
	[ "$made" = "$RELEASE" ] || die "the debug kernel calls itself $made, not $RELEASE"
	# It has no modules of its own, of which modpost would make this.
	[ -e "$D/linux/Module.symvers" ] || cp "$D/linux/vmlinux.symvers" "$D/linux/Module.symvers"
	mkdir -p "$D/image/boot" "$modules"
	cp "$D/linux/arch/x86/boot/bzImage" "$modules/vmlinuz"
	ln "$modules/vmlinuz" "$D/image/boot/vmlinuz-$RELEASE"
	touch "$modules/modules.order"
	cp "$D/linux/modules.builtin" "$D/linux/modules.builtin.modinfo" "$modules/"
	ln -s "$K/linux" "$modules/build"
	logged in_root "$root" depmod -b "$K/image/usr" "$RELEASE"
	rm -f "$D"/linux/.tmp_vmlinux* "$D/linux/vmlinux.o"
}

# Makes it if it is not there; KERNEL is the stock kernel before, and this one after.
ensure_debug() {
	local tmp=$1 stock=$KERNEL
	KERNEL=$CACHE/kernel/$(debug_name "$stock" "$BASE")
	if [ ! -e "$KERNEL" ]; then
		overlay "$tmp/root" "$BASE"
		make_debug_kernel "$tmp/root/root" "$tmp/debug" "$stock"
		sync -f "$tmp"
		mv -T "$tmp/debug" "$KERNEL"
		umount "$tmp/root/root/proc" "$tmp/root/root" "$tmp/root"
	fi
	set_link "$KERNEL" "$(kernel_link "$BASE")"
}
