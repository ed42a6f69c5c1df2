/* SPDX-License-Identifier: MIT */
/* edges_fork.cpp - what other threads are about while one forks, looked at from below */
#include "edges_below.hpp"
#include <algorithm>
#include <catch2/catch.hpp>
#include <urctx/value.h>
#include <urctx/watch.h>
#include <urcu-bp.h>

#if !TESTS_TSAN
namespace
{
std::atomic<size_t> gone{ 0 };
const struct urctx_key going = { "going", [](void *) { gone++; } };

/* Threads come, contexts go: 0, or what was wrong. */
int all_goes_on()
{
	struct urctx *parent = nullptr;

	SHOULD(me.nr == 0);
	SHOULD(not_held == 0);
	gone = 0;
	SHOULD(urctx_with_value(nullptr, &going, &gone, &parent) == 0);
	thread([=] { urctx_put(derive(parent)); }).join();
	urctx_put(parent);
	SHOULD(becomes([] { return gone == 1; }));
	SHOULD(not_held == 0);
	return 0;
}
}

TEST_CASE("fork: it waits for a moment, and what is not its own by then is new", "[edges][fork]")
{
	mutex *waited[2];
	pid_t pid;

	REQUIRE(all_goes_on() == 0);
	me.waits = 0;
	int64_t before = urctx_now();
	PASSES(all_goes_on);
	REQUIRE(me.waits == 2);
	/* a tenth of a second in all */
	CHECK(me.until[0] <= urctx_now() + SEC / 10);
	CHECK(me.until[1] == me.until[0]);
	CHECK(me.until[0] > before + SEC / 20);
	CHECK(me.until[1] > before + SEC / 20);
	CHECK(me.nr == 0);
	waited[0] = me.waited[0];
	waited[1] = me.waited[1];
	for (mutex *m : waited) {
		gate has, over;
		thread other([&] {
			pthread_mutex_lock(m);
			has.set();
			over.wait();
			pthread_mutex_unlock(m);
		});

		has.wait();
		struct ending end = in_child(all_goes_on);
		over.set();
		other.join();
		INFO(end.said);
		CHECK_FALSE(end.late);
		CHECK(end.signal == 0);
		CHECK(end.code == 0);
		CHECK(all_goes_on() == 0);
	}
	/* and its children are children of it, and theirs */
	pid = fork();
	if (!pid) {
		if (all_goes_on())
			_exit(1);
		pid = fork();
		if (!pid)
			_exit(all_goes_on());
		_exit(waited_for(pid) ? 2 : 0);
	}
	CHECK(waited_for(pid) == 0);
}

/* A thread that comes to the library by signals while another forks. */
TEST_CASE("fork: who comes to wait for signals meanwhile is not waited for", "[edges][fork]")
{
	PASSES([] {
		blocked b({ SIGUSR1 });
		std::unique_ptr<one_thread> comes;
		bool still = false;
		once at = { [&](mutex *) {
			comes = std::make_unique<one_thread>([] {
				urctx_put(context_of(SIGUSR1));
				return 0;
			});
			still = comes->stands_still();
		} };
		pid_t pid;

		urctx_put(derive(nullptr));
		me.waits = 0;
		me.timed = &at;
		pid = fork();
		if (!pid)
			_exit(0);
		me.timed = nullptr;
		SHOULD(waited_for(pid) == 0);
		SHOULD(still);
		SHOULD(comes->join() == 0);
		return 0;
	});
}

/* Else it has none left if the housekeeper is quicker, and its child a lock that is taken. */
TEST_CASE("fork: beside another its patience begins when that is over", "[edges][fork]")
{
	PASSES([] {
		const pid_t self = getpid();
		gate in, goes;
		std::atomic<bool> over{ false };
		int asked = 0, early = 0;

		urctx_put(derive(nullptr));
		one_thread first([&] {
			once at = { [&](mutex *) {
				if (getpid() != self)
					return;
				in.set();
				goes.wait();
			} };

			me.unlocked = &at;
			pid_t pid = fork();
			if (!pid)
				_exit(0);
			me.unlocked = nullptr;
			return waited_for(pid);
		});
		in.wait();
		one_thread second([&] {
			std::function<void(mutex *)> asks = [&](mutex *) {
				asked++;
				early += !over;
			};

			me.asks = &asks;
			pid_t pid = fork();
			if (!pid)
				_exit(0);
			me.asks = nullptr;
			return waited_for(pid);
		});
		bool still = second.stands_still();

		over = true;
		goes.set();
		SHOULD(first.join() == 0);
		SHOULD(second.join() == 0);
		SHOULD(still);
		SHOULD(asked == 2);
		SHOULD(early == 0);
		return 0;
	});
}

/* By the mutexes of a thread's first section: liburcu's, and ours around it. */
TEST_CASE("fork: who has forked comes to the library as anybody does", "[edges][fork]")
{
	PASSES([] {
		struct urctx *ctx[3], *below[3];
		counted cb[3];
		auto first_use = [&](int i) {
			int locks = 0;
			once at;
			std::function<void(mutex *)> counts = [&](mutex *) {
				at.fn = counts;
				locks++;
			};

			at.fn = counts;
			me.locked = &at;
			urctx_cancel(ctx[i]);
			me.locked = nullptr;
			return locks;
		};

		for (int i = 0; i < 3; i++) {
			ctx[i] = derive(nullptr);
			below[i] = derive(ctx[i]);
			SHOULD(cb[i].after(below[i]) == 0);
		}
		one_thread never([&] { return first_use(0); });
		int nr = never.join();

		SHOULD(nr > 1);
		one_thread forks([&] {
			pid_t pid = fork();

			if (!pid)
				_exit(first_use(1) == nr ? 0 : 1);
			SHOULD(waited_for(pid) == 0);
			SHOULD(first_use(2) == nr);
			return 0;
		});
		SHOULD(forks.join() == 0);
		for (int i = 0; i < 3; i++) {
			urctx_cancel(ctx[i]);
			SHOULD(cb[i].ran == 1);
			urctx_put(below[i]);
			urctx_put(ctx[i]);
		}
		return 0;
	});
}

