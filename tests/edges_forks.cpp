/* SPDX-License-Identifier: MIT */
/* edges_forks.cpp - a fork, or a put, in the middle of what is gone on with */
#include "edges_below.hpp"
#include <catch2/catch.hpp>
#include <urctx/watch.h>
#include <dirent.h>

#if !TESTS_TSAN
namespace
{
/* Threads of this process. */
unsigned tasks()
{
	DIR *dir = opendir("/proc/self/task");
	unsigned nr = 0;

	while (const struct dirent *d = readdir(dir))
		nr += d->d_name[0] != '.';
	closedir(dir);
	return nr;
}

/* On the housekeeper's thread, soon: not before all is armed, however late this one is. */
int told_soon(struct urctx **ctx, struct urctx_callback *cb, void (*fn)(urctx_callback *))
{
	struct urctx *parent = derive(nullptr);
	int ret = urctx_with_grace(parent, SEC / 100, ctx);

	ret = ret ? ret : urctx_after(*ctx, cb, fn);
	urctx_cancel(parent);
	urctx_put(parent);
	return ret;
}
}

/* The housekeeper waits for readers: his heap is whole, and the child's as well. */
TEST_CASE("fork: deadlines are inherited though its patience was over", "[edges][fork]")
{
	PASSES([] {
		struct urctx *ctx = nullptr, *own = nullptr;
		counted cb, mine;
		gate has, over;

		SHOULD(urctx_with_timeout(nullptr, 3 * SEC, &ctx) == 0);
		SHOULD(cb.after(ctx) == 0);
		me.waits = 0;
		SHOULD(waited_for(forked([] { return 0; })) == 0);
		mutex *grace = me.waited[0];
		one_thread holds([&] {
			pthread_mutex_lock(grace);
			has.set();
			over.wait();
			pthread_mutex_unlock(grace);
			return 0;
		});

		has.wait();
		pid_t pid = forked([&] {
			SHOULD(urctx_with_timeout(nullptr, SEC, &own) == 0);
			SHOULD(mine.after(own) == 0);
			SHOULD(becomes([&] { return cb.ran == 1 && mine.ran == 1; }));
			SHOULD(not_held == 0);
			return 0;
		});

		over.set();
		SHOULD(holds.join() == 0);
		SHOULD(waited_for(pid) == 0);
		(void)urctx_stop(&cb.cb);
		urctx_put(ctx);
		return 0;
	});
}

namespace
{
std::atomic<int> handled{ 0 };

void handler_forks(int)
{
	int saved = errno;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	handled = waited_for(pid);
	errno = saved;
}

/* Who handles USR2 by a fork. */
void forks_on_usr2()
{
	struct sigaction act = {};

	act.sa_handler = handler_forks;
	sigaction(SIGUSR2, &act, nullptr);
	handled = -1;
}
}

TEST_CASE("fork: by a handler, while the thread names signals, or forks", "[edges][fork]")
{
	PASSES([] {
		blocked b({ SIGUSR1, SIGHUP });
		std::function<void()> comes = [] {
			me.reading = nullptr;
			raise(SIGUSR2);
		};
		const size_t before = opened;
		struct urctx *ctx = context_of(SIGUSR1), *other;

		SHOULD(becomes([=] { return opened > before; }));
		forks_on_usr2();
		me.reading = &comes;
		other = context_of(SIGHUP);
		SHOULD(handled == 0);
		handled = -1;
		me.reading = &comes;
		urctx_put(other);
		SHOULD(handled == 0);
		urctx_put(ctx);
		return 0;
	});
	PASSES([] {
		std::function<void(mutex *)> comes = [](mutex *) {
			me.asks = nullptr;
			raise(SIGUSR2);
		};

		forks_on_usr2();
		urctx_put(derive(nullptr));
		me.asks = &comes;
		SHOULD(waited_for(forked([] { return handled == -1 ? 0 : 1; })) == 0);
		SHOULD(handled == 0);
		return 0;
	});
}

/* In the moment of its last put, by who blocks it no more. */
TEST_CASE("signals: what is not blocked any more is its handler's", "[edges][signals]")
{
	PASSES([] {
		blocked b({ SIGUSR1, SIGHUP });
		std::function<void()> comes = [] {
			me.reading = nullptr;
			raise(SIGHUP);
		};
		const size_t before = opened;
		struct urctx *kept = context_of(SIGUSR1), *ctx = context_of(SIGHUP);
		struct sigaction act = {};
		sigset_t hup;

		SHOULD(becomes([=] { return opened > before; }));
		act.sa_handler = [](int) { handled = 1; };
		sigaction(SIGHUP, &act, nullptr);
		sigemptyset(&hup);
		sigaddset(&hup, SIGHUP);
		pthread_sigmask(SIG_UNBLOCK, &hup, nullptr);
		handled = 0;
		me.reading = &comes;
		urctx_put(ctx);
		SHOULD(handled == 1);
		urctx_put(kept);
		return 0;
	});
}

