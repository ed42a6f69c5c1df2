# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2086,SC2154
# The gates of ./dev ci, which reads this file: each prints one line, and has
# its log in build-ci/NAME.log. A gate exits 77 where this machine forbids what
# it needs; the last line of its log then says what that is.

passed=0 failed=0 skipped=0
here=$PWD
mkdir -p build-ci

# counted LOG FIELD: the sum over its lines "N passed, N failed"
counted() {
	awk -v field="$2" '/^[0-9]+ passed, [0-9]+ failed$/ { sum += $(field) }
		END { print sum + 0 }' "$1"
}

# gate NAME COMMAND...: one line, and the cases that its log counts
gate() {
	name=$1 log=build-ci/$1.log start=$(date +%s) rc=0
	shift
	("$@") >"$log" 2>&1 </dev/null || rc=$?
	took=$(($(date +%s) - start))
	good=$(counted "$log" 1) bad=$(counted "$log" 3)
	# make says 2 for whatever its command ended with
	tail -n 1 "$log" | grep -q '^make.* Error 77$' && rc=77
	case $rc in
	0)
		passed=$((passed + 1 + good))
		echo "PASS $name (${took} s, $good cases)" | sed 's/, 0 cases//'
		;;
	77)
		skipped=$((skipped + 1))
		echo "SKIP $name (${took} s): $(grep -v '^make' "$log" | tail -n 1)"
		;;
	*)
		[ "$bad" != 0 ] || bad=1
		passed=$((passed + good)) failed=$((failed + bad))
		echo "FAIL $name (${took} s): the end of $log:"
		tail -n 40 "$log" | sed 's/^/    /'
		;;
	esac
}

# checked DIR ARG...: build with these and run the tests; of the checks of the
# source, which have gates of their own, the one that looks at what was built
checked() {
	dir=build-ci/$1
	shift
	configured "$dir" --enable-Werror --enable-tests --prefix="$here/build-ci/root" "$@" &&
		make_in "$dir" all || return
	rc=0
	make_in "$dir" check VERBOSE=1 SOURCE_CHECKS=scripts/check-symbols || rc=$?
	scripts/cases "$dir"
	return $rc
}

clang='CC=clang-19 CXX=clang++-19'

# layer NAME [FORM]: one of tests/verify
layer() {
	top_builddir=$here/build-ci/gcc VERIFY_DIR=$here/build-ci/$1 \
		SOURCE_CHECKS=scripts/check-symbols "tests/verify/$1" ${2+"$2"}
}

# control NAME BUILD COMPILER...: tests/control_NAME.c, linked to that build
control() {
	source=$1 with=$2
	shift 2
	"$@" -g -O1 -pthread -Iinclude "tests/control_$source.c" \
		-L"build-ci/$with/.libs" -lurctx -Wl,-rpath,"$here/build-ci/$with/.libs" \
		-o "build-ci/$with/control_$source"
}

# reported COMMAND...: it ends with 66, a sanitizer's or valgrind's report, when
# told to do wrong, and with 0 otherwise
reported() {
	"$@" || return
	wrong=0
	"$@" wrong || wrong=$?
	echo "wrong on purpose: exit status $wrong, 66 is reported"
	[ $wrong = 66 ]
}

valgrind_control() {
	configured build-ci/debug --enable-debug --disable-tests --disable-uring &&
		make_in build-ci/debug liburctx.la &&
		control use debug gcc &&
		reported valgrind -q --error-exitcode=66 build-ci/debug/control_use
}

# LeakSanitizer stops its process with ptrace
leaks() {
	echo 'int main(void) { return 0; }' >build-ci/leaks.c
	clang-19 -fsanitize=address build-ci/leaks.c -o build-ci/leaks || return
	ASAN_OPTIONS=detect_leaks=1 build-ci/leaks && return
	echo 'ptrace is forbidden here: asan-ubsan does not look for leaks'
	return 77
}

self_tests() {
	for check in go headers order style symbols; do
		scripts/check-$check --self-test || return
	done
	scripts/verify --self-test
}

installed() {
	rm -rf build-ci/root
	make_in build-ci/gcc install &&
		scripts/check-install "$here/build-ci/root" || return
	make_in build-ci/gcc uninstall || return
	left=$(find build-ci/root ! -type d)
	[ -z "$left" ] || { echo "uninstall leaves $left"; return 1; }
}

# From the tarball everything is built, and so much is run: the rest has been by now.
dist_tests='tests/check-core tests/check-ring tests/check-io examples/cancellation
	examples/ring_recv scripts/check-symbols'

gate self-tests self_tests
gate style scripts/check-style
gate order scripts/check-order
gate table scripts/verify --table
gate headers scripts/check-headers
gate gcc checked gcc
gate go make_in build-ci/gcc check-go
gate install installed
gate no-uring checked no-uring --disable-uring --disable-tests
gate litmus make_in build-ci/gcc check-litmus
gate mc make_in build-ci/gcc check-mc-quick
# only the weakened ones are run: of the others the gate before this has the quick
# ones, make verify all
gate mutants make_in build-ci/gcc check-mutants MUTANTS_FLAGS=--trust
gate ring-controls make_in build-ci/gcc check-ring-controls
gate clang-debug checked clang-debug --enable-debug $clang
gate valgrind-control valgrind_control
leaks=1
gate leaks leaks
[ $rc = 0 ] || leaks=0
export leaks
gate asan-ubsan layer asan
gate asan-control layer asan --control
gate tsan layer tsan
gate tsan-control layer tsan --control
gate distcheck make_in build-ci/gcc distcheck TESTS="$dist_tests"

# Tests that a machine forbids say so, and pass. What they skip because it needs
# another build runs in that one.
forbidden=$(sed -n '/io_uring\|ptrace\|seccomp\|forbid/s/^ *skipped: /SKIP /p' \
	build-ci/*/tests/*.log build-ci/*/b/tests/*.log | sort -u)
if [ -n "$forbidden" ]; then
	echo "$forbidden"
	skipped=$((skipped + $(echo "$forbidden" | wc -l)))
fi

skips=
[ $skipped = 0 ] || skips=", $skipped skipped"
echo "$passed passed, $failed failed$skips"
[ $failed = 0 ]
