/* SPDX-License-Identifier: MIT */
/* ring_cover_calls.cpp - the functions that can refuse */

/* Both names of what has an offset are there: the library may be built for either. */
#undef _FILE_OFFSET_BITS

#include "ring_cover_calls.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static thread_local refusal *refusals;
thread_local struct io_uring *refused_ring;
static thread_local bool aside;		/* what a refusal does is not refused */

refusal::refusal(const char *n, long e, unsigned t, unsigned f)
	: name(n), err(e), times(t), first(f), next(refusals)
{
	refusals = this;
}

refusal::~refusal()
{
	refusal **at = &refusals;

	while (*at != this)
		at = &(*at)->next;
	*at = next;
}

refused_number::refused_number(long nr, long err, unsigned times, unsigned first)
	: is((snprintf(name, sizeof(name), "syscall %ld", nr), name), err, times, first)
{
}

/* True: the call says *@err. */
static bool refused(const char *name, long *err)
{
	for (refusal *r = refusals; r && !aside; r = r->next) {
		if (strcmp(r->name, name))
			continue;
		if (r->first) {
			r->first--;
			return false;
		}
		if (!r->times)
			continue;
		r->times--;
		r->met++;
		*err = r->err;
		aside = true;
		if (r->instead)
			r->instead();
		aside = false;
		return !r->is_done;
	}
	return false;
}

static long as_errno(long err)
{
	if (err >= 0)
		return err;
	errno = (int)-err;
	return -1;
}

