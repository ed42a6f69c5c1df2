/* SPDX-License-Identifier: MIT */
/*
 * ring.pml - one op, its context, the kernel, and the owner of the ring
 *
 * The owner binds an op, sleeps in the kernel, and asks for the op to be aborted as
 * soon as its context is done, until the op's own CQE is there; then it binds another
 * in the same slot. Somebody else ends the context. The kernel starts the op, may have
 * it in between for a while (a cancel finds nothing, or is too late), and ends it.
 *
 * Twins that must fail: BIND_BLIND, WRITE_FIRST, ASK_ONCE, ANSWER_ENDS, NO_GENERATION,
 * SLEEP_ON
 */
#define UNUSED		0
#define WAITS		1	/* for data: a cancel takes it */
#define BETWEEN		2	/* neither here nor there: -ENOENT, -EALREADY */
#define ENDED		3	/* its CQE is on the way */

mtype = { own, answer, wake };

bool over, armed, told;		/* the context; its callback; the owner knows */
bool listed, eventfd;		/* the link is on the wake list; somebody wrote */
byte kernel, generation, completed;
bool asking, data;
bool finished;
chan cq = [4] of { mtype, byte };

/* urctx_cancel(), in another thread. */
active proctype cancel()
{
	over = true;
	if
	:: armed ->
#ifdef WRITE_FIRST
		eventfd = true;
		listed = true
#else
		listed = true;
		eventfd = true
#endif
	:: else
	fi
}

active proctype kernel_side()
{
end:
	do
	:: kernel == BETWEEN -> kernel = WAITS
	:: atomic { kernel == WAITS && data -> kernel = ENDED; cq ! own, generation }
	:: atomic { kernel == WAITS && !asking -> kernel = BETWEEN; data = true }
	:: atomic { asking && kernel == WAITS -> asking = false; kernel = ENDED;
			cq ! own, generation }
	:: atomic { asking && (kernel == BETWEEN || kernel == ENDED || kernel == UNUSED) ->
			asking = false; cq ! answer, generation }
	od
}

inline bind()
{
	generation++;
	kernel = WAITS;
	/* urctx_after(): publish, and look */
	armed = true;
#ifndef BIND_BLIND
	if
	:: over -> told = true
	:: else
	fi
#endif
}

inline look()
{
	if
	:: eventfd -> eventfd = false;
		if
		:: listed -> listed = false; told = true
		:: else
		fi
	:: else
	fi
}

active proctype owner()
{
	mtype what;
	byte of;
	bool asked, again;

	bind();
	do
	:: completed == 1 && !again ->
		/* the next, in the same slot: it has its own CQE to wait for */
		break
	:: else ->
		look();
		if
		:: told && !asked -> asking = true; asked = true
		:: else
		fi;
#ifdef SLEEP_ON
		cq ? what, of;
#else
		/* its poll of the eventfd is a CQE as well */
		if
		:: cq ? what, of
		:: eventfd -> what = wake
		fi;
#endif
		if
		:: what == own ->
#ifdef NO_GENERATION
			completed++
#else
			if
			:: of == generation -> completed++
			:: else
			fi
#endif
		:: what == answer ->
#ifdef ANSWER_ENDS
			completed++;
			assert(kernel == ENDED && empty(cq))
#else
#ifndef ASK_ONCE
			asked = false
#endif
#endif
		:: else
		fi
	od;
	assert(completed == 1);
	assert(kernel == ENDED);
	finished = true
}

/* A told op comes to its end, whatever the kernel was doing with it. */
ltl reaped { [] (told -> <> finished) }
ltl noticed { [] ((over && armed) -> <> finished) }