/* He has the heap in his hands: nobody can tell in the child what is in it. */
TEST_CASE("fork: while the housekeeper moves deadlines, a child has its own", "[edges][fork]")
{
	static once stop;

	PASSES([] {
		struct urctx *ctx = nullptr, *late = nullptr, *own = nullptr;
		urctx_callback cb = {};
		counted told, mine;
		gate in, goes;

		stop.fn = [&](mutex *) {
			in.set();
			goes.wait();
		};
		SHOULD(urctx_with_timeout(nullptr, 2 * SEC, &late) == 0);
		SHOULD(told.after(late) == 0);
		SHOULD(told_soon(&ctx, &cb, [](urctx_callback *) { me.locked = &stop; }) == 0);
		in.wait();
		pid_t pid = forked([&] {
			SHOULD(urctx_with_timeout(nullptr, 2 * SEC, &own) == 0);
			SHOULD(mine.after(own) == 0);
			SHOULD(becomes([&] { return mine.ran == 1; }));
			/* which is behind that one's */
			SHOULD(told.ran == 0);
			SHOULD(urctx_err(late) == -ETIME);
			SHOULD(not_held == 0);
			return 0;
		});

		goes.set();
		SHOULD(ended(pid) == 0);
		SHOULD(becomes([&] { return told.ran == 1; }));
		urctx_put(late);
		urctx_put(ctx);
		return 0;
	});
}

/* What his callback does in the child, it does on the child's housekeeper. */
TEST_CASE("fork: by the housekeeper, who is the child's", "[edges][fork]")
{
	static std::atomic<pid_t> child;

	PASSES([] {
		struct urctx *ctx = nullptr;
		urctx_callback cb = {};

		child = 0;
		SHOULD(told_soon(&ctx, &cb, [](urctx_callback *) {
			child = forked([] {
				struct urctx *own = nullptr;
				counted mine;

				SHOULD(urctx_with_timeout(nullptr, SEC, &own) == 0);
				SHOULD(mine.after(own) == 0);
				/* he has it in his heap when this is over: no other is made */
				SHOULD(tasks() == 1);
				return 0;
			});
		}) == 0);
		SHOULD(becomes([] { return child != 0; }));
		SHOULD(waited_for(child) == 0);
		urctx_put(ctx);
		return 0;
	});
}

/* A destructor of his thread, behind all that he did. */
TEST_CASE("fork: by the housekeeper who leaves", "[edges][fork]")
{
	static pthread_key_t key;
	static std::atomic<pid_t> child;

	PASSES([] {
		struct urctx *ctx = nullptr;
		urctx_callback cb = {};

		child = 0;
		SHOULD(pthread_key_create(&key, [](void *) {
			child = forked([] {
				struct urctx *own = nullptr;
				counted mine;

				SHOULD(urctx_with_timeout(nullptr, SEC / 100, &own) == 0);
				SHOULD(mine.after(own) == 0);
				SHOULD(becomes([&] { return mine.ran == 1; }));
				return 0;
			});
		}) == 0);
		SHOULD(told_soon(&ctx, &cb, [](urctx_callback *) {
			(void)pthread_setspecific(key, &key);
		}) == 0);
		SHOULD(becomes([] { return child != 0; }));
		SHOULD(waited_for(child) == 0);
		urctx_put(ctx);
		return 0;
	});
}

namespace
{
/* Who cancels, held in the one system call that makes a descriptor readable. */
class held_cancel
{
public:
	explicit held_cancel(struct urctx *ctx)
		: cancels([this, ctx] {
			  me.settime = &stop;
			  urctx_cancel(ctx);
			  me.settime = nullptr;
			  return 0;
		  })
	{
		in.wait();
	}
	int let_go()
	{
		goes.set();
		return cancels.join();
	}

private:
	gate in, goes;
	std::function<void()> stop = [this] {
		in.set();
		goes.wait();
	};
	one_thread cancels;	/* last: it uses the others */
};
}

