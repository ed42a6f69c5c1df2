/* SPDX-License-Identifier: MIT */
#include <cstddef>
#include <memory>
#include <new>
#include <stop_token>
#include "cxx.h"

namespace {

/* Requests the stop of a source that lives at least as long as it does. */
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

	explicit child(const std::stop_token &parent)
		: source(), link(parent, forward{&source})
	{
	}
};

/* Neither copied nor moved, so made in place. */
class children {
	struct free_raw {
		void operator()(child *p) const noexcept
		{
			::operator delete(p, std::align_val_t(64));
		}
	};
	std::unique_ptr<child, free_raw> at_;
	std::size_t nr_ = 0;

public:
	explicit children(std::size_t room)
		: at_(static_cast<child *>(::operator new(
			  room * sizeof(child), std::align_val_t(64))))
	{
	}
	~children()
	{
		while (nr_)
			at_.get()[--nr_].~child();
	}
	child &add(const std::stop_token &parent)
	{
		return *new (&at_.get()[nr_++]) child(parent);
	}
	child &operator[](std::size_t i)
	{
		return at_.get()[i];
	}
	std::size_t size() const
	{
		return nr_;
	}
};

template <typename T> inline void keep(T &object)
{
	asm volatile("" : : "r"(&object) : "memory");
}

} /* namespace */

struct cxx_parent {
	std::stop_source source;
	std::stop_token token = source.get_token();
};

struct cxx_fan : cxx_parent {
	children all;

	explicit cxx_fan(std::size_t n) : all(n)
	{
		for (std::size_t i = 0; i < n; i++)
			all.add(token);
	}
};

struct cxx_chain : cxx_parent {
	children all;

	explicit cxx_chain(std::size_t n) : all(n)
	{
		for (std::size_t i = 0; i < n; i++)
			all.add(i ? all[i - 1].source.get_token() : token);
	}
};

cxx_parent *cxx_parent_new(void)
{
	return new cxx_parent;
}

void cxx_parent_free(cxx_parent *p)
{
	delete p;
}

void cxx_derive_put(cxx_parent *p, unsigned long n)
{
	while (n--) {
		child c(p->token);
		keep(c);
	}
}

void cxx_derive_put_heap(cxx_parent *p, unsigned long n)
{
	while (n--) {
		auto c = std::make_unique<child>(p->token);
		keep(*c);
	}
}

void cxx_derive_cancel_put(cxx_parent *p, unsigned long n)
{
	while (n--) {
		child c(p->token);
		keep(c);
		c.source.request_stop();
	}
}

void cxx_interior(cxx_parent *p, unsigned long n)
{
	while (n--) {
		child a(p->token);
		std::stop_token token = a.source.get_token();
		child b(token);
		keep(b);
	}
}

void cxx_after_stop(cxx_parent *p, unsigned long n)
{
	auto nothing = [p]() noexcept { keep(*p); };

	while (n--) {
		std::stop_callback<decltype(nothing)> cb(p->token, nothing);
		keep(cb);
	}
}

void cxx_cancel_again(cxx_parent *p, unsigned long n)
{
	while (n--) {
		bool first = p->source.request_stop();
		keep(first);
	}
}

cxx_fan *cxx_fan_new(unsigned long n)
{
	return new cxx_fan(n);
}

void cxx_fan_cancel(cxx_fan *f)
{
	f->source.request_stop();
}

unsigned long cxx_fan_done(cxx_fan *f)
{
	unsigned long done = 0;

	for (std::size_t i = 0; i < f->all.size(); i++)
		done += f->all[i].source.stop_requested();
	return done;
}

void cxx_fan_free(cxx_fan *f)
{
	delete f;
}

cxx_chain *cxx_chain_new(unsigned long n)
{
	return new cxx_chain(n);
}

void cxx_chain_cancel(cxx_chain *c)
{
	c->source.request_stop();
}

int cxx_chain_done(cxx_chain *c)
{
	return c->all[c->all.size() - 1].source.stop_requested();
}

void cxx_chain_free(cxx_chain *c)
{
	delete c;
}
