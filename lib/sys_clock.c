/* SPDX-License-Identifier: MIT */
/*
 * sys_clock.c - the clock, and sleeps until a time of it
 *
 * It is CLOCK_MONOTONIC or, while a test holds it (clock.c), a number.  No kernel
 * ends a sleep by that.  So who sleeps then is on a list, and sleeps on one word
 * more, which is his own: whoever sets the clock wakes those by it whose time has
 * come.  The list says as well how many sleep, which urctx_clock_await() asks.
 *
 *   sleeper				waker			clock
 *     lock: compare, into the list	  *addr = other		  lock: set it,
 *     futex_waitv(look, words)		  futex wake addr	  wake by look
 *     lock: out of the list
 *
 * Between its lock and the kernel's comparison a sleeper counts as one, rightly:
 * whatever changes in there is seen by that comparison.  One whose words have
 * changed does not count: it is awake, or is woken to compare again, because a
 * word may change without a wake-up (a context that gets its first child).
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "context.h"
#include "sys_clock.h"

#define NSEC	1000000000LL
#define SLICE	(1000L * 1000)	/* ns; between two looks, where there is no waitv */

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct sleeper {
	struct sleeper *next;
	const uint32_t *word[2];	/* the second may be NULL */
	uint32_t val[2];
	int64_t deadline;
	uint32_t look;			/* futex: 1, it is told to look again */
};

int64_t sys_held_at = CLOCK_FREE;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sleeper *sleepers;
static uint32_t changes;		/* futex, under the lock */

void clock_lock(void)
{
	pthread_mutex_lock(&lock);
}

void clock_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

void clock_sleepers_forked(void)
{
	pthread_mutex_init(&lock, NULL);
	sleepers = NULL;
}

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

