/* SPDX-License-Identifier: MIT */
/*
 * stop.pml - a callback is armed, run by who ends its context, or stopped
 *
 * The words of lib/callback.c in its slot. Two who end the context, one who arms, two
 * who stop it from outside, and perhaps the callback itself (SELF). Sleeping is a
 * futex: comparing and queueing is one step.
 *
 * Twins that must fail: NO_LOOK, FN_FIRST, BLIND_SLEEP, NO_WAKE, PLAIN_END, and with
 * SELF: OWN_WAITS
 */
#define ARMED	1
#define RUNNING	2
#define AWAITED	3

byte slot;
bool published, over;		/* it is armed; its context is done */
byte ran, running, stopped, left;
bool asleep[2];

inline claim_and_run()
{
#ifdef FN_FIRST
	if
	:: slot == ARMED ->
		running++; ran++; running--;
		atomic { slot == ARMED -> slot = 0 }
	:: else
	fi
#else
	atomic {
		if
		:: slot == ARMED -> slot = RUNNING; mine = true
		:: else -> mine = false
		fi
	}
	if
	:: mine ->
		running++;
		ran++;
#ifdef SELF
		own_stop();
#endif
		running--;
#ifdef PLAIN_END
		was = slot;
		slot = 0;
#else
		atomic { was = slot; slot = 0 }
#endif
		if
#ifndef NO_WAKE
		:: was == AWAITED -> atomic { asleep[0] = false; asleep[1] = false }
#endif
		:: else
		fi
	:: else
	fi
#endif
}

/* From inside: it knows that it is what runs. */
inline own_stop()
{
#ifdef OWN_WAITS
	atomic {
		if
		:: slot == RUNNING -> slot = AWAITED
		:: else
		fi
	}
	(slot != AWAITED)
#else
	skip
#endif
}

/* urctx_after(): publish, then look. */
active proctype arm()
{
	byte was;
	bool mine;

	slot = ARMED;
	published = true;
#ifndef NO_LOOK
	if
	:: over -> claim_and_run()
	:: else
	fi;
#endif
	left++
}

active [2] proctype end_it()
{
	byte was;
	bool mine;

	over = true;
	claim_and_run();
	left++
}

/* urctx_stop(): true if it will never run; else it does not run any more. */
active [2] proctype stop()
{
	byte v, me = _pid - 3;

	if
	:: (published)
	:: goto out		/* does not care */
	fi;
again:
	atomic {
		v = slot;
		if
		:: v == ARMED -> slot = 0
		:: else
		fi
	}
	if
	:: v == ARMED -> stopped++; assert(ran == 0)
	:: v == 0 -> assert(running == 0)
	:: else ->
		atomic {
			if
			:: slot == RUNNING -> slot = AWAITED; v = AWAITED
			:: else -> v = slot
			fi
		}
		atomic {
			if
#ifdef BLIND_SLEEP
			:: v == AWAITED -> asleep[me] = true
#else
			:: v == AWAITED && slot == AWAITED -> asleep[me] = true
#endif
			:: else
			fi
		}
		(!asleep[me]);
		goto again
	fi;
out:
	left++
}

ltl once { [] (ran + stopped <= 1) }
/* Every call returns, and of a done context's callback there is an end. */
ltl returns { <> (left == 5) }
ltl ends { <> (ran + stopped == 1) }
