#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# tests/man.sh PAGE...: manual pages have to render without a warning, by man and
# by mandoc.

set -euo pipefail

for tool in man mandoc; do
	command -v "$tool" >/dev/null || { echo "man.sh: $tool is missing (in Debian: man-db, groff, mandoc)" >&2; exit 1; }
done
failed=0
for page in "$@"; do
	# In a terminal's width, in colour or not: what it prints is not looked at.
	said=$(MANWIDTH=80 man --warnings --encoding=UTF-8 --local-file --pager=cat "$page" 2>&1 >/dev/null) || said+=" (failed)"
	said+=$(mandoc -Tlint -Wwarning "$page" 2>&1) || true
	[ -z "$said" ] || { printf '%s\n' "$said" >&2; failed=1; }
done
exit "$failed"
