/* SPDX-License-Identifier: MIT */
/*
 * libstdc++'s std::stop_token.  It has no tree: a child is a stop_source of its own
 * and a stop_callback on the parent that requests its stop, side by side on the
 * stack, so that the only allocation is the one that the source makes itself.
 */
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <stop_token>
#include "peer.h"

namespace {

std::stop_source parent;

struct forward {
	std::stop_source *to;
	void operator()() const noexcept
	{
		to->request_stop();
	}
};

struct child {
	std::stop_source source;
	std::stop_callback<forward> link;

	explicit child(const std::stop_token &of) : link(of, forward{&source})
	{
	}
};

const char *version()
{
	static char text[64];

	std::snprintf(text, sizeof(text), "libstdc++ of gcc %d.%d.%d", __GNUC__,
		      __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
	return text;
}

void open_nothing()
{
}

PEER_LOOP void poll(unsigned long n)
{
	std::stop_token token = parent.get_token();
	unsigned long found = 0;

	while (n--) {
		if (token.stop_requested())
			found++;
		PEER_KEEP(0);
	}
	if (found)
		std::exit(1);
}

void derive_put(unsigned long n)
{
	std::stop_token token = parent.get_token();

	while (n--) {
		child c(token);
		PEER_KEEP(&c);
	}
}

void derive_cancel_put(unsigned long n)
{
	std::stop_token token = parent.get_token();

	while (n--) {
		child c(token);
		PEER_KEEP(&c);
		c.source.request_stop();
	}
}

void after_stop(unsigned long n)
{
	std::stop_token token = parent.get_token();
	auto nothing = []() noexcept { PEER_KEEP(&parent); };

	while (n--) {
		std::stop_callback<decltype(nothing)> cb(token, nothing);
		PEER_KEEP(&cb);
	}
}

/* A deque: they stay where they are made. */
struct tree {
	std::stop_source root;
	std::deque<child> all;
};

void *fan(unsigned long n)
{
	auto *t = new tree;
	std::stop_token token = t->root.get_token();

	while (n--)
		t->all.emplace_back(token);
	return t;
}

void *chain(unsigned long n)
{
	auto *t = new tree;

	t->all.emplace_back(t->root.get_token());
	while (--n)
		t->all.emplace_back(t->all.back().source.get_token());
	return t;
}

void cancel(void *p)
{
	static_cast<tree *>(p)->root.request_stop();
}

bool all_done(void *p)
{
	for (child &c : static_cast<tree *>(p)->all)
		if (!c.source.stop_requested())
			return false;
	return true;
}

struct waiter {
	std::stop_source source;
	std::mutex mutex;
	std::condition_variable_any condition;
};

void *waitable()
{
	return new waiter;
}

/* The wait that the standard made for stop_token. */
void wait(void *p)
{
	auto *w = static_cast<waiter *>(p);
	std::unique_lock<std::mutex> lock(w->mutex);

	w->condition.wait(lock, w->source.get_token(), [] { return false; });
}

void wake(void *p)
{
	static_cast<waiter *>(p)->source.request_stop();
}

struct peer describe()
{
	struct peer p = {};

	p.version = version;
	p.open = open_nothing;
	p.poll = poll;
	p.derive_put = derive_put;
	p.derive_cancel_put = derive_cancel_put;
	p.after_stop = after_stop;
	p.fan = fan;
	p.chain = chain;
	p.cancel = cancel;
	p.all_done = all_done;
	p.waitable = waitable;
	p.wait = wait;
	p.wake = wake;
	return p;
}

} /* namespace */

extern const struct peer peer = describe();