/* Where a sanitizer has one, that is libc's as far as we are concerned. */
#define REAL(name)                                                             \
	static const auto real = __interceptor_##name ?                        \
		__interceptor_##name :                                         \
		(decltype(__interceptor_##name) *)dlsym(RTLD_NEXT, #name)
#define LIBURING(name)                                                         \
	static const auto real = (decltype(name) *)dlsym(RTLD_NEXT, #name)

extern "C" {

decltype(read) __interceptor_read __attribute__((weak));
decltype(write) __interceptor_write __attribute__((weak));
decltype(poll) __interceptor_poll __attribute__((weak));
decltype(mmap) __interceptor_mmap __attribute__((weak));
decltype(mmap64) __interceptor_mmap64 __attribute__((weak));
decltype(fstat64) __interceptor_fstat64 __attribute__((weak));
decltype(eventfd) __interceptor_eventfd __attribute__((weak));
decltype(clock_gettime) __interceptor_clock_gettime __attribute__((weak));
decltype(getsockopt) __interceptor_getsockopt __attribute__((weak));
decltype(fstat) __interceptor_fstat __attribute__((weak));

ssize_t read(int fd, void *buf, size_t len)
{
	long err;
	REAL(read);

	return refused("read", &err) ? as_errno(err) : real(fd, buf, len);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	long err;
	REAL(write);

	return refused("write", &err) ? as_errno(err) : real(fd, buf, len);
}

int poll(struct pollfd *fds, nfds_t nr, int timeout)
{
	long err;
	REAL(poll);

	return refused("poll", &err) ? (int)as_errno(err) : real(fds, nr, timeout);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t off) noexcept
{
	long err;
	REAL(mmap);

	if (!refused("mmap", &err))
		return real(at, len, prot, flags, fd, off);
	errno = (int)-err;
	return MAP_FAILED;
}

void *mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t off) noexcept
{
	long err;
	REAL(mmap64);

	if (!refused("mmap", &err))
		return real(at, len, prot, flags, fd, off);
	errno = (int)-err;
	return MAP_FAILED;
}

int eventfd(unsigned count, int flags) noexcept
{
	long err;
	REAL(eventfd);

	return refused("eventfd", &err) ? (int)as_errno(err) : real(count, flags);
}

/* Not refused: it is behind by a second. */
int clock_gettime(clockid_t id, struct timespec *ts) noexcept
{
	long err;
	REAL(clock_gettime);
	int ret = real(id, ts);

	if (id == CLOCK_MONOTONIC_COARSE && refused("coarse clock", &err))
		ts->tv_sec--;
	return ret;
}

int sched_yield() noexcept
{
	long err;
	LIBURING(sched_yield);

	return refused("sched_yield", &err) ? (int)err : real();
}

int getsockopt(int fd, int level, int name, void *val, socklen_t *len) noexcept
{
	long err;
	REAL(getsockopt);

	return refused("getsockopt", &err) ? (int)as_errno(err) :
					     real(fd, level, name, val, len);
}

}

/* Not refused: it is a block device. */
template <typename S> static int as_device(int ret, S *st)
{
	long err;

	if (!ret && refused("block device", &err))
		st->st_mode = (st->st_mode & ~(mode_t)S_IFMT) | S_IFBLK;
	return ret;
}

extern "C" {

int fstat(int fd, struct stat *st) noexcept
{
	long err;
	REAL(fstat);

	return refused("fstat", &err) ? (int)as_errno(err) : as_device(real(fd, st), st);
}

int fstat64(int fd, struct stat64 *st) noexcept
{
	long err;
	REAL(fstat64);

	return refused("fstat", &err) ? (int)as_errno(err) : as_device(real(fd, st), st);
}

static const char *name_of(int what)
{
	return what == F_SETFL ? "F_SETFL" : what == F_GETFL ? "F_GETFL" : "fcntl";
}

int fcntl(int fd, int what, ...)
{
	long err, arg;
	va_list args;
	LIBURING(fcntl);

	va_start(args, what);
	arg = va_arg(args, long);
	va_end(args);
	return refused(name_of(what), &err) ? (int)as_errno(err) : real(fd, what, arg);
}

int fcntl64(int fd, int what, ...)
{
	long err, arg;
	va_list args;
	LIBURING(fcntl64);

	va_start(args, what);
	arg = va_arg(args, long);
	va_end(args);
	return refused(name_of(what), &err) ? (int)as_errno(err) : real(fd, what, arg);
}

int pthread_setspecific(pthread_key_t key, const void *value) noexcept
{
	long err;
	LIBURING(pthread_setspecific);

	return refused("pthread_setspecific", &err) ? (int)-err : real(key, value);
}

int pthread_key_create(pthread_key_t *key, void (*gone)(void *)) noexcept
{
	long err;
	LIBURING(pthread_key_create);

	return refused("pthread_key_create", &err) ? (int)-err : real(key, gone);
}

long syscall(long nr, ...) noexcept
{
	char name[32];
	long a[6], err;
	va_list args;
	LIBURING(syscall);

	va_start(args, nr);
	for (long &arg : a)
		arg = va_arg(args, long);
	va_end(args);
	if (refusals) {
		snprintf(name, sizeof(name), "syscall %ld", nr);
		if (refused(name, &err))
			return as_errno(err);
	}
	return real(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
	long err;
	LIBURING(io_uring_queue_init);

	return refused("io_uring_queue_init", &err) ? (int)err : real(entries, ring, flags);
}

int io_uring_submit(struct io_uring *ring)
{
	long err;
	LIBURING(io_uring_submit);

	return refused("io_uring_submit", &err) ? (int)err : real(ring);
}

int io_uring_submit_and_get_events(struct io_uring *ring)
{
	long err;
	LIBURING(io_uring_submit_and_get_events);

	refused_ring = ring;
	return refused("io_uring_submit_and_get_events", &err) ? (int)err : real(ring);
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe,
				     unsigned nr, struct __kernel_timespec *ts,
				     sigset_t *mask)
{
	long err;
	LIBURING(io_uring_submit_and_wait_timeout);

	refused_ring = ring;
	return refused("io_uring_submit_and_wait_timeout", &err) ?
		       (int)err :
		       real(ring, cqe, nr, ts, mask);
}

int io_uring_register_sync_cancel(struct io_uring *ring,
				  struct io_uring_sync_cancel_reg *reg)
{
	long err;
	LIBURING(io_uring_register_sync_cancel);

	return refused("io_uring_register_sync_cancel", &err) ? (int)err : real(ring, reg);
}

int io_uring_register_probe(struct io_uring *ring, struct io_uring_probe *p, unsigned nr)
{
	long err;
	LIBURING(io_uring_register_probe);

	return refused("io_uring_register_probe", &err) ? (int)err : real(ring, p, nr);
}

}
