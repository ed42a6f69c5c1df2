/* SPDX-License-Identifier: MIT */
/*
 * s_call_nest.c - callbacks that cancel and put (I11, I14, I22)
 *
 * MC: -DRETIRE_BATCH=9
 */
#include "s_call.h"

static struct urctx *p, *x, *q, *a, *b, *n;
static struct job *ja, *jb, *jx;

static void fn_empty(struct urctx_callback *cb)
{
	run_once((struct job *)cb);
}

/* P -> X {callback}.  X is put and given back while its callback runs. */
static void init_dropped(void)
{
	threads(2);
	housekeeper();
	p = node(NULL, "P");
	x = childless(p, "X");
	ja = armed(x, fn_empty);
	ended(p);
}

static void t_cancel_p(void)
{
	urctx_cancel_cause(p, ONE);
	mc_assert(ja->body == 1);
}

static void t_put_x(void)
{
	urctx_put(x);
	house_turn();
}

static void dropped(void)
{
	while (house_turn())
		;
	ended_by(p, ONE);
	mc_assert(ja->body == 1);
	mc_free(ja);
	childless_now(p);
	urctx_put(p);
	home();
}

/* A's callback cancels B, which has one. */
static void fn_cancel_b(struct urctx_callback *cb)
{
	run_once((struct job *)cb);
	urctx_cancel_cause(b, TWO);
	mc_assert(urctx_done(b));
}

static void fn_cancel_a(struct urctx_callback *cb)
{
	run_once((struct job *)cb);
	urctx_cancel_cause(a, ONE);
	mc_assert(urctx_done(a));
}

/* And lets it go: the queue is all that keeps it. */
static void fn_end_b(struct urctx_callback *cb)
{
	run_once((struct job *)cb);
	urctx_cancel_cause(b, TWO);
	urctx_put(b);
}

static void two(void (*fa)(struct urctx_callback *), void (*fb)(struct urctx_callback *))
{
	threads(2);
	housekeeper();
	a = childless(NULL, "A");
	b = childless(NULL, "B");
	ja = armed(a, fa);
	jb = armed(b, fb);
	one_.payload = two_.payload = 1;
}

static void init_nested(void)
{
	two(fn_cancel_b, fn_run);
}

static void init_crossed(void)
{
	two(fn_cancel_b, fn_cancel_a);
}

static void init_queue_put(void)
{
	two(fn_end_b, fn_run);
}


/* X's callback cancels B as well: two threads have B in their queues in turn. */
static void init_both_queue(void)
{
	two(fn_cancel_b, fn_run);
	x = childless(NULL, "X");
	jx = armed(x, fn_cancel_b);
}

/* And somebody else stops B's callback, which is all that keeps B but the queue. */
static void init_queue_stop(void)
{
	two(fn_end_b, fn_run);
	q = childless(NULL, "Q");
	give(2, 2, 1);
}

static void t_cancel_a(void)
{
	urctx_cancel_cause(a, ONE);
	mc_assert(urctx_done(a));
}

/* Alone with B when it returns: its callback has run. */
static void t_cancel_a_alone(void)
{
	t_cancel_a();
	mc_assert(ja->body == 1 && jb->body == 1);
}

static void t_cancel_b(void)
{
	urctx_cancel_cause(b, TWO);
	mc_assert(urctx_done(b));
}

static void t_house(void)
{
	house_turn();
}

static void t_stop_house(void)
{
	if (!urctx_try_stop(&jb->cb))
		return;
	mc_assert(!jb->body);
	jb->body = 1;
	jb->runs = 1;
	house_turn();
	n = derive(q);
	mc_assert(!urctx_done(n));
}

static void t_cancel_x(void)
{
	urctx_cancel_cause(x, ONE);
}

static void ran(void)
{
	mc_assert(ja->body == 1 && ja->runs == 1);
	mc_assert(jb->body == 1 && jb->runs == 1);
	mc_free(ja);
	mc_free(jb);
}

static void both(void)
{
	ran();
	ended_by(a, ONE);
	ended_by(b, TWO);
	urctx_put(a);
	urctx_put(b);
	home();
}

static void three(void)
{
	mc_assert(jx->body == 1 && jx->runs == 1);
	mc_free(jx);
	urctx_put(x);
	both();
}

static void b_gone(void)
{
	ran();
	urctx_put(a);
	home();
}

static void b_stopped(void)
{
	ran();
	while (house_turn())
		;
	if (n) {
		live(n);
		urctx_put(n);
	}
	urctx_put(q);
	urctx_put(a);
	home();
}

/* P -> X {callback that puts both}: nobody holds anything when it returns. */
static void fn_put_all(struct urctx_callback *cb)
{
	run_once((struct job *)cb);
	urctx_put(x);
	urctx_put(p);
}

static void init_last(void)
{
	threads(2);
	housekeeper();
	p = node(NULL, "P");
	x = childless(p, "X");
	ja = armed(x, fn_put_all);
	give(2, 1, 0);
	q = childless(NULL, "Q");
}

static void t_last(void)
{
	cancel_one(p);
}

static void t_house_derive(void)
{
	house_turn();
	n = derive(q);
	mc_assert(!urctx_done(n));
}

static void last(void)
{
	mc_assert(ja->body == 1);
	mc_free(ja);
	live(n);
	urctx_put(n);
	urctx_put(q);
	home();
}

static const struct mc_scenario s_dropped = {
	"call_put_meanwhile", "G2 G9", init_dropped, { t_cancel_p, t_put_x }, dropped, LIFE,
};
static const struct mc_scenario s_nested = {
	"call_cancels", "G2 G6", init_nested, { t_cancel_a, t_cancel_b }, both, LIFE | MC_QUICK,
};
static const struct mc_scenario s_crossed = {
	"call_cancel_crossed", "G2 G6", init_crossed, { t_cancel_a, t_cancel_b }, both,
	LIFE | MC_QUICK,
};
static const struct mc_scenario s_queue_put = {
	"call_queue_put", "G2 G9", init_queue_put, { t_cancel_a_alone, t_house }, b_gone,
	LIFE | MC_QUICK,
};
static const struct mc_scenario s_queue_stop = {
	"call_queue_stop", "G2 G9", init_queue_stop, { t_cancel_a, t_stop_house }, b_stopped,
	LIFE,
};
static const struct mc_scenario s_both_queue = {
	"call_both_queue", "G2 G6", init_both_queue, { t_cancel_a, t_cancel_x }, three, LIFE,
};
static const struct mc_scenario s_last = {
	"call_puts_last", "G9", init_last, { t_last, t_house_derive }, last, LIFE,
};

int main(int argc, char **argv)
{
	return mc_main(argc, argv, &s_nested, &s_crossed, &s_queue_put, &s_queue_stop,
		       &s_both_queue, &s_dropped, &s_last, NULL);
}
