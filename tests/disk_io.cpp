/* SPDX-License-Identifier: MIT */
/*
 * disk_io.cpp - calls of urctx/io.h on a slow disk
 *
 * They return when the disk has answered, with what it said: until then the buffer
 * is the kernel's.  With io_uring or without.
 */
#include "disk.hpp"
#include <urctx/io.h>

static void pread_is_waited_for(const std::function<void(struct urctx *)> &end)
{
	disk d;
	DISK_OR_SKIP(d);
	struct urctx *ctx = nullptr;
	a_read r;
	ssize_t got = 0;

	REQUIRE(urctx_with_timeout(nullptr, 3 * SEC, &ctx) == 0);
	thread reader([&] { got = urctx_pread(ctx, d.fd, r.data, SECTOR, 0); });
	d.arrived(1);
	end(ctx);
	REQUIRE(urctx_wait(ctx, urctx_now() + DISK_PATIENCE) == 0);
	CHECK(r.all('.'));
	d.let_go();
	reader.join();
	CHECK(got == (ssize_t)SECTOR);
	CHECK(r.all('d'));
	/* the next one is not begun */
	CHECK(urctx_pread(ctx, d.fd, r.data, SECTOR, 0) == urctx_err(ctx));
	urctx_put(ctx);
}

TEST_CASE("fuse: urctx_pread and a cancel that the disk does not hear", "[disk][io]")
{
	pread_is_waited_for([](struct urctx *ctx) { urctx_cancel(ctx); });
}

TEST_CASE("fuse: urctx_pread and a deadline that the disk does not hear", "[disk][io]")
{
	pread_is_waited_for([](struct urctx *) {});
}
