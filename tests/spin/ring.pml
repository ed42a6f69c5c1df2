/* SPDX-License-Identifier: MIT */
/*
 * ring.pml - an op, its context, the kernel, and the owner of the ring
 *
 * The owner binds an op and sleeps in the kernel; as soon as the op's context is done
 * he asks for it to be aborted, until its own CQE is there. Then he binds another in
 * the same slot, which nobody ends, and waits for that. Somebody else ends the
 * context. The kernel has an op in between now and then: a cancel finds nothing there
 * then, or comes too late, and says so.
 *
 * Twins that must fail: BIND_BLIND, WRITE_FIRST, ASK_ONCE, ANSWER_ENDS, NO_GENERATION,
 * SLEEP_ON
 */
#define WAITS		1	/* for data: a cancel takes it */
#define BETWEEN		2	/* neither here nor there: -ENOENT, -EALREADY */
#define ENDED		3	/* its CQE has been posted */

#define OWN		1
#define ANSWER		2

bool over, armed, told;		/* the context; its callback; the owner knows */
bool listed, written;		/* the link is on the wake list; the eventfd */
bool asking;			/* a cancel is in the SQ, for this generation: */
byte asked_for;
byte state, generation;		/* of the slot's op */
byte trips;			/* times in between, of a file's op as often as you like */
bool silent;			/* no data ever come for the first */
bool finished;
chan cq = [4] of { byte, byte };

/* urctx_cancel(), in another thread: the callback's claim is one step. */
active proctype cancel()
{
	over = true;
	if
	:: armed ->
#ifdef WRITE_FIRST
		written = true;
		listed = true
#else
		listed = true;
		written = true
#endif
	:: else
	fi
}

/* The kernel, each of its sides a process, so that none is starved by another. */
active proctype workers()
{
end:
	do
	:: atomic { state == WAITS && trips < 3 && !finished -> state = BETWEEN; trips++ }
	:: atomic { state == BETWEEN -> state = WAITS }
	od
}

active proctype network()
{
	if
	:: silent = true
	:: skip
	fi;
end:
	do
	:: atomic { state == WAITS && (generation == 2 || !silent) ->
			state = ENDED; cq ! OWN, generation }
	od
}

active proctype cancels()
{
end:
	do
	:: atomic { asking ->
			asking = false;
			if
#ifdef NO_GENERATION
			:: state == WAITS ->
#else
			:: state == WAITS && asked_for == generation ->
#endif
				assert(generation == 1);
				state = ENDED;
				cq ! OWN, generation
			:: else -> cq ! ANSWER, asked_for
			fi }
	od
}

inline bind()
{
	generation++;
	state = WAITS
}

/* A turn of the owner's: what has been cancelled since? */
inline look()
{
	if
	:: written ->
		written = false;
		if
		:: listed -> listed = false; told = true
		:: else
		fi
	:: else
	fi
}

active proctype owner()
{
	byte kind, which;
	bool asked, over_now;

	bind();
	/* urctx_after(): publish, and look */
	armed = true;
#ifndef BIND_BLIND
	if
	:: over -> told = true
	:: else
	fi;
#endif
	do
	:: over_now -> break
	:: else ->
		look();
		if
		:: told && !asked -> asked_for = generation; asking = true; asked = true
		:: else
		fi;
		kind = 0;
		if
		:: cq ? kind, which
#ifndef SLEEP_ON
		/* its poll of the eventfd is a CQE, too */
		:: written -> skip
#endif
		fi;
		if
		:: kind == OWN && which == generation -> over_now = true
		:: kind == ANSWER ->
#ifdef ANSWER_ENDS
			over_now = true;
#endif
#ifndef ASK_ONCE
			asked = false;
#endif
			skip
		:: else
		fi
	od;
	/* complete(): the memory is the caller's, and the kernel does not have it */
	assert(state == ENDED);
	bind();
	do
	:: cq ? kind, which ->
		if
		:: kind == OWN && which == 2 -> break
		:: else
		fi
	od;
	assert(state == ENDED);
	finished = true
}

/* Whoever is told comes to his end, whatever the kernel was doing with his op. */
ltl reaped { [] (told -> <> finished) }
/* And whose context is done is told. */
ltl noticed { [] ((over && armed) -> <> finished) }
