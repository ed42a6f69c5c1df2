/* SPDX-License-Identifier: MIT */
/*
 * clock.c - hold the clock, and move it by hand
 *
 * Timers belong to the housekeeper, so it is the one who moves the clock: who
 * wants it moved leaves a request, wakes him and sleeps.  He goes from one due
 * time to the next, wakes who sleeps until then, ends contexts and runs their
 * callbacks without the lock, and looks again at what is due by then.
 */
#include <errno.h>

#include "clock.h"
#include "house.h"
#include "sys_clock.h"
#include "thread.h"

#include <urctx/clock.h>

/* In the frame of who asked. */
struct move {
	struct thread *by;
	uint32_t nr;
	bool begun;
	int64_t to;
	int ret;
	uint32_t over;		/* futex: 1, he may go */
};

static struct move *asked;	/* clock_lock() */
static uint32_t requests = 1;	/* clock_lock(); odd, and so never 0 */

uint32_t clock_asked(void)
{
	uint32_t nr;

	clock_lock();
	nr = asked ? asked->nr : 0;
	clock_unlock();
	return nr;
}

static void answer(int ret)
{
	asked->ret = ret;
	store_relaxed(&asked->over, 1);
	sys_futex_wake(&asked->over);
	asked = NULL;
}

void clock_step(uint32_t nr, int64_t next)
{
	int64_t sleeper;

	clock_lock();
	if (asked && asked->nr == nr) {
		asked->begun = true;
		sleeper = clock_sleepers_next();
		if (sleeper < next)
			next = sleeper;
		clock_set(next < asked->to ? next : asked->to);
		if (next > asked->to)
			answer(0);
	}
	clock_unlock();
}

void clock_forked(void)
{
	clock_sleepers_forked();
	/* a handler of who asked: in here he moves nothing, and is not to wait for it */
	if (asked && asked->by == this_thread())
		answer(-ECANCELED);
	asked = NULL;
}

/* Go by it from now on. */
static void tell_house(void)
{
	house_until(INT64_MIN);
}

int urctx_clock_hold(int64_t now)
{
	int ret = 0;

	if (now < 0 || now > CLOCK_LAST)
		return -EINVAL;
	clock_lock();
	if (sys_clock_held())
		ret = -EBUSY;
	else
		clock_set(now);
	clock_unlock();
	if (!ret)
		tell_house();
	return ret;
}

/* 0: the request stands. */
static int ask(struct move *m, int64_t ns)
{
	int64_t now;
	int ret = 0;

	clock_lock();
	now = sys_now();
	if (!sys_clock_held() || ns < 0 || ns > CLOCK_LAST - now)
		ret = -EINVAL;
	else if (asked)
		ret = -EBUSY;
	if (!ret) {
		requests += 2;
		m->nr = requests;
		m->to = now + ns;
		asked = m;
	}
	clock_unlock();
	return ret;
}

/* No housekeeper: take it back, unless one has come after all. */
static void take_back(struct move *m)
{
	clock_lock();
	if (asked == m && !m->begun)	/* seldom: one has, and may be at it */
		answer(-EAGAIN);
	clock_unlock();
}

int urctx_clock_advance(int64_t ns)
{
	struct thread *t = this_thread();
	struct move m = { .by = t };
	int ret;

	/* on the housekeeper's thread it would wait for itself */
	if (t->frame || t->leaving)
		return -EDEADLK;
	ret = ask(&m, ns);
	if (ret)
		return ret;
	if (house_rely())
		tell_house();
	else
		take_back(&m);
	while (!load_relaxed(&m.over))
		sys_futex_wait_real(&m.over, 0, URCTX_NEVER);
	clock_lock();		/* whoever said so is out of here */
	clock_unlock();
	return m.ret;
}

void urctx_clock_await(unsigned threads)
{
	clock_lock();
	while (sys_clock_held() && clock_sleepers() < threads)
		clock_sleepers_wait();
	clock_unlock();
}

void urctx_clock_release(void)
{
	bool held;

	clock_lock();
	held = sys_clock_held();
	if (held)
		clock_set(CLOCK_FREE);
	if (asked)
		answer(-ECANCELED);
	clock_unlock();
	if (held)
		tell_house();
}
