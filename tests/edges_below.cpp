/* SPDX-License-Identifier: MIT */
/* edges_below.cpp - the calls of the library that tests look at, or stop */
#include "edges_below.hpp"
#include <dlfcn.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#if !TESTS_TSAN
__thread struct here me;
std::atomic<size_t> not_held{ 0 };
std::atomic<size_t> opened{ 0 }, joinable{ 0 }, rings{ 0 };
std::atomic<int> refused_threads{ 0 };
std::atomic<bool> close_0{ false }, stop_reader{ false };
gate *reader_is_in, *reader_goes_on;

namespace
{
template <typename F> F *real(F *&known, const char *name)
{
	if (!known)
		known = (F *)dlsym(RTLD_NEXT, name);
	return known;
}

template <typename T> T scribbled(T ret)
{
	if (me.scribbles && ret != (T)-1)
		errno = EXDEV;
	return ret;
}

void took(mutex *m)
{
	if (me.nr < 16)
		me.held[me.nr++] = m;
}

void let_go(mutex *m)
{
	for (size_t i = 0; i < me.nr; i++)
		if (me.held[i] == m) {
			me.held[i] = me.held[--me.nr];
			return;
		}
	not_held++;
}
}

#define REAL(name, ...)                                                        \
	static decltype(name) *known_##name;                                   \
	auto ret_ = real(known_##name, #name)(__VA_ARGS__)

#define REAL_OR(first, name, ...)                                              \
	static decltype(name) *known_##name = (decltype(name) *)first;         \
	auto ret_ = real(known_##name, #name)(__VA_ARGS__)

extern "C" int pthread_mutex_lock(mutex *m) noexcept
{
	if (me.lock)
		(*me.lock)(m);
	REAL(pthread_mutex_lock, m);
	if (!ret_)
		took(m);
	if (me.locked)
		(*me.locked)(m);
	return ret_;
}

extern "C" int pthread_mutex_trylock(mutex *m) noexcept
{
	REAL(pthread_mutex_trylock, m);
	if (!ret_)
		took(m);
	return ret_;
}

extern "C" int pthread_mutex_unlock(mutex *m) noexcept
{
	let_go(m);
	REAL(pthread_mutex_unlock, m);
	if (me.unlocked)
		(*me.unlocked)(m);
	return ret_;
}

extern "C" int pthread_mutex_clocklock(mutex *m, clockid_t id,
				       const struct timespec *until) noexcept
{
	if (me.asks)
		(*me.asks)(m);
	REAL(pthread_mutex_clocklock, m, id, until);
	if (!ret_)
		took(m);
	if (me.waits < 2) {
		me.until[me.waits] = until->tv_sec * SEC + until->tv_nsec;
		me.waited[me.waits++] = m;
	}
	if (me.timed && me.waits == 2)
		(*me.timed)(m);
	return scribbled(ret_);
}

/* A sanitizer's own, which has to know of threads. */
extern "C" int __interceptor_pthread_create(pthread_t *, const pthread_attr_t *,
					    void *(*)(void *), void *)
	__attribute__((weak));
extern "C" int __interceptor_pthread_join(pthread_t, void **) __attribute__((weak));
extern "C" int __interceptor_clock_gettime(clockid_t, struct timespec *)
	__attribute__((weak));

extern "C" int pthread_create(pthread_t *id, const pthread_attr_t *attr,
			      void *(*fn)(void *), void *arg) noexcept
{
	int state = PTHREAD_CREATE_JOINABLE;

	if (attr)
		pthread_attr_getdetachstate(attr, &state);
	if (attr && refused_threads > 0) {
		refused_threads--;
		joinable += state == PTHREAD_CREATE_JOINABLE;
		return scribbled(EINVAL);
	}
	REAL_OR(__interceptor_pthread_create, pthread_create, id, attr, fn, arg);
	joinable += state == PTHREAD_CREATE_JOINABLE;
	return scribbled(ret_);
}

extern "C" int pthread_join(pthread_t id, void **said)
{
	REAL_OR(__interceptor_pthread_join, pthread_join, id, said);
	return scribbled(ret_);
}

extern "C" int pthread_setspecific(pthread_key_t key, const void *value) noexcept
{
	if (me.knows)
		(*me.knows)();
	REAL(pthread_setspecific, key, value);
	return scribbled(ret_);
}

extern "C" int signalfd(int fd, const sigset_t *set, int flags) noexcept
{
	if (fd >= 0 && me.reading)
		(*me.reading)();
	REAL(signalfd, fd, set, flags);
	opened += fd < 0 && ret_ >= 0;
	if (ret_ >= 0 && close_0.exchange(false))
		close(0);
	return scribbled(ret_);
}

extern "C" int timerfd_create(clockid_t id, int flags) noexcept
{
	if (me.timerfd)
		(*me.timerfd)();
	REAL(timerfd_create, id, flags);
	return scribbled(ret_);
}

extern "C" int timerfd_settime(int fd, int flags, const struct itimerspec *when,
			       struct itimerspec *was) noexcept
{
	if (me.settime)
		(*me.settime)();
	REAL(timerfd_settime, fd, flags, when, was);
	rings += me.scribbles;
	return scribbled(ret_);
}

extern "C" int clock_gettime(clockid_t id, struct timespec *now) noexcept
{
	REAL_OR(__interceptor_clock_gettime, clock_gettime, id, now);
	if (me.read_clock)
		(*me.read_clock)();
	return ret_;
}

extern "C" ssize_t read(int fd, void *to, size_t size)
{
	if (size == sizeof(struct signalfd_siginfo) && stop_reader.exchange(false)) {
		reader_is_in->set();
		reader_goes_on->wait();
	}
	REAL(read, fd, to, size);
	return ret_;
}

/* Each is looked up once, before there are threads: not in a child of fork(). */
__attribute__((constructor)) static void look_up()
{
	mutex m = PTHREAD_MUTEX_INITIALIZER;
	struct timespec now = {};
	const struct itimerspec none = {};
	const sigset_t empty = {};
	char c;

	pthread_mutex_lock(&m);
	pthread_mutex_unlock(&m);
	if (!pthread_mutex_trylock(&m))
		pthread_mutex_unlock(&m);
	if (!pthread_mutex_clocklock(&m, CLOCK_MONOTONIC, &now))
		pthread_mutex_unlock(&m);
	signalfd(-2, &empty, 0);
	timerfd_create(-1, 0);
	timerfd_settime(-1, 0, &none, nullptr);
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (read(-1, &c, 1) < 0)
		me = {};
}

static void before_fork()
{
	if (me.older)
		(*me.older)();
}

static void hook_in()
{
	pthread_atfork(before_fork, nullptr, nullptr);
}

/* Before all shared libraries' constructors. */
__attribute__((section(".preinit_array"), used)) static void (*const first)() = hook_in;
#endif
