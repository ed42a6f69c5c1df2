/* SPDX-License-Identifier: MIT */
/*
 * ring_rules_attach.cpp - what is found out about a ring and its kernel: rules of
 * lib/ring_rules.h, by their numbers
 */
#include "ring_support.hpp"

#include <dlfcn.h>

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

static int bind_read(ring &r, int fd, an_op &op, int64_t deadline, unsigned flags)
{
	struct io_uring_sqe *s = r.sqe();

	io_uring_prep_read(s, fd, op.buf, 1, 0);
	return urctx_ring_bind_flags(r.r, s, nullptr, &op.op, deadline, flags);
}

TEST_CASE("where drains are used no CQE is skipped", "[ring][rule24][timer]")
{
	struct urctx_ring_params params = {};

	params.flags = URCTX_RING_DRAIN;
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op, drained;
		ring r(8, mode.flags, &params);
		OR_SKIP(r);
		context ctx;

		/* all of our kinds of SQEs: timers, polls, cancels */
		REQUIRE(bind_read(r, p.in(), op, urctx_now() + 1000 * SEC,
				  URCTX_OP_LINK_TIMEOUT) == 0);
		urctx_op_cancel(&op.op, &why);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
		for (auto s : r.queued())
			CHECK(!(s->flags & IOSQE_CQE_SKIP_SUCCESS));
		struct io_uring_sqe *s = r.sqe();
		s->flags |= IOSQE_IO_DRAIN;
		REQUIRE(urctx_ring_bind(r.r, s, ctx, &drained.op) == 0);
		REQUIRE(r.until_ended(drained));
		CHECK(drained.res == 0);
	}
}

/* In front of liburing's own, which the library would find otherwise. */
static std::vector<struct io_uring_sync_cancel_reg> sync_cancels;

extern "C" int see(struct io_uring *ring, struct io_uring_sync_cancel_reg *reg)
	__asm__("io_uring_register_sync_cancel");

extern "C" int see(struct io_uring *ring, struct io_uring_sync_cancel_reg *reg)
{
	static auto real = reinterpret_cast<decltype(&see)>(
		dlsym(RTLD_NEXT, "io_uring_register_sync_cancel"));

	sync_cancels.push_back(*reg);
	reg->timeout = {};			/* the test must not hang */
	return real(ring, reg);
}

TEST_CASE("a cancel by system call does not wait", "[ring][rule39]")
{
	struct urctx_ring_params params = {};

	params.flags = URCTX_RING_DRAIN;
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op;
		ring r(8, mode.flags, &params);
		OR_SKIP(r);

		sync_cancels.clear();
		uint64_t ud = r.read(p.in(), nullptr, op);
		r.submit();
		urctx_op_cancel(&op.op, &why);
		REQUIRE(r.turn() >= 0);
		REQUIRE(sync_cancels.size() == 1);
		CHECK(sync_cancels[0].addr == ud);
		CHECK(sync_cancels[0].flags == 0);
		CHECK(sync_cancels[0].timeout.tv_sec == 0);
		CHECK(sync_cancels[0].timeout.tv_nsec == 0);
		REQUIRE(r.until_ended(op));
		CHECK(op.res == -ECANCELED);
	}
}

TEST_CASE("who cancels a context makes no system call on its rings", "[ring][rule33][rule39]")
{
	for (auto mode : MODES) {
		INFO(mode.name);
		ends p;
		an_op op;
		ring r(8, mode.flags);
		OR_SKIP(r);
		context ctx;

		sync_cancels.clear();
		r.read(p.in(), ctx, op);
		r.submit();
		cancel_elsewhere(ctx, &why);
		CHECK(sync_cancels.empty());
		REQUIRE(r.until_ended(op));
		CHECK(sync_cancels.empty());
	}
}

