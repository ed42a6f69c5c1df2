#!/bin/sh
# SPDX-License-Identifier: MIT
# Show that each rule of lib/ring_rules.h is needed: build the ring binding
# without it, and see its test fail that passes with it.
#
#   ring_controls.sh TEST_PROGRAM LIBURCTX.SO
#
# TEST_PROGRAM has the tests, by the names of the rules ([rule1]...). Needs $CC,
# $top_srcdir. Ends with 77 where io_uring is forbidden.
set -u

program=$1 core=$(readlink -f "$2")
srcdir=${top_srcdir:-$(cd "$(dirname "$0")/.." && pwd)}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
ln -s "$core" "$work/liburctx.so.0"
ln -s "$core" "$work/liburctx.so"

# build DIRECTORY FLAG...
build() {
	dir=$1
	shift
	mkdir "$dir" &&
	${CC:-cc} -std=gnu11 -O1 -g -fPIC -shared -fvisibility=hidden -pthread \
		-D_GNU_SOURCE -DURCTX_URING_LIBRARY "$@" -w \
		-I"$srcdir/include" -include "$srcdir/lib/export.h" \
		-Wl,-soname,liburctx-uring.so.0 -o "$dir/liburctx-uring.so.0" \
		"$srcdir"/lib/ring*.c "$srcdir"/lib/heap.c "$srcdir"/lib/sys.c \
		-L"$work" -Wl,-rpath,"$work" -lurctx -luring
}

# with LIBRARY TESTS: their exit status, 124 when they hang
with() {
	LD_PRELOAD="$1/liburctx-uring.so.0" \
		timeout 20 "$program" "$2" >"$work/log" 2>&1
}

failures=0
build "$work/all" || exit 1
with "$work/all" '[ring]'
if grep -q 'skipped: io_uring' "$work/log"; then
	grep -m 1 'skipped: io_uring' "$work/log"
	exit 77
fi

printf '%-6s %-9s %-14s %s\n' rule with without 'what it is'
for rule in $(sed -n 's/^#define URCTX_RULE_\([0-9]*\) .*/\1/p' \
		"$srcdir/lib/ring_rules.h"); do
	text=$(sed -n "/URCTX_RULE_${rule}\$/{x;p;};h" "$srcdir/lib/ring_rules.h" |
		sed 's,^/\* ,,; s, \*/$,,' | head -n 1)
	tests="[rule$rule]"
	[ "$rule" = 15 ] && tests="[rule15],[rule16]"
	with "$work/all" "$tests" && passes=passes || passes=FAILS
	grep -q 'No test cases matched' "$work/log" && passes='NO TEST'
	build "$work/$rule" "-DURCTX_RULE_$rule=0" || exit 1
	with "$work/$rule" "$tests"
	case $? in
	0)	without=PASSES ;;
	124)	without='hangs' ;;
	13[0-9])	without='crashes' ;;
	*)	without='fails' ;;
	esac
	printf '%-6s %-9s %-14s %s\n' "$rule" "$passes" "$without" "$text"
	[ "$passes $without" = 'passes hangs' ] ||
		[ "$passes $without" = 'passes fails' ] ||
		[ "$passes $without" = 'passes crashes' ] ||
		failures=$((failures + 1))
done
if [ "$failures" != 0 ]; then
	echo "ring_controls: $failures rules without a test that needs them"
	exit 1
fi
echo "ring_controls: every rule has a test that fails without it"
