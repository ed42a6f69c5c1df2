/* SPDX-License-Identifier: MIT */
/*
 * disk.hpp - disks whose reads cannot be aborted, and take as long as is needed
 *
 * FUSE: a file of our own, whose reads come back when the test lets them go.
 * BLOCK: a device that delays each read by seconds, null_blk, which a guest of
 * scripts/check-kernels has and names in URCTX_TEST_BLOCK.
 */
#ifndef URCTX_TESTS_DISK_HPP
#define URCTX_TESTS_DISK_HPP

#include "fuse_slow.h"
#include "ring_support.hpp"

enum kind { FUSE, BLOCK };

constexpr int64_t DISK_PATIENCE = 40 * SEC;	/* several delays of the device */
constexpr size_t SECTOR = 512;

class disk
{
public:
	explicit disk(enum kind kind = FUSE) : kind(kind)
	{
		if (kind == FUSE)
			open_fuse();
		else
			open_block();
	}
	disk(const disk &) = delete;
	~disk()
	{
		if (fd >= 0)
			close(fd);
		if (mounted)
			fuse_slow_close(&fuse);
	}
	/* @nr reads have left for the disk; BLOCK: with their submission. */
	bool comes(unsigned nr)
	{
		return kind != FUSE || fuse_slow_arrived(&fuse, nr);
	}
	void arrived(unsigned nr)
	{
		REQUIRE(comes(nr));
	}
	/* BLOCK: they come back by themselves. */
	void let_go(char byte = 'd')
	{
		if (kind == FUSE)
			fuse_slow_let_go(&fuse, byte);
	}
	int interrupted() const
	{
		return kind == FUSE ? fuse_slow_interrupted(&fuse) : 0;
	}

	const enum kind kind;
	int fd = -1;
	std::string forbidden;

private:
	void open_fuse()
	{
		const char *what;
		int ret = fuse_slow_open(&fuse, &what);

		mounted = !ret;
		if (mounted)
			ret = fd = fuse_slow_file(&fuse);
		if (ret < 0)
			forbidden = std::string(what) + " is forbidden: " +
				    strerror(-ret);
	}
	void open_block()
	{
		const char *name = getenv("URCTX_TEST_BLOCK");

		if (name)
			fd = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
		if (fd < 0)
			forbidden = "no null_blk with a delay (guests have it)";
	}

	struct fuse_slow fuse = {};
	bool mounted = false;
};

#define DISK_OR_SKIP(d)                                                        \
	if (!(d).forbidden.empty()) {                                          \
		WARN("skipped: " << (d).forbidden);                            \
		return;                                                        \
	}

/* A read of one sector, into memory that a device can write to. */
struct a_read : an_op {
	a_read()
	{
		if (posix_memalign((void **)&data, 4096, SECTOR))
			abort();
		memset(data, '.', SECTOR);
	}
	~a_read()
	{
		free(data);
	}
	struct io_uring_sqe *prepare(ring &r, const disk &d)
	{
		struct io_uring_sqe *s = r.sqe();

		io_uring_prep_read(s, d.fd, data, SECTOR, 0);
		/* else the owner's own thread is in the disk: FUSE is always ready */
		if (d.kind == FUSE)
			s->flags |= IOSQE_ASYNC;
		return s;
	}
	/* Bound, submitted, and in the disk as the @nr-th. */
	void start(ring &r, disk &d, struct urctx *ctx, unsigned nr = 1,
		   int64_t deadline = URCTX_NEVER, unsigned flags = 0)
	{
		REQUIRE(urctx_ring_bind_flags(r.r, prepare(r, d), ctx, &op, deadline,
					      flags) == 0);
		r.submit();
		d.arrived(nr);
	}
	bool all(char byte) const
	{
		for (size_t i = 0; i < SECTOR; i++)
			if (data[i] != byte)
				return false;
		return true;
	}
	/* It came whole, whatever was asked of the kernel meanwhile. */
	void came_from(const disk &d, const struct urctx_cause *why)
	{
		CHECK(calls == 1);
		CHECK(res == (int)SECTOR);
		CHECK(cause == why);
		if (d.kind == FUSE)
			CHECK(all('d'));
	}

	char *data;
};

#endif
