# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the layers that are sh have in common; sourced by them. Gives: top_srcdir,
# top_builddir, VERIFY_DIR, JOBS, as scripts/verify sets them or as they are by hand.
set -eu
layer=$(basename "$0")
top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$top_srcdir/build}
VERIFY_DIR=${VERIFY_DIR:-$top_builddir/verify/$layer}
JOBS=${JOBS:-$(nproc)}
export top_srcdir top_builddir VERIFY_DIR JOBS
mkdir -p "$VERIFY_DIR"

# make_in DIR ARG...
make_in() {
	make_dir=$1
	shift
	make -C "$make_dir" -j"$JOBS" V=0 "$@"
}

# configured SRC DIR ARG...: kept if it was configured with these; no make yet
configured() {
	from=$1 dir=$2
	shift 2
	[ -x "$from/configure" ] || (cd "$from" && ./bootstrap >/dev/null)
	[ "$(cat "$dir/.configured" 2>/dev/null)" = "$*" ] && return
	rm -rf "$dir"
	mkdir -p "$dir"
	(cd "$dir" && "$from/configure" --quiet "$@") >"$dir/configure.out" 2>&1 || {
		tail -n 20 "$dir/configure.out"
		return 1
	}
	echo "$*" >"$dir/.configured"
}

# built_in NAME ARG...: configured with these and made, below VERIFY_DIR
built_in() {
	built=$VERIFY_DIR/$1
	shift
	configured "$top_srcdir" "$built" "$@" && make_in "$built" all
}

# cases DIR: what Catch2 said in the logs of its tests, as "N passed, N failed"
cases() {
	"$top_srcdir/scripts/cases" "$1"
}

# checked DIR: make check there, and its cases; the logs say what was skipped
checked() {
	rc=0
	make_in "$1" check VERBOSE=1 ${SOURCE_CHECKS:+SOURCE_CHECKS="$SOURCE_CHECKS"} || rc=$?
	cases "$1"
	programs=$(find "$1/tests" "$1/scripts" "$1/examples" -name '*.trs' | wc -l)
	return $rc
}

# wrong_library NAME FILE SED: liburctx once more, with that one mistake in lib/FILE;
# $wrong is where it is, to be found first
wrong_library() {
	wrong=$VERIFY_DIR/wrong-$1
	mkdir -p "$wrong"
	sed "$3" "$top_srcdir/lib/$2" >"$wrong/$2"
	if cmp -s "$top_srcdir/lib/$2" "$wrong/$2"; then
		echo "control: $1: cannot be planted, lib/$2 has changed"
		return 1
	fi
	${CC:-gcc} -std=gnu11 -g -O1 -fPIC -fvisibility=hidden -pthread -w -D_GNU_SOURCE \
		-I"$top_srcdir/include" -I"$top_srcdir/lib" -include "$top_srcdir/lib/export.h" \
		-c -o "$wrong/wrong.o" "$wrong/$2"
	objects=$(find "$top_builddir/lib/.libs" -name 'liburctx_la-*.o' \
		! -name "liburctx_la-${2%.c}.o")
	# shellcheck disable=SC2086
	${CC:-gcc} -shared -pthread -Wl,-soname,liburctx.so.0 -o "$wrong/liburctx.so.0" \
		$objects "$wrong/wrong.o" -lurcu-bp -lurcu-common
}

# kept COMMAND...: its output, also in $VERIFY_DIR/out; and its status
kept() {
	rc=0
	"$@" >"$VERIFY_DIR/out" 2>&1 || rc=$?
	cat "$VERIFY_DIR/out"
	return $rc
}

# found MISTAKE SAYS COMMAND...: that command must fail, and say so: a regular expression
# of grep -E, as a tool that is missing, or a compiler's error, is no mistake found
missed=0
found() {
	mistake=$1 says=$2
	shift 2
	if "$@" >"$VERIFY_DIR/control.out" 2>&1 </dev/null; then
		echo "control: $mistake: NOT FOUND"
		missed=1
	elif ! grep -Eq -- "$says" "$VERIFY_DIR/control.out"; then
		echo "control: $mistake: NOT FOUND: it fails, and says nothing of: $says"
		tail -n 20 "$VERIFY_DIR/control.out"
		missed=1
	else
		echo "control: $mistake: found"
	fi
}

# said FILE: a command that has failed, and what it said
said() {
	cat "$1"
	return 1
}
