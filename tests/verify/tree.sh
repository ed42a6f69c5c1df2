# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154
# Beside common.sh, for layers that build the tree in other ways than it is.

# copy_tree TO: the sources, with what bootstrap made, and times as they are, so
# that make builds what has changed; not what somebody has built among them
copy_tree() {
	[ -x "$top_srcdir/configure" ] || (cd "$top_srcdir" && ./bootstrap >/dev/null)
	mkdir -p "$1"
	(cd "$top_srcdir" && tar -cf - --exclude='*.o' --exclude='*.lo' --exclude='*.la' \
		--exclude=.deps --exclude=.libs --exclude=__pycache__ --exclude=.git \
		--exclude='./build*' --exclude=./autom4te.cache \
		--exclude=./config.status --exclude=./Makefile .) | tar -xf - -C "$1"
	(cd "$top_srcdir" && tar -cf - ./build-aux) | tar -xf - -C "$1"
}

# is_plain DIR: built by gcc, with the flags of a user who says nothing
is_plain() {
	[ "$(sed -n 's/^CC = //p' "$1/Makefile" 2>/dev/null)" = gcc ] &&
		[ "$(sed -n 's/^CFLAGS = //p' "$1/Makefile")" = '-O2 -g' ] &&
		[ -z "$(sed -n 's/^SAN_CFLAGS = //p' "$1/Makefile")" ] &&
		! grep -q '^URCTX_CPPFLAGS = .*DEBUG' "$1/Makefile"
}

# plain_build: $plain is a build directory with these flags: the one given, or
# one of the layer's own
plain_build() {
	plain=$top_builddir
	is_plain "$plain" && return
	plain=$VERIFY_DIR/plain
	configured "$top_srcdir" "$plain" --disable-tests CC=gcc 'CFLAGS=-O2 -g'
}

# plant FILE SED: that change in a copy; it fails if there is nothing to change
plant() {
	sed "$2" "$1" >"$1.planted"
	if cmp -s "$1" "$1.planted"; then
		rm "$1.planted"
		echo "control: cannot be planted, $1 has changed: NOT FOUND"
		return 1
	fi
	cat "$1.planted" >"$1"
	rm "$1.planted"
}
