/* SPDX-License-Identifier: MIT */
/*
 * value.c - values: look-up that does not depend on how deep the context is
 *
 * Each context points to the nearest value at or above it.  A value has the root
 * of a trie of all that are visible from there, by four bits of the hashed key a
 * level: its own, and those of the values above that it does not hide.  Making one
 * copies the nodes on the way to its key and shares the rest, which outlives it:
 * a context keeps those above it linked.
 *
 *	root -> [ . a . . n . . . ]	a leaf is a value, a node is tagged
 *	                  `-> [ . b . c . . . . ]
 */
#include <errno.h>
#include <stdlib.h>

#include "derive.h"
#include "leave.h"
#include "value.h"

#define FAN_BITS	4
#define FAN		(1U << FAN_BITS)
#define LEVELS		(64 / FAN_BITS)

struct node {
	uintptr_t at[FAN];		/* 0, a value, or a node | 1 */
};

struct value {
	struct leftover left;		/* first: what release is called from */
	const struct urctx_key *key;
	void *value;
	struct node *root;
	struct node node[];		/* those that are its own */
};

/* A bijection: two keys differ in one of the digits. */
static inline uint64_t hash_of(const struct urctx_key *key)
{
	return (uint64_t)(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15);
}

static inline unsigned digit(uint64_t hash, unsigned level)
{
	return (unsigned)(hash >> (64 - FAN_BITS * (level + 1))) % FAN;
}

static inline const struct node *node_at(uintptr_t v)
{
	return (const struct node *)(v - 1);
}

void *urctx_value(const struct urctx *ctx, const struct urctx_key *key)
{
	const struct value *near;
	uint64_t hash;
	uintptr_t v;

	touch(ctx);
	near = ctx ? (const struct value *)load_relaxed(&ctx->value) : NULL;
	if (!near)
		return NULL;
	if (near->key == key)
		return near->value;
	hash = hash_of(key);
	v = (uintptr_t)near->root | 1;
	do {
		v = node_at(v)->at[hash >> (64 - FAN_BITS)];
		hash <<= FAN_BITS;
	} while (v & 1);
	near = (const struct value *)v;
	return near && near->key == key ? near->value : NULL;
}

/* How many nodes a trie with @key in it has on the way there. */
static unsigned nodes_needed(const struct value *above, uint64_t hash)
{
	unsigned level = 0, nr = 1;
	uintptr_t v;

	if (!above)
		return 1;
	for (v = (uintptr_t)above->root | 1;; level++, nr++) {
		v = node_at(v)->at[digit(hash, level)];
		if (!(v & 1))
			break;
	}
	if (v) {	/* it goes where another one is: down to where they part */
		uint64_t other = hash_of(((const struct value *)v)->key);

		if (other == hash)
			return nr;
		for (; digit(hash, level) == digit(other, level); level++)
			nr++;
	}
	return nr;
}

/* Copies the way to @hash from @above, and puts @val at its end. */
static void trie_add(struct value *val, const struct value *above, uint64_t hash,
		     unsigned nr)
{
	uintptr_t v = above ? (uintptr_t)above->root | 1 : 0;
	unsigned level;

	for (level = 0; level < nr; level++) {
		struct node *mine = &val->node[level];
		uintptr_t *at = &mine->at[digit(hash, level)];

		__builtin_memset(mine, 0, sizeof(*mine));
		if (v & 1) {
			*mine = *node_at(v);
		} else if (v) {		/* a value that is pushed down */
			uint64_t other = hash_of(((const struct value *)v)->key);

			mine->at[digit(other, level)] = v;
		}
		v = *at;
		*at = level + 1 < nr ? (uintptr_t)(mine + 1) | 1 : (uintptr_t)val;
	}
	val->root = &val->node[0];
}

static void value_run(struct leftover *left)
{
	struct value *val = (struct value *)left;

	if (val->key->release)
		val->key->release(val->value);
	sys_free(val);
}

struct leftover *value_leave(struct urctx *n)
{
	return &((struct value *)load_relaxed(&n->value))->left;
}

const struct urctx_key *const *value_key_place(const void *value)
{
	return &((const struct value *)value)->key;
}

static struct value *value_make(const struct value *above,
				const struct urctx_key *key, void *value)
{
	uint64_t hash = hash_of(key);
	unsigned nr = nodes_needed(above, hash);
	struct value *val;

	val = (struct value *)sys_alloc(sizeof(*val) + nr * sizeof(struct node));
	if (!val)
		return NULL;
	val->left.run = value_run;
	val->key = key;
	val->value = value;
	trie_add(val, above, hash, nr);
	return val;
}

int urctx_with_value(struct urctx *parent, const struct urctx_key *key,
		     void *value, struct urctx **child)
{
	struct thread *t = this_thread();
	struct value *val;
	struct urctx *n;
	int ret;

	derive_check(parent, child);
	if (!key)
		return -EINVAL;
	val = value_make(parent ? (struct value *)load_relaxed(&parent->value) : NULL,
			 key, value);
	if (!val)
		return -ENOMEM;
	n = child_make(t, parent);
	ret = -ENOMEM;
	if (n) {
		store_relaxed(&n->value, val);
		store_relaxed(&n->watch, OWNS);
		ret = child_publish(t, parent, n, child_lazy(parent));
	}
	if (ret)
		sys_free(val);
	else
		*child = n;
	return derived(ret, child);
}
