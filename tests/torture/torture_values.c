/* SPDX-License-Identifier: MIT */
/*
 * torture_values.c - how old what a reader finds is
 *
 * Some contexts bring a value, which is 0 while its context is in a place, 1 once it
 * has left it (holders and descendants may be left), and 2 when it has been released;
 * from then on it ages with each further release.  Who holds a context may find 0 and
 * 1.  What was released lies for a while before it is used again.
 */
#include "torture.h"

#define REST	1024		/* released ones that lie */
#define A_YEAR	64		/* so many releases make one older */

struct payload {
	uint64_t age;		/* 0, 1; else the number of its release, and 2 */
	struct payload *next;
};

static const struct urctx_key key;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct payload *first, **last = &first;
static uint64_t lie, made, releases;

static struct payload *payload_make(void)
{
	struct payload *p = NULL;

	pthread_mutex_lock(&lock);
	if (lie > REST) {
		p = first;
		first = p->next;
		lie--;
	}
	pthread_mutex_unlock(&lock);
	if (!p)
		p = malloc(sizeof(*p));
	must(p);
	p->next = NULL;
	__atomic_store_n(&p->age, 0, __ATOMIC_RELAXED);
	__atomic_fetch_add(&made, 1, __ATOMIC_RELAXED);
	return p;
}

static void released(void *value)
{
	struct payload *p = value;
	uint64_t age = __atomic_load_n(&p->age, __ATOMIC_RELAXED);

	must(age == 1);		/* it left its place, and was not released before */
	pthread_mutex_lock(&lock);
	__atomic_store_n(&p->age, 2 + releases, __ATOMIC_RELAXED);
	__atomic_store_n(&releases, releases + 1, __ATOMIC_RELAXED);
	*last = p;
	last = &p->next;
	lie++;
	pthread_mutex_unlock(&lock);
}

static const struct urctx_key key = { "torture", released };

struct urctx *derive_value(struct urctx *parent, struct payload **brings)
{
	struct urctx *child = NULL;

	*brings = payload_make();
	did(VALUE);
	must(urctx_with_value(parent, &key, *brings, &child) == 0);
	must(urctx_value(child, &key) == *brings);
	return child;
}

/* Its context leaves its place, and is put next. */
void payload_left(struct payload *p)
{
	must(__atomic_exchange_n(&p->age, 1, __ATOMIC_RELAXED) == 0);
}

void op_lookup(void)
{
	struct urctx *ctx = look(somewhere());
	const struct payload *p;
	uint64_t age;

	did(LOOKUP);
	p = urctx_value(ctx, &key);
	if (p) {
		age = __atomic_load_n(&p->age, __ATOMIC_RELAXED);
		if (age > 1)
			age = 2 + (__atomic_load_n(&releases, __ATOMIC_RELAXED) -
				   (age - 2)) / A_YEAR;
		more(&me()->ages[age < AGES ? age : AGES - 1], 1);
		if (age > 1)
			fprintf(stderr, "torture: a reader finds a value of age %lu\n",
				(unsigned long)age);
		must(age <= 1);
	}
	t_put(ctx);
}

/* Who was the last to see them may be the library's thread: he has his time. */
void values_over(void)
{
	int64_t until = urctx_now() + torture.stall;
	struct payload *p;

	while (__atomic_load_n(&releases, __ATOMIC_RELAXED) != made &&
	       urctx_now() < until)
		must(urctx_wait(NULL, urctx_now() + 1000000) == -ETIME);
	if (releases != made)
		fprintf(stderr, "torture: %lu values, %lu of them released\n",
			(unsigned long)made, (unsigned long)releases);
	must(releases == made);
	pthread_mutex_lock(&lock);
	while ((p = first)) {
		first = p->next;
		free(p);
	}
	pthread_mutex_unlock(&lock);
}