int64_t sys_now_real(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t sys_now(void)
{
	int64_t held = load_relaxed(&sys_held_at);

	return __builtin_expect(held < 0, 1) ? read_clock(CLOCK_MONOTONIC) : held;
}

int64_t sys_now_coarse(void)
{
	int64_t held = load_relaxed(&sys_held_at);

	return __builtin_expect(held < 0, 1) ? read_clock(CLOCK_MONOTONIC_COARSE) :
					       held;
}

/* The result, or -errno. */
static int call(long nr, long a, long b, long c, long d, long e, long f)
{
	int saved = errno;
	long ret = syscall(nr, a, b, c, d, e, f);

	if (ret < 0) {
		ret = -errno;
		errno = saved;
	}
	return (int)ret;
}

int sys_futex_wait_real(const uint32_t *addr, uint32_t val, int64_t deadline)
{
	struct timespec ts, *until = NULL;

	if (deadline != URCTX_NEVER) {
		if (deadline < 0)
			deadline = 0;
		ts.tv_sec = deadline / NSEC;
		ts.tv_nsec = deadline % NSEC;
		until = &ts;
	}
	return call(SYS_futex, (long)addr, FUTEX_WAIT_BITSET_PRIVATE, val,
		    (long)until, 0, FUTEX_BITSET_MATCH_ANY);
}

int sys_futex_wait(const uint32_t *addr, uint32_t val, int64_t deadline)
{
	int ret;

	/* again: it was held, or let go, while this slept */
	do
		if (__builtin_expect(sys_clock_held(), 0))
			ret = clock_sleep(addr, val, NULL, 0, deadline);
		else
			ret = sys_futex_wait_real(addr, val, deadline);
	while (__builtin_expect(ret == CLOCK_LOOK, 0) ||	/* seldom: taken since */
	       (ret == -ETIMEDOUT && sys_clock_held() && sys_now() < deadline));
	return ret;
}

static bool changed(const struct sleeper *s)
{
	return load_relaxed(s->word[0]) != s->val[0] ||
	       (s->word[1] && load_relaxed(s->word[1]) != s->val[1]);
}

/* Locked: it is in its call until it has had the lock. */
static void wake(struct sleeper *s)
{
	store_relaxed(&s->look, 1);
	sys_futex_wake(&s->look);
}

void clock_set(int64_t now)
{
	struct sleeper *s;

	store_relaxed(&sys_held_at, now);
	for (s = sleepers; s; s = s->next)
		if (now == CLOCK_FREE || s->deadline <= now)
			wake(s);
	if (now == CLOCK_FREE) {
		fetch_add_relaxed(&changes, 1);
		sys_futex_wake(&changes);
	}
}

int64_t clock_sleepers_next(void)
{
	int64_t now = sys_now(), when = URCTX_NEVER;
	struct sleeper *s;

	for (s = sleepers; s; s = s->next)
		if (s->deadline > now && s->deadline < when)
			when = s->deadline;
	return when;
}

unsigned clock_sleepers(void)
{
	struct sleeper *s;
	unsigned nr = 0;

	for (s = sleepers; s; s = s->next) {
		if (load_relaxed(&s->look))
			continue;
		if (changed(s))
			wake(s);
		else
			nr++;
	}
	return nr;
}

void clock_sleepers_wait(void)
{
	uint32_t seen = changes;

	clock_unlock();
	sys_futex_wait_real(&changes, seen, URCTX_NEVER);
	clock_lock();
}

/* 0: @s sleeps from here on. */
static int lie_down(struct sleeper *s)
{
	int ret = 0;

	clock_lock();
	if (!sys_clock_held())		/* seldom: let go since */
		ret = CLOCK_LOOK;
	else if (changed(s))
		ret = -EAGAIN;
	else if (s->deadline <= sys_now())
		ret = -ETIMEDOUT;
	if (!ret) {
		s->next = sleepers;
		sleepers = s;
		fetch_add_relaxed(&changes, 1);
		sys_futex_wake(&changes);
	}
	clock_unlock();
	return ret;
}

static void get_up(struct sleeper *s)
{
	struct sleeper **at;

	clock_lock();
	for (at = &sleepers; *at && *at != s; at = &(*at)->next)
		;
	if (*at)		/* it is not in a child of fork() */
		*at = s->next;
	clock_unlock();
}

/* No futex_waitv(): the last of the words, and a look at the others now and then. */
static int sleep_slices(struct sleeper *s)
{
	unsigned last = !!s->word[1];
	struct timespec slice = { 0, SLICE };
	int ret;

	do {
		if (load_relaxed(&s->look))
			return CLOCK_LOOK;
		if (changed(s))
			return -EAGAIN;
		ret = call(SYS_futex, (long)s->word[last], FUTEX_WAIT_PRIVATE,
			   s->val[last], (long)&slice, 0, 0);
	} while (ret == -ETIMEDOUT);
	return ret ? ret : (int)last;
}

static int sleep_on_words(struct sleeper *s)
{
	static bool refused;
	/* struct futex_waitv of linux/futex.h, which may be older than it */
	struct {
		uint64_t val, addr;
		uint32_t flags, reserved;
	} v[3];
	const uint32_t flags = 2 /* FUTEX_32 */ | FUTEX_PRIVATE_FLAG;
	int nr = s->word[1] ? 3 : 2, i, ret;

	if (load_relaxed(&refused))
		return sleep_slices(s);
	/* of several that were woken the kernel says the last: look comes first */
	v[0].addr = (uintptr_t)&s->look;
	v[0].val = 0;
	for (i = 0; i < nr; i++) {
		if (i) {
			v[i].addr = (uintptr_t)s->word[i - 1];
			v[i].val = s->val[i - 1];
		}
		v[i].flags = flags;
		v[i].reserved = 0;
	}
	ret = call(SYS_futex_waitv, (long)v, nr, 0, 0, CLOCK_MONOTONIC, 0);
	if (ret == -ENOSYS || ret == -EPERM) {
		store_relaxed(&refused, true);
		return sleep_slices(s);
	}
	if (!ret || (ret == -EAGAIN && !changed(s)))
		return CLOCK_LOOK;
	return ret > 0 ? ret - 1 : ret;
}

int clock_sleep(const uint32_t *a, uint32_t val_a, const uint32_t *b,
		uint32_t val_b, int64_t deadline)
{
	struct sleeper me = {
		.word = { a, b },
		.val = { val_a, val_b },
		.deadline = deadline,
	};
	int ret = lie_down(&me);

	if (ret)
		return ret;
	ret = sleep_on_words(&me);
	get_up(&me);
	return ret;
}
