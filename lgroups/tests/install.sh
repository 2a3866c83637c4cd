#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# What a user does, as root in a guest with the module: installs it all, builds
# the README's two programs, runs groupctl, and has it all removed. Prints TAP.

set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

number=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# check WHAT COMMAND...
check() {
	local what=$1 result=ok
	shift
	number=$((number + 1))
	"$@" || result='not ok'
	echo "$result $number - $what"
}

says() { [ "$("${@:2}")" = "$1" ]; }

# program N: the Nth program in C of the README.
program() { awk -v wanted="$1" '/^```/ { inside = /^```c$/ && ++n == wanted; next } inside' ../README.md; }

# build PROGRAM FLAGS...: the second one, as the README does.
build() { cc -o "$dir/$1" "$dir/demo.c" "${@:2}"; }

is_first() { cc -I../include -o "$dir/first" "$dir/first.c" && says 'is there coffee?' "$dir/first"; }

is_static() { build static "$@" && says 'is there coffee?' "$dir/static" && [[ $(ldd "$dir/static") != *lgroups* ]]; }

is_shared() { build demo "$@" && says 'is there coffee?' "$dir/demo" && [[ $(ldd "$dir/demo") == *liblgroups.so.0* ]]; }

lists_kitchen() { [[ $(groupctl list) == *kitchen* ]]; }

nothing_is_left() { [ -z "$(find /usr/local -name '*group*' ! -type d)" ]; }

program 1 >"$dir/first.c"
program 2 >"$dir/demo.c"
check 'the README'\''s first program builds as it says there, and runs' is_first
check 'make install' make --silent install
read -ra flags < <(pkg-config --cflags --libs lgroups)
read -ra private < <(pkg-config --libs --static lgroups | sed 's/-llgroups/-l:liblgroups.a/')
check 'the one with the library builds with pkg-config, and runs' is_shared "${flags[@]}"
check 'so it does with the static library' is_static "${private[@]}"
check 'groupctl has the version of the library' says "groupctl $(pkg-config --modversion lgroups)" groupctl --version
check 'groupctl lists the program'\''s group' lists_kitchen
check 'make uninstall' make --silent uninstall
check 'nothing is left' nothing_is_left
echo "1..$number"
