/* SPDX-License-Identifier: MIT */
/*
 * sites.c - the calls that lib/ makes, and the errnos that their man pages list
 *
 * EFAULT, EBADF and EINVAL speak of arguments.  Those of the library's own making
 * are right, so they are injected only where an older kernel says EINVAL for what it
 * does not know, or where the descriptor is the caller's.  ENODEV of the calls that
 * make descriptors is a kernel without its anonymous inodes: it did not boot.
 */
#include <string.h>

#include "faults.h"

#define OURS	"EFAULT, EINVAL, EBADF: the arguments are ours"

const struct call calls[] = {
	{ "", QUIET, false, { 0 }, "" },
	{ "malloc", QUIET, true, { ENOMEM }, "" },
	{ "mmap", QUIET, true, { ENOMEM, EAGAIN, EPERM, ENFILE },
	  "of files: EACCES, EBADF, ENODEV, EOVERFLOW, ETXTBSY; EINVAL, EEXIST: ours" },
	{ "madvise", QUIET, false, { EAGAIN, ENOMEM, EINVAL }, "EACCES, EBADF, EIO, EPERM" },
	{ "membarrier", QUIET, false, { ENOSYS, EPERM, EINVAL }, "" },
	{ "futex_wait", QUIET, false, { EINTR, EAGAIN },
	  "ENOSYS: glibc has no locks then; ETIMEDOUT: not before its time; " OURS },
	{ "futex_wake", QUIET, false, { 0 }, OURS },
	{ "futex_waitv", QUIET, false, { EINTR, EAGAIN, ENOSYS, EPERM },
	  "ENOMEM: of the caller's memory; ETIMEDOUT: not before its time; " OURS },
	{ "process_vm_readv", QUIET, false, { EFAULT, EPERM, ENOMEM, ESRCH, ENOSYS }, "" },
	{ "clock_gettime", QUIET, false, { 0 }, "its clocks are always there" },

	{ "timerfd_create", CALLER, false, { EMFILE, ENFILE, ENOMEM }, "ENODEV; EINVAL, EPERM" },
	{ "timerfd_settime", QUIET, false, { 0 }, "ECANCELED: of clocks that are set; " OURS },
	{ "eventfd", CALLER, false, { EMFILE, ENFILE, ENOMEM }, "ENODEV; EINVAL" },
	{ "signalfd", QUIET, false, { EMFILE, ENFILE, ENOMEM }, "ENODEV; EBADF, EINVAL" },
	{ "signalfd_set", QUIET, false, { 0 },
	  "it is there: EMFILE, ENFILE, ENOMEM; EBADF, EINVAL" },
	{ "dup3", CALLER, false, { EBUSY, EINTR, EMFILE }, "EBADF, EINVAL" },
	{ "sigtimedwait", QUIET, false, { EAGAIN, EINTR }, "EINVAL" },

	{ "pthread_create", QUIET, false, { EAGAIN, EINVAL }, "EPERM: it asks for no scheduling" },
	{ "pthread_attr_init", QUIET, false, { ENOMEM }, "" },
	{ "pthread_attr_setstacksize", QUIET, false, { EINVAL }, "" },
	{ "pthread_key_create", QUIET, false, { EAGAIN, ENOMEM }, "" },
	{ "pthread_setspecific", QUIET, false, { ENOMEM }, "EINVAL" },
	{ "pthread_atfork", QUIET, false, { ENOMEM }, "" },
	{ "pthread_mutex_clocklock", QUIET, false, { ETIMEDOUT }, "EDEADLK, EINVAL" },
	{ "prctl", QUIET, false, { EINVAL, EPERM }, "" },

	{ "io_uring_queue_init", QUIET, false,
	  { EINVAL, EMFILE, ENFILE, ENOMEM, EPERM, ENOSYS }, "EFAULT, ENXIO" },
	{ "io_uring_register_probe", QUIET, false, { EINVAL, ENOMEM, EBUSY, EACCES }, "" },
	{ "io_uring_register_ring_fd", QUIET, false, { EINVAL, ENOMEM, EBUSY, EMFILE }, "" },
	{ "io_uring_register_sync_cancel", QUIET, false,
	  { ENOENT, EALREADY, ETIME, EINTR, EINVAL, EACCES }, "" },
	{ "io_uring_submit", RING, false, { EAGAIN, EBUSY, EINTR, EBADR },
	  "EFAULT, EBADF, EINVAL, ENXIO, EOPNOTSUPP; EBADFD: a ring that is disabled" },
	{ "io_uring_submit_and_get_events", RING, false,
	  { EAGAIN, EBUSY, EINTR, EBADR }, "as io_uring_submit" },
	{ "io_uring_submit_and_wait_timeout", RING, false,
	  { EAGAIN, EBUSY, EINTR, EBADR }, "as io_uring_submit" },
	{ "io_uring_wait_cqes", RING, false,
	  { EAGAIN, EBUSY, EINTR, EBADR }, "as io_uring_submit" },
	{ "__io_uring_sqring_wait", QUIET, false, { EAGAIN, EINTR, EBUSY }, "" },

	/* done for who called, and what they say is his */
	{ "read", CALLER, false, { EINTR, EAGAIN, EIO }, "EISDIR; " OURS },
	{ "write", CALLER, false, { EINTR, EAGAIN },
	  "of an eventfd EAGAIN: 2^64 came before; of files: EDQUOT, EFBIG, EIO; " OURS },
	{ "close", CALLER, false, { EINTR, EIO, ENOSPC, EDQUOT }, "EBADF" },
	{ "poll", CALLER, false, { EINTR, ENOMEM }, "EFAULT, EINVAL" },
	{ "fcntl", CALLER, false, { EBADF, EPERM, EAGAIN }, "of locks: EACCES, EDEADLK, ENOLCK" },
	{ "fstat", CALLER, false, { EBADF, ENOMEM, EOVERFLOW }, "of paths: the rest" },
	{ "lseek", CALLER, false, { EBADF, ESPIPE, ENXIO }, "EINVAL, EOVERFLOW" },
	{ "getsockopt", CALLER, false, { EBADF, ENOTSOCK, ENOPROTOOPT }, "EFAULT, EINVAL" },
	{ "accept4", CALLER, false,
	  { EAGAIN, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO },
	  "EBADF, EFAULT, EINVAL, ENOTSOCK, EOPNOTSUPP" },
	{ "connect", CALLER, false,
	  { EINTR, EACCES, EAGAIN, ECONNREFUSED, ENETUNREACH, ETIMEDOUT },
	  "EINPROGRESS: what was not begun does not end; "
	  "EADDRINUSE, EADDRNOTAVAIL, EALREADY, EISCONN, EPROTOTYPE" },
	{ "openat", CALLER, false,
	  { EINTR, EACCES, EMFILE, ENFILE, ENOENT, ENOMEM, ENOSPC, ENXIO, EIO, EROFS },
	  "of flags and paths: the rest" },
	{ "fsync", CALLER, false, { EINTR, EIO, ENOSPC, EROFS, EDQUOT }, "EBADF, EINVAL" },
	{ "waitid", CALLER, false, { EINTR, ECHILD, EAGAIN, EINVAL }, "ESRCH" },
	{ "pidfd_open", QUIET, false, { EMFILE, ENFILE, ENOMEM, ENOSYS, ESRCH, EPERM },
	  "ENODEV; EINVAL" },
	{ "splice", CALLER, false, { EINTR, EAGAIN, EINVAL, ENOMEM }, "EBADF, ESPIPE" },
	{ "preadv2", CALLER, false, { EINTR, EAGAIN, EOPNOTSUPP, ENOSYS, EIO, ENOMEM }, "" },
	{ "pwritev2", CALLER, false,
	  { EINTR, EAGAIN, EOPNOTSUPP, ENOSYS, EIO, ENOSPC, EDQUOT, EFBIG, ENOMEM }, "" },
	{ "preadv", CALLER, false, { EINTR, EIO, ENOMEM }, "" },
	{ "pwritev", CALLER, false, { EINTR, EIO, ENOSPC }, "" },
	{ "pread", CALLER, false, { EINTR, EIO, EAGAIN }, "" },
	{ "pwrite", CALLER, false, { EINTR, EIO, EAGAIN, ENOSPC }, "" },
	{ "readv", CALLER, false, { EINTR, EIO, EAGAIN }, "" },
	{ "writev", CALLER, false, { EINTR, EIO, EAGAIN, ENOSPC }, "" },
	{ "recv", CALLER, false, { EINTR, EAGAIN, ENOMEM, ECONNREFUSED, ECONNRESET }, "" },
	{ "recvmsg", CALLER, false, { EINTR, EAGAIN, ENOMEM, ECONNREFUSED }, "" },
	{ "send", CALLER, false, { EINTR, EAGAIN, ENOMEM, ENOBUFS, ECONNRESET }, "" },
	{ "sendmsg", CALLER, false, { EINTR, EAGAIN, ENOMEM, ENOBUFS, ECONNRESET }, "" },
	{ "fwrite", QUIET, false, { EIO, ENOSPC }, "" },
	{ NULL }
};

int call_number(const char *name)
{
	int i;

	for (i = 1; calls[i].name; i++)
		if (!strcmp(calls[i].name, name))
			return i;
	__builtin_trap();
}
