#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# planted.sh's part in the guest: plants one bug after the other, each between
# two marks in the kernel's log.
#
#   tests/debug/planted-guest.sh MODULE NUMBER:NAME...

set -euo pipefail

# shellcheck source=tests/debug/kmemleak.sh
source "${BASH_SOURCE[0]%/*}/kmemleak.sh"

module=$1
shift
for bug in "$@"; do
	echo "planted: begin ${bug#*:}" >/dev/kmsg
	insmod "$module" "bug=${bug%%:*}"
	# Here alone, since scanning takes long; and now, since later nobody knows
	# whose functions those were.
	[[ $bug != *:leak ]] || kmemleak_is_empty || echo "not empty"
	rmmod planted
	echo "planted: end ${bug#*:}" >/dev/kmsg
done
