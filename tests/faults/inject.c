/* SPDX-License-Identifier: MIT */
/*
 * inject.c - the stand-ins: count, fail as told, else do it
 *
 * A call that is failed is not done, but for close(), after which the number is
 * free whatever it says.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <liburing.h>

#include "faults.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct shared *shared;
int without;
static struct balance now;

struct balance allocated(void)
{
	struct balance b = {
		__atomic_load_n(&now.blocks, __ATOMIC_SEQ_CST),
		__atomic_load_n(&now.pages, __ATOMIC_SEQ_CST),
	};

	return b;
}

static uint32_t one_more(uint32_t *count)
{
	return __atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
}

static bool fails(uint32_t nr)
{
	const struct plan *p = &shared->plan;

	if (!p->n || __atomic_load_n(&shared->over, __ATOMIC_SEQ_CST) ||
	    (p->from ? nr < p->n : nr != p->n))
		return false;
	one_more(&shared->hits);
	return true;
}

static struct site *site_of(uint64_t key)
{
	struct site *s;

	for (s = shared->site; s < shared->site + SITES_MAX; s++) {
		uint64_t free = 0;

		if (__atomic_load_n(&s->key, __ATOMIC_SEQ_CST) == key ||
		    __atomic_compare_exchange_n(&s->key, &free, key, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) ||
		    free == key)
			return s;
	}
	abort();
}

/* 0, or the errno that this call is to fail with. */
static int hit(const char *name, void *where)
{
	int nr = call_number(name);
	uint64_t key = (uint64_t)(uintptr_t)where | (uint64_t)nr << 48;
	const struct plan *p;
	uint32_t count;

	if (!shared)		/* as the library is loaded */
		return 0;
	p = &shared->plan;
	if (nr == without)
		return ENOSYS;
	count = one_more(&site_of(key)->count);
	if (calls[nr].alloc) {
		uint32_t all = one_more(&shared->allocations);

		if (!p->site && fails(all))
			return p->err;
	}
	return p->site == key && fails(count) ? p->err : 0;
}

#define AT __builtin_return_address(0)

