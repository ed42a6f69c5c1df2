/* SPDX-License-Identifier: MIT */
/* edges_wait.cpp - what a ring asks of the kernel, and what it makes of the answer */
#include "edges_kernel.hpp"
#include "ring_cover.hpp"

#include <dlfcn.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <urctx/io.h>

namespace
{
const struct urctx_cause why = { "why", __FILE__, "edges", __LINE__, -EPROTO };

/* One that is no call's. */
constexpr int NO_ERRNO = 4711;

template <typename F> int answered(const entered &e, F real)
{
	kernel *k = kernel::it;
	std::optional<int> said;

	if (k) {
		k->asked.push_back(e);
		said = k->says(e);
	}
	int ret = said ? *said : real();
	errno = NO_ERRNO;
	return ret;
}
}

thread_local kernel *kernel::it;
thread_local struct io_uring *kernel::ring;

#define REAL(name)                                                             \
	static const auto real = (decltype(name) *)dlsym(RTLD_NEXT, #name)

extern "C" {
int io_uring_submit(struct io_uring *ring)
{
	REAL(io_uring_submit);

	return answered({ entered::SUBMIT, 0, true, 0, 0, 0 }, [&] { return real(ring); });
}

int io_uring_submit_and_get_events(struct io_uring *ring)
{
	REAL(io_uring_submit_and_get_events);

	kernel::ring = ring;
	return answered({ entered::LOOK, 0, true, 0, 0, 0 }, [&] { return real(ring); });
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
				     unsigned nr, struct __kernel_timespec *ts,
				     sigset_t *mask)
{
	REAL(io_uring_submit_and_wait_timeout);

	return answered({ entered::WAIT, nr, ts != nullptr, ts ? ts->tv_sec : 0,
			  ts ? ts->tv_nsec : 0, 0 },
			[&] { return real(ring, cqe, nr, ts, mask); });
}

int io_uring_register_sync_cancel(struct io_uring *ring,
				  struct io_uring_sync_cancel_reg *reg)
{
	REAL(io_uring_register_sync_cancel);

	return answered({ entered::SYNC, reg->flags, true, reg->timeout.tv_sec,
			  reg->timeout.tv_nsec, reg->addr },
			[&] { return real(ring, reg); });
}
}

/* The first op that is given to the kernel ends with -ECANCELED, and nobody told it to. */
static std::optional<int> give_up(const entered &e, unsigned &nr)
{
	kernel *self = kernel::it;
	struct io_uring *ring = kernel::ring;

	if (e.what != entered::LOOK || nr)
		return std::nullopt;
	kernel::it = nullptr;
	int ret = io_uring_submit_and_get_events(ring);
	while (!io_uring_cq_ready(ring))
		io_uring_get_events(ring);
	kernel::it = self;
	ring->cq.cqes[*ring->cq.khead & ring->cq.ring_mask].res = -ECANCELED;
	nr++;
	return ret;
}

/* It has no worker for it, and says so. */
TEST_CASE("ring: what the kernel gives up by itself is done without a ring", "[io][edges]")
{
	char name[] = "/tmp/urctx-edges-XXXXXX";
	int fd = mkstemp(name);
	unsigned nr = 0;
	ring probe(8);
	OR_SKIP(probe);
	context c;

	REQUIRE(fd >= 0);
	unlink(name);
	{
		kernel none([&](const entered &e) { return give_up(e, nr); });

		CHECK(urctx_fsync(c, fd) == 0);
	}
	CHECK(nr == 1);
	CHECK(!urctx_err(c));
	close(fd);
}

/* As a timerfd does when the clock is set: what it had to say it has said. */
TEST_CASE("ring: an -ECANCELED that is the file's own is handed on", "[io][edges]")
{
	char name[] = "/tmp/urctx-edges-XXXXXX", buf[4096];
	int fd = inotify_init1(IN_CLOEXEC), file;
	unsigned nr = 0;
	ring probe(8);
	OR_SKIP(probe);
	struct urctx *c;

	REQUIRE(urctx_with_timeout(nullptr, 20 * SEC, &c) == 0);
	REQUIRE((file = mkstemp(name)) >= 0);
	REQUIRE(inotify_add_watch(fd, name, IN_ATTRIB) >= 0);
	REQUIRE(fchmod(file, 0600) == 0);
	{
		kernel none([&](const entered &e) { return give_up(e, nr); });

		long ret = urctx_read(c, fd, buf, sizeof(buf));
		CHECK(ret == (nr ? -ECANCELED : (long)sizeof(struct inotify_event)));
	}
	CHECK(!urctx_err(c));
	urctx_put(c);
	unlink(name);
	close(file);
	close(fd);
}

/* To the nanosecond, of a clock that stands. */
TEST_CASE("ring: for how long the kernel is to wait", "[ring][edges]")
{
	const int64_t some = 5 * SEC + 250000000;
	struct row {
		int64_t wait, op;	/* deadlines from now */
		bool ends;
		int64_t sec, nsec;
	};
	const row rows[] = {
		{ URCTX_NEVER, URCTX_NEVER, false, 0, 0 },
		{ some, URCTX_NEVER, true, 5, 250000000 },
		{ 999999999, URCTX_NEVER, true, 0, 999999999 },
		{ 0, URCTX_NEVER, true, 0, 0 },
		{ -5, URCTX_NEVER, true, 0, 0 },
		{ URCTX_NEVER, 2 * SEC, true, 2, 0 },
		{ some, 2 * SEC, true, 2, 0 },
		{ SEC, 2 * SEC, true, 1, 0 },
		{ 2 * SEC, 2 * SEC, true, 2, 0 },
		{ -5, 2 * SEC, true, 0, 0 },
	};

	for (const row &is : rows) {
		INFO(is.wait << ", and an op's " << is.op);
		an_op op;

		ring r(8);
		OR_SKIP(r);
		held clock;
		int64_t now = urctx_now();
		uint64_t ud = read_nowhere(r, nullptr, op,
					   is.op == URCTX_NEVER ? is.op : now + is.op);
		drop_queued(r);
		{
			kernel none([](const entered &) { return -ETIME; });

			errno = 1;
			CHECK(urctx_ring_wait(r.r, is.wait == URCTX_NEVER ? is.wait :
								    now + is.wait) == 0);
			CHECK(errno == 1);
			REQUIRE(none.asked.size() == 1);
			const entered &e = none.asked[0];
			CHECK(e.what == entered::WAIT);
			CHECK(e.nr == 1);
			CHECK(e.ends == is.ends);
			CHECK(e.sec == is.sec);
			CHECK(e.nsec == is.nsec);
		}
		REQUIRE(r.feed(ud, 1));
	}
}

/* The kernel counts from behind the submission, and that has taken its time. */
TEST_CASE("ring: what a submission has taken is not waited for", "[ring][edges]")
{
	struct row {
		int64_t takes;
		int says;
		int64_t sec, nsec;	/* that is left */
	};
	const row rows[] = {
		{ 0, 1, 5, 0 },		     { SEC, 1, 4, 0 },
		{ SEC / 4, 0, 4, 750000000 }, { 5 * SEC, 1, 0, 0 },
		{ 70 * SEC, 1, 0, 0 },
	};

	for (const row &is : rows) {
		INFO(is.takes << " ns, it says " << is.says);
		an_op op;

		ring r(8);
		OR_SKIP(r);
		held clock;
		uint64_t ud = read_nowhere(r, nullptr, op);
		{
			kernel slow([&](const entered &e) {
				if (e.what == entered::WAIT)
					return -ETIME;
				if (is.takes)
					REQUIRE(urctx_clock_advance(is.takes) == 0);
				return is.says;
			});

			errno = 1;
			CHECK(urctx_ring_wait(r.r, urctx_now() + 5 * SEC) == 0);
			CHECK(errno == 1);
			REQUIRE(slow.asked.size() == 2);
			CHECK(slow.asked[0].what == entered::LOOK);
			CHECK(slow.asked[1].what == entered::WAIT);
			CHECK(slow.asked[1].ends);
			CHECK(slow.asked[1].sec == is.sec);
			CHECK(slow.asked[1].nsec == is.nsec);
		}
		drop_queued(r);
		REQUIRE(r.feed(ud, 1));
	}
}

/* Nobody sleeps for what has not been submitted: the next call tries again. */
TEST_CASE("ring: a submission that comes to nothing is not waited behind",
	  "[ring][edges][unwatched]")
{
	for (int says : { -EBUSY, -EAGAIN }) {
		an_op op;

		ring r(8);
		OR_SKIP(r);
		uint64_t ud = read_nowhere(r, nullptr, op);
		{
			kernel busy([&](const entered &) { return says; });

			CHECK(urctx_ring_wait(r.r, urctx_now() + 5 * SEC) == 0);
			REQUIRE(busy.asked.size() == 1);
			CHECK(busy.asked[0].what == entered::LOOK);
		}
		drop_queued(r);
		REQUIRE(r.feed(ud, 1));
	}
}

/* First a look whether it is there, then a wait, for what does not answer. */
TEST_CASE("ring: a wait for what was asked to end", "[ring][edges]")
{
	for (unsigned nr : { 1U, 2U })
		for (int says : { 0, -ETIME, -EBADF }) {
			INFO(nr << " asked, it says " << says);
			an_op op[2];
			uint64_t ud[2];

			ring r(8);
			OR_SKIP(r);
			held clock;
			for (unsigned i = 0; i < nr; i++) {
				ud[i] = read_nowhere(r, nullptr, op[i]);
				urctx_op_cancel(&op[i].op, &why);
			}
			r.turn();
			drop_queued(r);
			{
				bool first = true;
				kernel none([&](const entered &) {
					int ret = first ? says : -ETIME;

					first = false;
					return ret;
				});
				CHECK(urctx_ring_wait(r.r, urctx_now() + SEC) ==
				      (says == -EBADF ? says : 0));
				REQUIRE(none.asked.size() == (says == -EBADF ? 1 : 2));
				const entered &e = none.asked[0], &last = none.asked.back();
				CHECK(e.what == (nr == 1 ? entered::LOOK : entered::WAIT));
				CHECK(e.nr == (nr == 1 ? 0 : nr));
				CHECK(e.sec + e.nsec == 0);
				if (says != -EBADF) {
					CHECK(last.what == entered::WAIT);
					CHECK(last.nr == 1);
					CHECK(last.sec == 0);
					CHECK(last.nsec == 25 * MSEC);
				}
			}
			for (unsigned i = 0; i < nr; i++)
				REQUIRE(r.feed(ud[i], -ECANCELED));
		}
}

/* What complete() starts is for the next wait, or there would be no end. */
TEST_CASE("ring: a wait delivers what is there, and counts it", "[ring][edges]")
{
	constexpr int N = 50;
	an_op op;
	int left = N;

	ring r(8);
	OR_SKIP(r);
	auto bind = [&] {
		REQUIRE(urctx_ring_bind(r.r, r.sqe(), nullptr, &op.op) == 0);
		r.submit();
	};
	op.then = [&] {
		if (left-- > 0)
			bind();
	};
	bind();
	for (int i = 1; i <= N + 1; i++) {
		CHECK(urctx_ring_wait(r.r, urctx_now() + PATIENCE) == 1);
		CHECK(op.calls == i);
	}
	CHECK(r.stats().in_flight == 0);
}

TEST_CASE("ring: a child that returns from complete() is told so", "[ring][edges][fork]")
{
	pid_t parent = getpid();
	an_op op, next;
	int status = -1;

	ring r(8);
	OR_SKIP(r);
	op.then = [&] {
		pid_t child = fork();

		if (child)
			waitpid(child, &status, 0);
	};
	REQUIRE(urctx_ring_bind(r.r, r.sqe(), nullptr, &op.op) == 0);
	REQUIRE(urctx_ring_bind(r.r, r.sqe(), nullptr, &next.op) == 0);
	int ret = urctx_ring_wait(r.r, urctx_now() + PATIENCE);
	if (getpid() != parent)
		_exit(ret != -EPERM || next.calls != 0);
	CHECK(status == 0);
	REQUIRE(r.until_ended(next));
}

/* By call, where what is queued waits for others; and it is not waited for. */
TEST_CASE("ring: what a cancel by call says decides how the next one is asked",
	  "[ring][edges]")
{
	struct row {
		int says;
		bool call, again;
	};
	const row rows[] = {
		{ 0, true, false },	   { 3, true, false },	    { -ENOENT, true, true },
		{ -EALREADY, true, true }, { -ETIME, true, true },  { -EINTR, true, true },
		{ -EINVAL, false, true },  { -EACCES, false, true },
	};

	for (const row &is : rows) {
		INFO(is.says);
		struct urctx_ring_params params = {};
		an_op first, second;

		params.flags = URCTX_RING_DRAIN;
		ring r(8, 0, &params);
		OR_SKIP(r);
		held clock;
		uint64_t a = read_nowhere(r, nullptr, first), b = read_nowhere(r, nullptr, second);
		for (auto s : r.queued())
			s->flags = 0, s->user_data = URCTX_UDATA_TAG | 4;
		r.submit();
		kernel k([&](const entered &e) {
			return e.what == entered::SYNC ? std::optional<int>(is.says) :
							 std::nullopt;
		});
		urctx_op_cancel(&first.op, &why);
		errno = 1;
		CHECK(r.turn() == (is.again ? 0 : 25 * MSEC));
		CHECK(errno == 1);
		REQUIRE(k.asked.size() == 1);
		CHECK(k.asked[0].what == entered::SYNC);
		CHECK(k.asked[0].nr == 0);
		CHECK(k.asked[0].ud == a);
		CHECK(k.asked[0].sec == 0);
		CHECK(k.asked[0].nsec == 0);
		CHECK(r.cancels().empty());
		REQUIRE(r.feed(a, -ECANCELED));
		urctx_op_cancel(&second.op, &why);
		for (int tries = 1; tries < 6 && is.call && is.again; tries++) {
			/* at once, at once, in 1 ms, and then in 2 */
			k.asked.clear();
			int64_t ns = r.turn();
			CHECK(k.asked.size() == 1);
			CHECK(ns == (tries == 1 ? 0 : tries == 2 ? MSEC : 2 * MSEC));
			if (ns)
				REQUIRE(urctx_clock_advance(ns) == 0);
		}
		k.asked.clear();
		r.turn();
		CHECK(k.asked.size() == is.call);
		CHECK(r.cancels().size() == !is.call);
		/* with drains no CQE may be left out */
		for (auto s : r.cancels()) {
			CHECK(s->flags == 0);
			io_uring_prep_nop(s);
			s->user_data = URCTX_UDATA_TAG | 4;
		}
		REQUIRE(r.feed(b, -ECANCELED));
	}
}

/* Who has closed his standard input has an eventfd there; errno is not the library's. */
TEST_CASE("ring: descriptor 0 is as good as another", "[ring][edges]")
{
	for (bool full : { true, false }) {
		const uint64_t most = UINT64_MAX - 1;
		int input = dup(0);
		an_op op;
		context ctx;
		ends p;

		INFO((full ? "no room in it" : "closed by another"));
		ring r(8);
		OR_SKIP(r);
		REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
		r.r = nullptr;
		REQUIRE(input > 0);
		close(0);
		errno = 1;
		CHECK(urctx_ring_attach(&r.u, nullptr, &r.r) == 0);
		CHECK(errno == 1);
		r.read(p.in(), ctx, op);
		while (r.turn() == 0)
			r.submit();
		r.submit();
		if (full)
			CHECK(write(0, &most, sizeof(most)) == sizeof(most));
		thread([&] {
			errno = 1;
			urctx_cancel_cause(ctx, &why);
			if (errno != 1)
				abort();
		}).join();
		REQUIRE(r.until_ended(op));
		CHECK(op.cause == &why);
		if (!full)
			close(0);
		errno = 1;
		CHECK(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
		CHECK(errno == 1);
		r.r = nullptr;
		CHECK(dup2(input, 0) == 0);
		close(input);
	}
}

TEST_CASE("ring: no descriptor for its eventfd", "[ring][edges]")
{
	struct rlimit was, none;
	struct urctx_ring *some = nullptr;

	ring r(8);
	OR_SKIP(r);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &was) == 0);
	none = was;
	none.rlim_cur = 0;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
	errno = 1;
	int ret = urctx_ring_attach(&r.u, nullptr, &some), left = errno;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &was) == 0);
	CHECK(ret == -EMFILE);
	CHECK(left == 1);
	CHECK(some == nullptr);
}
