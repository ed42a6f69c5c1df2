#!/bin/sh
# SPDX-License-Identifier: MIT
# Show that each rule of lib/ring_rules.h is needed: build the ring binding
# without it, and see its test fail that passes with it.
#
#   ring_controls.sh TEST_PROGRAM LIBURCTX.SO [RULE...]
#
# TEST_PROGRAM has the tests, by the names of the rules ([rule1]...). Needs $CC,
# $top_srcdir. Ends with 77 where io_uring is forbidden.
#
# A rule's build compiles the files that mention it; two rules at a time, and no run
# of a test takes more than 20 seconds.
set -u

program=$1 core=$(readlink -f "$2")
shift 2
srcdir=${top_srcdir:-$(cd "$(dirname "$0")/.." && pwd)}
rules=$srcdir/lib/ring_rules.h

# compile DIRECTORY "FLAGS" FILE...
compile() {
	dir=$1 flags=$2
	shift 2
	for file; do
		${CC:-cc} -std=gnu11 -O1 -fPIC -fvisibility=hidden -pthread -w \
			-D_GNU_SOURCE -DURCTX_URING_LIBRARY $flags \
			-I"$srcdir/include" -include "$srcdir/lib/export.h" \
			-c -o "$dir/$(basename "$file" .c).o" "$file" || return 1
	done
}

# link DIRECTORY: what was compiled there, and the rest as it is
link() {
	objects=
	for object in "$work"/all/*.o; do
		own=$1/${object##*/}
		[ -e "$own" ] || own=$object
		objects="$objects $own"
	done
	${CC:-cc} -shared -pthread -Wl,-soname,liburctx-uring.so.0 \
		-o "$1/liburctx-uring.so.0" $objects \
		-L"$work" -Wl,-rpath,"$work" -lurctx -luring
}

# with LIBRARY TESTS: their exit status, 124 when they hang
with() {
	LD_PRELOAD="$work/$1/liburctx-uring.so.0" \
		timeout 20 "$program" -a "$2" >"$work/$1.log" 2>&1
}

# Which files to compile without it.
mentioning() {
	if grep -qw "URCTX_RULE_$1" "$srcdir"/lib/ring.h "$srcdir"/lib/ring_[!r]*.h; then
		ls "$srcdir"/lib/ring*.c
	else
		grep -lw "URCTX_RULE_$1" "$srcdir"/lib/ring*.c
	fi
}

# One row of the table, on stdout.
one() {
	rule=$1 passes=FAILS without=-
	text=$(sed -n "/URCTX_RULE_${rule}\$/{x;p;};h" "$rules" |
		sed 's,^/\* ,,; s, \*/$,,' | head -n 1)
	ln -s all "$work/with$rule"
	with "with$rule" "[rule$rule]"
	case $? in
	0)	passes=passes ;;
	124)	passes=HANGS ;;
	esac
	grep -q 'No test cases matched' "$work/with$rule.log" && passes='NO TEST'
	mkdir "$work/$rule"
	if compile "$work/$rule" "-DURCTX_RULE_$rule=0" $(mentioning "$rule") &&
	   link "$work/$rule"; then
		(URCTX_TEST_PATIENCE=2; export URCTX_TEST_PATIENCE; with "$rule" "[rule$rule]")
		case $? in
		0)	without=PASSES ;;
		124)	without=hangs ;;
		13[0-9])	without=crashes ;;
		*)	without=fails ;;
		esac
	else
		without='NO BUILD'
	fi
	grep -q "^| $rule |" "$srcdir/doc/pitfalls.md" || passes='NO DOC'
	printf '%-6s %-9s %-9s %s\n' "$rule" "$passes" "$without" "$text"
}

if [ -n "${URCTX_CONTROLS-}" ]; then	# a child of the run below
	work=$URCTX_CONTROLS
	one "$1" >"$work/$1.row"
	exit 0
fi

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
ln -s "$core" "$work/liburctx.so.0"
ln -s "$core" "$work/liburctx.so"
mkdir "$work/all"
compile "$work/all" '' "$srcdir"/lib/ring*.c "$srcdir"/lib/heap.c \
	"$srcdir"/lib/times.c "$srcdir"/lib/sys.c && link "$work/all" || exit 1
with all '[rule1]'
if grep -q 'skipped: io_uring' "$work/all.log"; then
	grep -m 1 'skipped: io_uring' "$work/all.log"
	exit 77
fi

[ $# != 0 ] || set -- $(sed -n 's/^#define URCTX_RULE_\([0-9]*\) .*/\1/p' "$rules")
export URCTX_CONTROLS="$work"
printf '%s\n' "$@" | xargs -P 2 -I '{}' "$0" "$program" "$core" '{}'

printf '%-6s %-9s %-9s %s\n' rule with without 'what it is'
failures=0
for rule; do
	cat "$work/$rule.row"
	case $(cut -c 8-27 "$work/$rule.row") in
	'passes    fails '*|'passes    hangs '*|'passes    crashes '*) ;;
	*)	failures=$((failures + 1)) ;;
	esac
done
if [ "$failures" != 0 ]; then
	echo "ring_controls: $failures of $# rules without a test that needs them"
	exit 1
fi
echo "ring_controls: each of $# rules has a test that fails without it"
