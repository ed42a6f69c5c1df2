/* SPDX-License-Identifier: MIT */
/* kinds.cpp - each kind of op, on each kind of ring, ended by each who may */
#include "kinds.hpp"

constexpr int64_t SOON = SEC / 1000;

static const struct urctx_cause why = { "why", nullptr, nullptr, 0, -1 };

static const ring_kind RINGS[] = {
	{ "default", 0, 64, 0 },
	{ "COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN, 64, 0 },
	{ "SINGLE_ISSUER|DEFER_TASKRUN", DEFER, 64, 0 },
	{ "SQPOLL", IORING_SETUP_SQPOLL, 64, 0 },
	{ "R_DISABLED", IORING_SETUP_R_DISABLED, 64, 0 },
	{ "R_DISABLED|SINGLE_ISSUER|DEFER_TASKRUN", IORING_SETUP_R_DISABLED | DEFER, 64, 0 },
	{ "SQE128|CQE32", IORING_SETUP_SQE128 | IORING_SETUP_CQE32, 64, 0 },
	{ "SUBMIT_ALL, an SQ of 4", IORING_SETUP_SUBMIT_ALL, 4, 0 },
	{ "an SQ of 4, DEFER_TASKRUN", DEFER, 4, 0 },
	{ "the kernel's timers", 0, 64, URCTX_RING_LINK_TIMEOUT },
	{ "the kernel's timers, SQPOLL", IORING_SETUP_SQPOLL, 64, URCTX_RING_LINK_TIMEOUT },
	{ "one timer of the kernel's, DEFER_TASKRUN", DEFER, 64, URCTX_RING_TIMER },
};

enum who {
	NOBODY,			/* it is let come to its end */
	OWNER, OWNER_EARLY,	/* by its context: in flight, and before it is submitted */
	OWNER_BEFORE,		/* before it is bound */
	ELSEWHERE,
	CONTEXT_DEADLINE, OP_DEADLINE, MOVED_DEADLINE,
	OP_CANCEL,
	DETACH,
	EVERYBODY
};

static const char *const NAMES[] = {
	"nobody", "the owner", "the owner, before it is submitted",
	"the owner, before it is bound", "another thread", "its context's deadline",
	"its deadline", "its deadline, moved earlier", "urctx_op_cancel", "detach",
};
static_assert(sizeof(NAMES) / sizeof(*NAMES) == EVERYBODY, "");

static const struct urctx_cause *cause_of(who w)
{
	switch (w) {
	case NOBODY:
		return nullptr;
	case CONTEXT_DEADLINE:
	case OP_DEADLINE:
	case MOVED_DEADLINE:
		return &urctx_deadline_exceeded;
	case DETACH:
		return &urctx_canceled;
	default:
		return &why;
	}
}

/* The result where it was told to end and what it waited for has not come. */
static bool aborted(int res)
{
	return res == -ECANCELED || res == -EINTR;
}

static void judge(stage &s, who w)
{
	const bound &first = s.op[0];
	auto result = s.k.traits & ZEROCOPY ? first.cqes.front() : first.cqes.back();
	bool good = result.first == s.k.good;

	for (size_t i = 0; i + 1 < first.cqes.size(); i++)
		s.expect(first.cqes[i].second & IORING_CQE_F_MORE, "the last is not last");
	if (w == NOBODY) {
		s.expect(good, "its result, and nobody ended it");
		s.expect(!first.cause, "a cause, and nobody ended it");
		return;
	}
	if (s.k.traits & (READY | PARTLY)) {
		s.expect(good || aborted(result.first), "its result, or ended");
		s.expect(good || first.cause == cause_of(w), "the cause");
		return;
	}
	s.expect(aborted(result.first), "the result of what was ended");
	s.expect(first.cause == cause_of(w), "the cause");
}

struct rig {
	rig(const ring_kind &what) : ring(what)
	{
		struct io_uring_params p = {};

		p.flags = ring.flags;
		p.sq_thread_idle = 1;
		error = io_uring_queue_init_params(ring.entries, &u, &p);
		disabled = ring.flags & IORING_SETUP_R_DISABLED;
	}
	rig(const rig &) = delete;
	~rig()
	{
		if (!error)
			io_uring_queue_exit(&u);
	}
	void enable()
	{
		/* liburing 2.3 declares a function for it, and has none */
		if (disabled)
			REQUIRE(io_uring_register((unsigned)u.ring_fd,
						  IORING_REGISTER_ENABLE_RINGS,
						  nullptr, 0) == 0);
		disabled = false;
	}

	const ring_kind &ring;
	struct io_uring u = {};
	int error;
	bool disabled;
};

static void submit(rig &rig, stage &s)
{
	int64_t end = urctx_now() + PATIENCE;

	rig.enable();
	do {
		REQUIRE(io_uring_submit(&rig.u) >= 0);
	} while (urctx_ring_turn(s.r) == 0 && urctx_now() < end);
	REQUIRE(io_uring_submit(&rig.u) >= 0);
}

static void tell(rig &rig, stage &s, who w)
{
	std::unique_ptr<thread> other;

	if (s.k.midway && w != NOBODY && w != OWNER_EARLY && w != OWNER_BEFORE &&
	    w != CONTEXT_DEADLINE && w != OP_DEADLINE)
		s.k.midway(s);
	switch (w) {
	case NOBODY:
		if (s.k.finish)
			s.k.finish(s);
		break;
	case OWNER:
	case OWNER_EARLY:
		urctx_cancel_cause(s.ctx, &why);
		break;
	case ELSEWHERE:
		other = std::make_unique<thread>([&] { urctx_cancel_cause(s.ctx, &why); });
		break;
	case MOVED_DEADLINE:
		urctx_op_deadline(&s.op[0].op, urctx_now() + SOON / 4);
		break;
	case OP_CANCEL:
		urctx_op_cancel(&s.op[0].op, &why);
		break;
	case DETACH:
		s.expect(urctx_ring_detach(s.r, urctx_now() + PATIENCE) == 0, "detach");
		s.r = nullptr;
		return;
	default:
		break;
	}
	rig.enable();
	s.expect(s.until([&] { return s.all_ended(); }), "it hangs");
}

static std::string act(rig &rig, const kind &k, who w, struct urctx *root)
{
	struct urctx_ring_params params = {};
	struct urctx_ring_stats stats = {};
	struct urctx_ring *r;

	params.flags = rig.ring.attach | (k.traits & DRAINS ? URCTX_RING_DRAIN : 0);
	REQUIRE(urctx_ring_attach(&rig.u, &params, &r) == 0);
	auto s = std::make_unique<stage>(rig.u, r, k);
	if (w == CONTEXT_DEADLINE)
		REQUIRE(urctx_with_deadline(root, urctx_now() + SOON, &s->ctx) == 0);
	else
		REQUIRE(urctx_with_cancel(root, &s->ctx) == 0);
	if (w == OP_DEADLINE)
		s->deadline = urctx_now() + SOON;
	if (w == MOVED_DEADLINE)
		s->deadline = urctx_now() + 1000 * SEC;
	if (w == OWNER_BEFORE)
		urctx_cancel_cause(s->ctx, &why);
	k.start(*s);
	if (w != OWNER_EARLY)
		submit(rig, *s);
	tell(rig, *s, w);
	urctx_put(s->ctx);
	if (s->wrong.empty() || s->all_ended()) {
		judge(*s, w);
		s->count_left();
	}
	if (s->r) {
		urctx_ring_stats(r, &stats, sizeof(stats));
		s->expect(!stats.stale, "a stale CQE");
		s->expect(urctx_ring_detach(r, urctx_now() + PATIENCE) == 0, "detach, behind");
	}
	std::string wrong = s->wrong;
	if (!s->all_ended())
		(void)s.release();	/* the kernel's, for good */
	return wrong;
}

/* Behind each case there is no fd and no context more than before. */
static std::string one_case(rig &rig, const kind &k, who w)
{
	size_t fds = open_fds();
	context root;
	std::string wrong = act(rig, k, w, root);

	if (!wrong.empty())
		return wrong;
	if (open_fds() != fds)
		return "an fd is left";
	/* the last put of a context that another thread ends may be his */
	if (urctx_wait_idle(root, urctx_now() + PATIENCE))
		return "a context is left";
	return "";
}

TEST_CASE("every kind of op on every kind of ring, ended by everybody", "[kinds][G10][G11]")
{
	auto kinds = every_kind();
	unsigned cases = 0, rings = 0;

	for (const ring_kind &ring : RINGS) {
		{
			rig first(ring);

			if (first.error) {
				WARN("skipped: " << ring.name << ": "
						 << strerror(-first.error));
				continue;
			}
		}
		rings++;
		for (const kind &k : kinds) {
			/* that timer is one of the things that a drain would wait for */
			if (k.traits & DRAINS && ring.attach & URCTX_RING_TIMER)
				continue;
			rig rig(ring);
			REQUIRE(rig.error == 0);

			for (int w = 0; w < EVERYBODY; w++) {
				if (w == NOBODY && !k.finish && !(k.traits & READY))
					continue;
				INFO(k.name << ", " << ring.name << ", ended by " << NAMES[w]);
				CHECK(one_case(rig, k, (who)w) == "");
				cases++;
			}
		}
	}
	printf("kinds: %zu kinds of op on %u kinds of ring, %u cases\n", kinds.size(),
	       rings, cases);
}