/* In the one system call that makes it readable: in the child nobody is. */
TEST_CASE("fork: while another thread makes a descriptor readable", "[edges][fork]")
{
	PASSES([] {
		struct urctx *ctx = derive(nullptr);
		const int fd = urctx_fd(ctx);

		SHOULD(fd >= 0);
		SHOULD(!readable(fd));
		held_cancel cancels(ctx);

		pid_t pid = forked([&] {
			SHOULD(urctx_err(ctx) == -ECANCELED);
			SHOULD(urctx_fd(ctx) == fd);
			SHOULD(will_be_readable(fd));
			SHOULD(urctx_err(ctx) == -ECANCELED);
			urctx_put(ctx);
			return is_open(fd) ? 1 : 0;
		}), other = forked([&] {
			urctx_put(ctx);
			return is_open(fd) ? 1 : 0;
		});

		SHOULD(ended(pid) == 0);
		SHOULD(ended(other) == 0);
		SHOULD(cancels.let_go() == 0);
		SHOULD(will_be_readable(fd));
		urctx_put(ctx);
		return 0;
	});
}

namespace
{
std::atomic<pid_t> left{ 0 };
std::atomic<bool> is_child{ false };

void handler_leaves_a_child(int)
{
	int saved = errno;
	pid_t pid = fork();

	if (pid)
		left = pid;
	else
		is_child = true;
	errno = saved;
}

void on_usr2_leave_a_child()
{
	struct sigaction act = {};

	act.sa_handler = handler_leaves_a_child;
	act.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &act, nullptr);
}

/* What the child of @who's handler says. */
int child_of(pthread_t who)
{
	(void)pthread_kill(who, SIGUSR2);
	(void)becomes([] { return left != 0; });
	return left ? ended(left) : -1;
}
}

/* The child comes back to a sleep from which nobody would wake it. */
TEST_CASE("fork: by a handler, while its thread waits for a descriptor", "[edges][fork]")
{
	for (bool renews : { false, true })
		PASSES([=] {
			struct urctx *ctx = derive(nullptr);
			const int fd = urctx_fd(ctx);
			std::atomic<pthread_t> asker{};

			SHOULD(fd >= 0);
			on_usr2_leave_a_child();
			held_cancel cancels(ctx);

			one_thread asks([&] {
				asker = pthread_self();
				int ret = renews ? urctx_fd(ctx) : urctx_err(ctx);
				bool right = ret == (renews ? fd : -ECANCELED);

				if (!is_child)
					return right ? 0 : 1;
				right = right && urctx_fd(ctx) == fd;
				_exit(right && will_be_readable(fd) ? 0 : 1);
			});

			bool still = asks.stands_still();
			int child = still ? child_of(asker) : -1;
			SHOULD(cancels.let_go() == 0);
			SHOULD(asks.join() == 0);
			SHOULD(still);
			SHOULD(child == 0);
			urctx_put(ctx);
			return 0;
		});
}

/* In the child it advances nothing, and nobody would tell it so. */
TEST_CASE("fork: by a handler, while its thread advances the clock", "[edges][fork][clock]")
{
	PASSES([] {
		held_clock clock;
		context ctx(nullptr, 100);
		std::atomic<pthread_t> who{};
		gate entered, leave;
		counted cb;

		cb.also = [&] {
			entered.set();
			leave.wait();
		};
		SHOULD(cb.after(ctx) == 0);
		on_usr2_leave_a_child();
		one_thread advances([&] {
			who = pthread_self();
			int ret = urctx_clock_advance(200);

			if (is_child)
				_exit(ret == -ECANCELED && !urctx_clock_advance(50) ? 0 : 1);
			return ret;
		});

		entered.wait();
		bool still = advances.stands_still();
		int child = still ? child_of(who) : -1;
		leave.set();
		SHOULD(advances.join() == 0);
		SHOULD(still);
		SHOULD(child == 0);
		return 0;
	});
}

/* In the same one system call: it is closed behind it, not below it. */
TEST_CASE("a descriptor is put while a cancel makes it readable", "[edges][fd]")
{
	PASSES([] {
		struct urctx *parent = derive(nullptr), *ctx = derive(parent);
		const int fd = urctx_fd(ctx);

		SHOULD(fd >= 0);
		held_cancel cancels(parent);

		urctx_put(ctx);
		SHOULD(is_open(fd));
		SHOULD(cancels.let_go() == 0);
		SHOULD(!is_open(fd));
		urctx_put(parent);
		return 0;
	});
}
#endif