/* Nobody keeps time in a child until something is derived that has one. */
TEST_CASE("fork: what was armed is told in the child once it has a deadline of its own",
	  "[edges][fork]")
{
	PASSES([] {
		struct urctx *ctx = nullptr, *own = nullptr;
		counted cb;

		SHOULD(urctx_with_timeout(nullptr, SEC / 5, &ctx) == 0);
		SHOULD(cb.after(ctx) == 0);
		pid_t pid = fork();
		if (!pid) {
			if (urctx_with_timeout(nullptr, 3600 * SEC, &own))
				_exit(1);
			_exit(becomes([&] { return cb.ran == 1; }) ? 0 : 2);
		}
		SHOULD(waited_for(pid) == 0);
		(void)urctx_stop(&cb.cb);
		urctx_put(ctx);
		return 0;
	});
}

namespace
{
/* A thread's first use of the library, held up behind its nth mutex, or before its nth key. */
struct held_up {
	held_up(std::function<void()> use, int nth, bool keys)
		: t([=] {
			  int nr = 0;
			  once at;
			  std::function<void(mutex *)> stop = [&](mutex *) {
				  at.fn = stop;
				  if (++nr == nth)
					  stand();
			  };
			  std::function<void()> key = [&] {
				  if (++nr == nth)
					  stand();
			  };

			  at.fn = stop;
			  if (keys)
				  me.knows = &key;
			  else
				  me.locked = &at;
			  use();
			  me.locked = nullptr;
			  me.knows = nullptr;
			  stands.set();
			  return 0;
		  })
	{
		stands.wait();
	}
	void stand()
	{
		me.locked = nullptr;
		me.knows = nullptr;
		std::copy(me.held, me.held + me.nr, has);
		is_in = true;
		stands.set();
		goes.wait();
	}
	/* Who has to wait for it lets it go on, and is not held up himself. */
	void asked_for(mutex *m)
	{
		if (std::find(has, has + 16, m) == has + 16)
			return;
		asked = true;
		goes.set();
		t.join();
	}
	~held_up()
	{
		goes.set();
		if (!asked)
			t.join();
	}

	mutex *has[16] = {};
	bool is_in = false, asked = false;
	gate stands, goes;
	one_thread t;			/* last: it uses the others */
};
}

/* Behind ours, which is not waited for: its mutex is this thread's. */
TEST_CASE("fork: a hook that is older than the library is a thread's first use", "[edges][fork]")
{
	PASSES([] {
		struct urctx *ctx = derive(nullptr), *below = derive(ctx);
		counted cb;

		SHOULD(cb.after(below) == 0);
		one_thread forks([&] {
			std::function<void()> use = [&] { urctx_cancel(ctx); };

			me.older = &use;
			pid_t pid = fork();
			if (!pid)
				_exit(cb.ran == 1 ? all_goes_on() : 1);
			me.older = nullptr;
			return ended(pid);
		});
		SHOULD(forks.join() == 0);
		SHOULD(cb.ran == 1);
		urctx_put(below);
		urctx_put(ctx);
		return 0;
	});
}

/* Forks while one comes to the library by @use: 0, 77 if it is not held up at all. */
static int forks_beside(const std::function<void()> &use, int nth, bool keys)
{
	held_up comes(use, nth, keys);
	std::function<void(mutex *)> asks = [&](mutex *m) { comes.asked_for(m); };

	if (!comes.is_in)
		return 77;
	me.asks = &asks;
	pid_t pid = fork();
	if (!pid) {
		urcu_bp_synchronize_rcu();	/* as the housekeeper would wait */
		_exit(all_goes_on());
	}
	me.asks = nullptr;
	SHOULD(ended(pid) == 0);
	SHOULD(comes.asked || keys);
	return 0;
}

/*
 * liburcu takes mutexes, and the child of one who forks meanwhile could not; or it knows
 * of a thread inside a section of which the child does not know that it is gone.
 */
TEST_CASE("fork: a thread's first section, whichever call it comes by, is waited for",
	  "[edges][fork]")
{
	static struct urctx *ctx;
	static counted cb, more;
	const struct {
		const char *name;
		void (*use)();
	} calls[] = {
		{ "cancel", [] { urctx_cancel(ctx); } },
		{ "derive", [] { urctx_put(derive(nullptr)); } },
		{ "after", [] { if (more.after(ctx)) abort(); } },
		{ "dump", [] { (void)!urctx_dump(ctx, stderr); } },
	};

	for (int i = 0; i < 8; i++) {
		const auto &call = calls[i / 2];
		bool keys = i % 2, again = true;
		int nth = 1;

		for (; again; nth++) {
			INFO(call.name << ", held up at " << (keys ? "key " : "mutex ") << nth);
			struct ending end = in_child([&] {
				ctx = derive(nullptr);
				struct urctx *below = derive(ctx);
				SHOULD(cb.after(below) == 0);
				int ret = forks_beside(call.use, nth, keys);
				urctx_put(below);
				urctx_put(ctx);
				return ret;
			});

			INFO(end.said);
			CHECK_FALSE(end.late);
			CHECK(end.signal == 0);
			again = end.code == 0;
			CHECK((again || end.code == 77));
		}
		/* ours, and liburcu's */
		CHECK(nth > (keys ? 3 : 4));
	}
}
#endif