/* Says -1 and errno; and the others their errno, or its negative. */
#define FAULT(type, name, proto, args, failure)                                \
	type fault_##name proto;                                               \
	type fault_##name proto                                                \
	{                                                                      \
		int err = hit(#name, AT);                                      \
									       \
		if (err) {                                                     \
			failure;                                               \
		}                                                              \
		return name args;                                              \
	}
#define FD(type, name, proto, args)					       \
	FAULT(type, name, proto, args, errno = err; return -1)
#define CODE(name, proto, args)	FAULT(int, name, proto, args, return err)
#define MINUS(name, proto, args) FAULT(int, name, proto, args, return -err)

FD(int, accept4, (int fd, struct sockaddr *a, socklen_t *len, int flags),
   (fd, a, len, flags))
FAULT(int, close, (int fd), (fd), (void)close(fd); errno = err; return -1)
FD(int, connect, (int fd, const struct sockaddr *a, socklen_t len), (fd, a, len))
FD(int, dup3, (int fd, int onto, int flags), (fd, onto, flags))
FD(int, eventfd, (unsigned n, int flags), (n, flags))
FD(int, fcntl, (int fd, int what, long arg), (fd, what, arg))
FD(int, fstat, (int fd, struct stat *st), (fd, st))
FD(int, fsync, (int fd), (fd))
FD(int, getsockopt, (int fd, int level, int opt, void *val, socklen_t *len),
   (fd, level, opt, val, len))
FD(off_t, lseek, (int fd, off_t off, int whence), (fd, off, whence))
FD(int, madvise, (void *p, size_t size, int advice), (p, size, advice))
FD(int, openat, (int dir, const char *path, int flags, mode_t mode),
   (dir, path, flags, mode))
FD(int, poll, (struct pollfd *fds, nfds_t nr, int ms), (fds, nr, ms))
FD(int, prctl, (int what, unsigned long a), (what, a))
FD(ssize_t, pread, (int fd, void *buf, size_t len, off_t off), (fd, buf, len, off))
FD(ssize_t, pwrite, (int fd, const void *buf, size_t len, off_t off),
   (fd, buf, len, off))
FD(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len))
FD(ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len))
FD(ssize_t, readv, (int fd, const struct iovec *iov, int nr), (fd, iov, nr))
FD(ssize_t, writev, (int fd, const struct iovec *iov, int nr), (fd, iov, nr))
FD(ssize_t, recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))
FD(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
FD(ssize_t, send, (int fd, const void *buf, size_t len, int flags),
   (fd, buf, len, flags))
FD(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
FD(int, sigtimedwait, (const sigset_t *set, siginfo_t *i, const struct timespec *t),
   (set, i, t))
FD(ssize_t, splice, (int in, off_t *a, int out, off_t *b, size_t len, unsigned flags),
   (in, a, out, b, len, flags))
FD(int, timerfd_create, (int clock, int flags), (clock, flags))
FD(int, timerfd_settime, (int fd, int flags, const struct itimerspec *t,
			  struct itimerspec *old), (fd, flags, t, old))
FD(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options),
   (type, id, info, options))

CODE(pthread_atfork, (void (*a)(void), void (*b)(void), void (*c)(void)), (a, b, c))
CODE(pthread_attr_init, (pthread_attr_t *attr), (attr))
CODE(pthread_attr_setstacksize, (pthread_attr_t *attr, size_t size), (attr, size))
CODE(pthread_create, (pthread_t *id, const pthread_attr_t *attr, void *(*fn)(void *),
		      void *arg), (id, attr, fn, arg))
CODE(pthread_key_create, (pthread_key_t *key, void (*fn)(void *)), (key, fn))
CODE(pthread_mutex_clocklock, (pthread_mutex_t *m, clockid_t clock,
			       const struct timespec *until), (m, clock, until))
CODE(pthread_setspecific, (pthread_key_t key, const void *value), (key, value))

MINUS(__io_uring_sqring_wait, (struct io_uring *r), (r))
MINUS(io_uring_queue_init, (unsigned nr, struct io_uring *r, unsigned flags),
      (nr, r, flags))
MINUS(io_uring_register_probe, (struct io_uring *r, struct io_uring_probe *p,
				unsigned nr), (r, p, nr))
MINUS(io_uring_register_ring_fd, (struct io_uring *r), (r))
MINUS(io_uring_register_sync_cancel, (struct io_uring *r,
				      struct io_uring_sync_cancel_reg *reg), (r, reg))
MINUS(io_uring_submit, (struct io_uring *r), (r))
MINUS(io_uring_submit_and_get_events, (struct io_uring *r), (r))
MINUS(io_uring_submit_and_wait_timeout, (struct io_uring *r, struct io_uring_cqe **cqe,
					 unsigned nr, struct __kernel_timespec *ts,
					 sigset_t *mask), (r, cqe, nr, ts, mask))
MINUS(io_uring_wait_cqes, (struct io_uring *r, struct io_uring_cqe **cqe, unsigned nr,
			   struct __kernel_timespec *ts, sigset_t *mask),
      (r, cqe, nr, ts, mask))

/* One that is there has room. */
int fault_signalfd(int fd, const sigset_t *set, int flags);
int fault_signalfd(int fd, const sigset_t *set, int flags)
{
	int err = hit(fd < 0 ? "signalfd" : "signalfd_set", AT);

	if (!err)
		return signalfd(fd, set, flags);
	errno = err;
	return -1;
}

size_t fault_fwrite(const void *p, size_t size, size_t nr, FILE *out);
size_t fault_fwrite(const void *p, size_t size, size_t nr, FILE *out)
{
	int err = hit("fwrite", AT);

	if (!err)
		return fwrite(p, size, nr, out);
	errno = err;
	return 0;
}

void *fault_malloc(size_t size);
void *fault_malloc(size_t size)
{
	int err = hit("malloc", AT);
	void *p = err ? NULL : malloc(size);

	if (p)
		__atomic_add_fetch(&now.blocks, 1, __ATOMIC_SEQ_CST);
	if (err)
		errno = err;
	return p;
}

void fault_free(void *p);
void fault_free(void *p)
{
	if (p)
		__atomic_sub_fetch(&now.blocks, 1, __ATOMIC_SEQ_CST);
	free(p);
}

void *fault_mmap(void *at, size_t size, int prot, int flags, int fd, off_t off);
void *fault_mmap(void *at, size_t size, int prot, int flags, int fd, off_t off)
{
	int err = hit("mmap", AT);
	void *p = err ? MAP_FAILED : mmap(at, size, prot, flags, fd, off);

	if (p != MAP_FAILED)
		__atomic_add_fetch(&now.pages, 1, __ATOMIC_SEQ_CST);
	if (err)
		errno = err;
	return p;
}

int fault_munmap(void *p, size_t size);
int fault_munmap(void *p, size_t size)
{
	int ret = munmap(p, size);

	if (ret)
		abort();
	__atomic_sub_fetch(&now.pages, 1, __ATOMIC_SEQ_CST);
	return ret;
}

static const char *syscall_name(long nr, long op)
{
	static const struct {
		long nr;
		const char *name;
	} names[] = {
		{ SYS_futex_waitv, "futex_waitv" },
		{ SYS_membarrier, "membarrier" },
		{ SYS_process_vm_readv, "process_vm_readv" },
		{ SYS_preadv2, "preadv2" },
		{ SYS_pwritev2, "pwritev2" },
		{ SYS_preadv, "preadv" },
		{ SYS_pwritev, "pwritev" },
		{ SYS_readv, "readv" },
		{ SYS_writev, "writev" },
		{ SYS_read, "read" },
		{ SYS_write, "write" },
		{ SYS_recvfrom, "recv" },
		{ SYS_sendto, "send" },
		{ SYS_recvmsg, "recvmsg" },
		{ SYS_sendmsg, "sendmsg" },
		{ SYS_accept4, "accept4" },
		{ SYS_connect, "connect" },
		{ SYS_openat, "openat" },
		{ SYS_close, "close" },
		{ SYS_fsync, "fsync" },
		{ SYS_waitid, "waitid" },
		{ SYS_pidfd_open, "pidfd_open" },
		{ SYS_splice, "splice" },
		{ SYS_ppoll, "poll" },
	};
	unsigned i;

	if (nr == SYS_futex)
		return (op & FUTEX_CMD_MASK) == FUTEX_WAKE ? "futex_wake" : "futex_wait";
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (names[i].nr == nr)
			return names[i].name;
	fprintf(stderr, "faults: system call %ld has no stand-in\n", nr);
	abort();
}

long fault_syscall(long nr, long a, long b, long c, long d, long e, long f);
long fault_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	const char *name = syscall_name(nr, b);
	int err = hit(name, AT);

	if (!err)
		return syscall(nr, a, b, c, d, e, f);
	if (nr == SYS_close)
		(void)close((int)a);
	/* a sleep that is told to fail does so when it would have begun */
	errno = err;
	return -1;
}
