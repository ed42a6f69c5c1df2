# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154
# Beside common.sh, for the layers of clang-19's sanitizers, which are CI's gates too.

# sanitized SANITIZERS CONTROL: a build with these in $built; with --control, also
# tests/control_CONTROL.c in $control, which has done right by then
sanitized() {
	built_in b --disable-bench --enable-Werror --enable-sanitize="$1" CC=clang-19 \
		CXX=clang++-19 >"$VERIFY_DIR/build.log" 2>&1 || {
		tail -n 40 "$VERIFY_DIR/build.log"
		return 1
	}
	[ "$form" = --control ] || return 0
	control=$VERIFY_DIR/control_$2
	clang-19 -fsanitize="$1" -g -O1 -pthread -I"$top_srcdir/include" \
		"$top_srcdir/tests/control_$2.c" -L"$built/.libs" -lurctx \
		-Wl,-rpath,"$built/.libs" -o "$control"
	"$control"
}

# $figure: what its tests said, none of which got a report
passed() {
	checked "$built"
	figure="$(cases "$built" | sed 's/ passed.*//') cases in $programs programs, no report"
}

form=${1-}
if [ "$form" = --quick ]; then
	echo 'figure: the gate of that name of ./dev ci'
	exit 0
fi
