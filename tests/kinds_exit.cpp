/* SPDX-License-Identifier: MIT */
/*
 * kinds_exit.cpp - rings that go while the kernel still has an op
 *
 * A worker of the kernel that touches a page which userfaultfd keeps from it is
 * stuck there, and nothing but the page lets it go: no cancel, no close.
 */
#include "ring_support.hpp"

#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

constexpr size_t PAGE = 4096;

/* A page that nobody has until give(), and a file to be read into it. */
struct withheld {
	withheld()
	{
		struct uffdio_api api = {};
		struct uffdio_register reg = {};
		std::string data(PAGE, 'A');

		uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		if (uffd < 0)
			return;
		mem = (char *)mmap(nullptr, PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		REQUIRE(mem != MAP_FAILED);
		api.api = UFFD_API;
		REQUIRE(ioctl(uffd, UFFDIO_API, &api) == 0);
		reg.range = { (uintptr_t)mem, PAGE };
		reg.mode = UFFDIO_REGISTER_MODE_MISSING;
		REQUIRE(ioctl(uffd, UFFDIO_REGISTER, &reg) == 0);
		file = memfd_create("withheld", MFD_CLOEXEC);
		REQUIRE(write(file, data.data(), PAGE) == (ssize_t)PAGE);
	}
	withheld(const withheld &) = delete;
	~withheld()
	{
		if (uffd < 0)
			return;
		close(uffd);
		close(file);
		munmap(mem, PAGE);
	}
	/* Somebody has touched it, and waits. */
	bool touched() const
	{
		struct pollfd pfd = { uffd, POLLIN, 0 };

		return poll(&pfd, 1, (int)(PATIENCE / 1000000)) == 1;
	}
	void give() const
	{
		struct uffdio_zeropage zero = {};

		zero.range = { (uintptr_t)mem, PAGE };
		REQUIRE(ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == 0);
	}
	bool written() const
	{
		int64_t end = urctx_now() + PATIENCE;
		const volatile char *first = mem;

		while (*first != 'A' && urctx_now() < end)
			sched_yield();
		return *first == 'A';
	}
	void prepare(struct io_uring_sqe *sqe) const
	{
		io_uring_prep_read(sqe, file, mem, PAGE, 0);
		sqe->flags |= IOSQE_ASYNC;
	}

	int uffd, file = -1;
	char *mem = nullptr;
};

#define OR_SKIP_WITHHELD(w)                                                    \
	if ((w).uffd < 0) {                                                    \
		WARN("skipped: userfaultfd: " << strerror(errno));             \
		return;                                                        \
	}

/* What ring_detach() is for: this is not the library's doing, but the kernel's. */
TEST_CASE("the kernel writes into a buffer behind io_uring_queue_exit", "[kinds][exit]")
{
	struct io_uring u;
	withheld page;

	OR_SKIP_WITHHELD(page);
	int error = io_uring_queue_init(8, &u, 0);
	if (error) {
		WARN("skipped: io_uring_setup: " << strerror(-error));
		return;
	}
	page.prepare(io_uring_get_sqe(&u));
	REQUIRE(io_uring_submit(&u) == 1);
	REQUIRE(page.touched());
	io_uring_queue_exit(&u);
	page.give();
	CHECK(page.written());
}

TEST_CASE("detach does not let go of a buffer that the kernel has", "[kinds][exit]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		withheld page;
		an_op op;
		OR_SKIP_WITHHELD(page);
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;
		struct io_uring_sqe *s = r.sqe();

		page.prepare(s);
		REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
		r.submit();
		REQUIRE(page.touched());
		CHECK(urctx_ring_drain(r.r, ctx, urctx_now() + SEC / 100) == 1);
		/* drain cancels nothing, detach does: and asks in vain */
		CHECK(urctx_ring_detach(r.r, urctx_now() + SEC / 100) == 1);
		CHECK(urctx_ring_detach(r.r, 0) == 1);
		CHECK(r.stats().in_flight == 1);
		CHECK(r.stats().cancels > 0);
		CHECK(op.calls == 0);
		page.give();
		CHECK(urctx_ring_detach(r.r, urctx_now() + PATIENCE) == 0);
		r.r = nullptr;
		CHECK(op.calls == 1);
		CHECK(op.cause == &urctx_canceled);
		/* in time or not: what has been written is in the result */
		CHECK((op.res == (int)PAGE || op.res == -EINTR || op.res == -ECANCELED));
		CHECK((op.res < 0 || *page.mem == 'A'));
	}
}

/* An op that the kernel does not let go of: it is asked for again, and counted. */
TEST_CASE("a stuck op is counted, and ends when it can", "[kinds][exit][G11]")
{
	withheld page;
	an_op op;

	OR_SKIP_WITHHELD(page);
	ring r(8);
	OR_SKIP(r);
	context ctx;
	struct io_uring_sqe *s = r.sqe();
	page.prepare(s);
	REQUIRE(urctx_ring_bind(r.r, s, ctx, &op.op) == 0);
	r.submit();
	REQUIRE(page.touched());
	urctx_cancel(ctx);
	REQUIRE(r.until([&] { return r.stats().stuck == 1; }));
	CHECK(r.stats().retries >= 7);
	CHECK(op.calls == 0);
	page.give();
	REQUIRE(r.until_ended(op));
	CHECK(op.calls == 1);
	CHECK(r.stats().stuck == 0);
}