TEST_CASE("kernels that lack what is needed, and what is not", "[ring][rule63]")
{
	struct urctx_ring *out = nullptr;
	ring r(8);
	OR_SKIP(r);

	for (unsigned feature : { IORING_FEAT_NODROP, IORING_FEAT_SUBMIT_STABLE,
				  IORING_FEAT_FAST_POLL, IORING_FEAT_EXT_ARG }) {
		struct io_uring old = r.u;

		INFO(feature);
		old.features &= ~feature;
		CHECK(urctx_ring_attach(&old, nullptr, &out) == -EOPNOTSUPP);
	}
	CHECK(!out);

	/* before 5.17: every cancel costs a CQE */
	ends p;
	an_op op;
	REQUIRE(urctx_ring_detach(r.r, URCTX_NEVER) == 0);
	r.r = nullptr;
	r.u.features &= ~IORING_FEAT_CQE_SKIP;
	REQUIRE(urctx_ring_attach(&r.u, nullptr, &r.r) == 0);
	REQUIRE(bind_read(r, p.in(), op, urctx_now() + 1000 * SEC,
			  URCTX_OP_LINK_TIMEOUT) == 0);
	for (auto s : r.queued())
		CHECK(!(s->flags & IOSQE_CQE_SKIP_SUCCESS));
	r.submit();
	urctx_op_cancel(&op.op, &why);
	REQUIRE(r.turn() >= 0);
	REQUIRE(r.cancels().size() == 1);
	CHECK(r.cancels()[0]->flags == 0);
	REQUIRE(r.until_ended(op));
	CHECK(op.res == -ECANCELED);
}

/* What the library that has @function wants of liburing. */
static std::vector<std::string> wanted(const void *function)
{
	std::vector<std::string> v;
	Dl_info info;
	char line[256], name[128];

	if (!dladdr(function, &info) || !strstr(info.dli_fname, ".so"))
		return v;
	FILE *f = popen((std::string("nm -D --undefined-only ") + info.dli_fname).c_str(),
			"r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " U %127[a-z0-9_]", name) == 1)
			v.push_back(name);
	if (f)
		pclose(f);
	return v;
}

/* Debian 12's.  Its headers declare some more, which then are missed at run time. */
static const char exported[] =
	" __io_uring_get_cqe __io_uring_sqring_wait io_uring_enter io_uring_enter2"
	" io_uring_free_probe io_uring_get_events io_uring_get_probe"
	" io_uring_get_probe_ring io_uring_get_sqe io_uring_mlock_size"
	" io_uring_mlock_size_params io_uring_peek_batch_cqe io_uring_queue_exit"
	" io_uring_queue_init io_uring_queue_init_params io_uring_queue_mmap"
	" io_uring_register io_uring_register_buf_ring io_uring_register_buffers"
	" io_uring_register_buffers_sparse io_uring_register_buffers_tags"
	" io_uring_register_buffers_update_tag io_uring_register_eventfd"
	" io_uring_register_eventfd_async io_uring_register_file_alloc_range"
	" io_uring_register_files io_uring_register_files_sparse"
	" io_uring_register_files_tags io_uring_register_files_update"
	" io_uring_register_files_update_tag io_uring_register_iowq_aff"
	" io_uring_register_iowq_max_workers io_uring_register_personality"
	" io_uring_register_probe io_uring_register_ring_fd"
	" io_uring_register_sync_cancel io_uring_ring_dontfork io_uring_setup"
	" io_uring_submit io_uring_submit_and_get_events io_uring_submit_and_wait"
	" io_uring_submit_and_wait_timeout io_uring_unregister_buf_ring"
	" io_uring_unregister_buffers io_uring_unregister_eventfd"
	" io_uring_unregister_files io_uring_unregister_iowq_aff"
	" io_uring_unregister_personality io_uring_unregister_ring_fd"
	" io_uring_wait_cqe_timeout io_uring_wait_cqes ";

TEST_CASE("no function that liburing 2.3 does not export", "[ring][rule65]")
{
#ifdef IO_URING_VERSION_MAJOR
	WARN("skipped: this is built with a newer liburing");
#else
	auto names = wanted((const void *)urctx_ring_attach);
	unsigned of_liburing = 0;

	for (auto &name : names) {
		if (name.find("io_uring_") == std::string::npos)
			continue;
		of_liburing++;
		INFO(name);
		CHECK(strstr(exported, (" " + name + " ").c_str()));
	}
	if (!of_liburing)
		WARN("skipped: no shared library, or no nm(1)");
#endif
	/* and the core has none at all */
	for (auto &name : wanted((const void *)urctx_cancel)) {
		INFO(name);
		CHECK(name.find("io_uring_") == std::string::npos);
	}
}
