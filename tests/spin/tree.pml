/* SPDX-License-Identifier: MIT */
/*
 * tree.pml - derive, cancel and put in one tree, and memory that moves to another
 *
 * Contexts: ROOT, its child KID which has children, and two leaves that come
 * meanwhile, one below each; and OTHER, a root that nobody cancels. A live word is
 * the number of the slot that its context is in (lib/word.h). Sequentially
 * consistent: what weaker memory would do is the model checker's to find.
 *
 * Twins that must fail: NO_RECHECK, NO_IDENTITY, SKIP_DONE, CLEAN_EARLY, HELP_WAITS
 */
#define ROOT	0
#define KID	1
#define OTHER	2
#define LEAF	3	/* and 4: below ROOT and below KID */
#define NODES	5
#define DONE	255
#define SLOTS	2	/* of each of the first three */
#define OUT	99	/* of no parent */

byte word[NODES];	/* DONE, or 1 + its slot; see setup */
byte slot[6];		/* 0, or 1 + who is in it */
bool ready;
byte clean[3];		/* all below is done */
bool attached[NODES];	/* derive has returned, put has not begun */
byte cancels, derives;

inline mark(k, s, won)
{
	atomic {
		won = false;
#ifdef NO_IDENTITY
		if
		:: word[k] != DONE -> word[k] = DONE; won = true
		:: else
		fi
#else
		if
		:: word[k] == s + 1 -> word[k] = DONE; won = true
		:: else
		fi
#endif
	}
}

/* Every child of @p that is there; KID among ROOT's is entered, whoever ended it. */
inline scan_kid()
{
	if
	:: clean[KID] -> skip
	:: else ->
#ifdef CLEAN_EARLY
		clean[KID] = 1;
#endif
		j = 0;
		do
		:: j < SLOTS ->
			s = KID * SLOTS + j;
			k = slot[s];
			if
			:: k > 0 -> mark(k - 1, s, won)
			:: else
			fi;
			j++
		:: else -> break
		od;
		clean[KID] = 1
	fi
}

inline scan_root()
{
	i = 0;
	do
	:: i < SLOTS ->
		s = ROOT * SLOTS + i;
		k = slot[s];
		if
		:: k > 0 ->
			mark(k - 1, s, won);
			if
			:: k - 1 == KID ->
#ifdef SKIP_DONE
				if
				:: won -> scan_kid()
				:: else
				fi
#else
#ifdef HELP_WAITS
				if
				:: won -> scan_kid()
				:: else -> (clean[KID])
				fi
#else
				scan_kid()
#endif
#endif
			:: else
			fi
		:: else
		fi;
		i++
	:: else -> break
	od
}

#define BELOW_KID	(!attached[4] || word[4] == DONE)
#define BELOW_ROOT	(word[KID] == DONE && (!attached[3] || word[3] == DONE) && BELOW_KID)

/* G2: when a cancel returns, all is done that was attached before it. */
active proctype cancel_root() provided (ready)
{
	byte i, j, k, s;
	bool won, had3, had4;

	had3 = attached[3];
	had4 = attached[4];
	word[ROOT] = DONE;
	scan_root();
	assert(word[KID] == DONE);
	assert(!had3 || word[3] == DONE || !attached[3]);
	assert(!had4 || word[4] == DONE || !attached[4]);
	cancels++
}

active proctype cancel_kid() provided (ready)
{
	byte j, k, s;
	bool won, had4;

#ifdef HELP_WAITS
	/* it is stopped for ever behind its mark, as a thread may be */
	if
	:: mark(KID, ROOT * SLOTS, won); goto stopped
	:: skip
	fi;
#endif
	had4 = attached[4];
	mark(KID, ROOT * SLOTS, won);
	scan_kid();
	assert(!had4 || word[4] == DONE || !attached[4]);
stopped:
	cancels++
}

/* Publish, then look at the parent: one of the two sees the other (G3). */
inline derive(me, parent, s)
{
	word[me] = s + 1;
	slot[s] = me + 1;
#ifndef NO_RECHECK
	if
	:: word[parent] == DONE -> mark(me, s, mine)
	:: else
	fi;
#endif
	attached[me] = parent != OTHER
}

active proctype derive_root() provided (ready)
{
	bool mine;

	derive(3, ROOT, ROOT * SLOTS + 1);
	derives++
}

/* It leaves again, and its memory is a child of OTHER. */
active proctype derive_kid() provided (ready)
{
	bool mine;

	derive(4, KID, KID * SLOTS);
	if
	:: skip
	:: attached[4] = false;
		slot[KID * SLOTS] = 0;
		derive(4, OTHER, OTHER * SLOTS)
	fi;
	derives++
}

init {
	atomic {
		word[ROOT] = OUT;
		word[OTHER] = OUT;
		word[KID] = ROOT * SLOTS + 1;
		slot[ROOT * SLOTS] = KID + 1;
		ready = true
	}
}

/* Nobody ends a child of OTHER. */
active proctype watch()
{
end:
	atomic {
		word[OTHER] != DONE && slot[OTHER * SLOTS] == 5 && word[4] == DONE ->
		assert(false)
	}
}

ltl returns { <> (cancels == 2 && derives == 2) }
ltl complete { [] ((cancels == 2 && derives == 2) -> BELOW_ROOT) }
