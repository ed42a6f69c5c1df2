/* SPDX-License-Identifier: MIT */
/**
 * DOC: urctx/io.h, system calls that a context ends
 *
 * For threads that block: read(2) and its kin, with the context in front.  They
 * do what the call of that name does, and come back early when the context ends::
 *
 *	n = urctx_recv(ctx, fd, buf, sizeof(buf), 0);
 *	if (n < 0)
 *		return (int)n;		// -ECANCELED, -ETIME, -ECONNRESET ...
 *
 * Results are the system call's, or -errno; errno itself is never written.  The
 * rules of <urctx.h> hold.  Part of liburctx-uring; a caller needs no header of
 * liburing, and no ring.
 *
 *   context                       what the call does
 *   NULL                          the plain system call
 *   done already                  urctx_err(ctx), and nothing is started
 *   live, and it can be done now  that; nothing waits
 *   live, and it has to wait      ended by the context, see below
 *
 * What a result means
 *
 *   0 or more	it was done, at least in part; the context may be done as well,
 *		the next call says so.  Bytes and descriptors are never dropped
 *   -ECANCELED	the context was cancelled, and nothing was done
 *   -ETIME	its deadline came first; likewise
 *   -EINTR	a signal handler ran while it waited, and nothing was done
 *   -EAGAIN	the descriptor is O_NONBLOCK, or MSG_DONTWAIT was asked for
 *   others	the system call's own
 *
 * Nothing is left behind: when a call returns, its buffer is the caller's again.
 * So what cannot be aborted is waited for, however done the context is:
 *
 *   call                        ended                       and without io_uring
 *   recv send read write (1)    at once                     at once (2)
 *   poll sleep                  at once                     at once
 *   accept connect              at once                     at once (2)
 *   waitid                      at once (from 6.7 on)       at once, or late (3)
 *   splice                      where a signal would        at once (2)
 *                               interrupt it
 *   openat                      likewise                    not
 *   read write, of files (4)    not                         not
 *   fsync                       before it has begun         not
 *   close                       not                         not
 *
 *   (1) of what is no file: sockets, pipes, terminals, eventfds and the like
 *   (2) unless somebody else takes what poll(2) has promised: see below
 *   (3) a child's end by number or pidfd at once; whatever else is looked for
 *       after 0.1, 0.2 ... 12.8 ms: a cancel is as late as that at most
 *   (4) of a disk.  With an offset, on FUSE and NFS, where a signal would interrupt
 *       it; without one by the plain call, which holds the lock of the position
 *
 * Waiting, in detail:
 *
 *  - Partly done: as with blocking calls, write, writev, pwrite, send and sendmsg
 *    go on until all has gone, and so do reads of files, and MSG_WAITALL, until
 *    they are full or at the end.  If the context ends or a signal comes on the
 *    way, what was moved until then is the result.  Reads of what is no file
 *    return with what there is, those of devices (/dev/zero) maybe with less.
 *  - Signals: a handler that runs while the call waits ends it, -EINTR, whatever
 *    SA_RESTART says, as with poll(2).  What was already done is the result.
 *    Where it looks now and then, (3), one that runs in a look ends nothing.
 *    An op of the ring (below) also ends so when the process was stopped and goes
 *    on (SIGSTOP, a debugger), handler or not.
 *  - O_NONBLOCK is respected: -EAGAIN (connect: -EINPROGRESS) where it would wait.
 *    So is a flag set meanwhile, by the next call.  SO_RCVTIMEO, SO_SNDTIMEO
 *    and a terminal's VTIME are not looked at: that is what the context's deadline
 *    is for.  Nor is SO_RCVLOWAT: a wait ends with the first byte.
 *  - pthread_cancel(): with a context none of these is a point of cancellation; it
 *    is acted upon when the thread comes to another.  With NULL as the plain call.
 *    A thread with PTHREAD_CANCEL_ASYNCHRONOUS must not call these.
 *  - fork(): the child may use everything here; what it waits with is its own.
 *    If a signal handler forks, the call ends so (-EINTR) in the child as well.
 *  - Not inside a signal handler.
 *
 * How it waits.  What can be tried (recv, send; read and write, of pipes from 6.4
 * on) waits by poll(2) on the descriptor and on an eventfd of the thread's, which a
 * callback writes to when the context ends, and is tried again.  The rest is an op on
 * a small io_uring of the thread's.  Either is made when a thread first needs it, and
 * goes with it: one descriptor, and two more with 20 KiB for the ring, all
 * close-on-exec; main()'s stay.  If they cannot be had, for want of descriptors or
 * memory, a call does without: it looks at its context after 0.1, 0.2 ... 12.8 ms.
 * Beware of who closes descriptors by number (closefrom(3)) in a process that goes on;
 * and who unshares files, directories or namespaces (unshare(2), setns(2)) does so
 * before the thread's first wait: a ring opens as it was made.
 *
 * Without io_uring (ENOSYS, EPERM, a seccomp filter; and with URCTX_NO_URING=1 in the
 * environment, which is looked at once) the rest waits by poll(2) as well, and then
 * does what it was asked to.  Where the kernel has no way to do that without waiting
 * (accept; reads of terminals, and of pipes before 6.4) somebody else who reads from
 * the same file may come first, and the call waits for the next, context or not.  Who
 * shares such descriptors between threads sets O_NONBLOCK, and waits by urctx_poll().
 * Set it for valgrind 3.19, too, where other threads stand still in io_uring_enter(2).
 *
 * Costs, on one machine, above the plain system call: 15 to 25 ns when it can be done
 * at once.  When it waits 1.2 to 1.9 us, where recv(2) and its wake-up take 4: the
 * first try, the look at O_NONBLOCK, poll(2) and the callback (an op of a ring by hand
 * adds 1.0 to 1.5).  openat, fsync and splice are done by a worker of the kernel's: 10
 * us and more.
 */
#ifndef URCTX_IO_H
#define URCTX_IO_H

/* Strict ISO C hides siginfo_t and id_t; where this is not first, say it yourself. */
#if defined(__STRICT_ANSI__) && !defined(_POSIX_C_SOURCE) &&                   \
	!defined(_XOPEN_SOURCE) && !defined(_GNU_SOURCE)
#define _POSIX_C_SOURCE 200809L
#endif

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <urctx.h>

#ifdef __cplusplus
extern "C" {
static_assert(sizeof(off_t) == 8, "compile with -D_FILE_OFFSET_BITS=64");
#else
_Static_assert(sizeof(off_t) == 8, "compile with -D_FILE_OFFSET_BITS=64");
#endif

/**
 * urctx_read() - read(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a descriptor
 * @buf: where to
 * @len: how much
 *
 * Beware: of a file it reads all that was asked for, unless it ends, as read(2)
 * does; of anything else what is there.
 *
 * Context: any thread that may sleep, inside callbacks too; blocks; may allocate
 * and open descriptors; not async-signal-safe.  So do all of these.
 * Return: bytes, 0 at the end; see above for all.
 */
ssize_t urctx_read(struct urctx *ctx, int fd, void *buf, size_t len);

/**
 * urctx_write() - write(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a descriptor
 * @buf: what
 * @len: how much
 *
 * Until all is written; less than @len says that it was ended on the way, by the
 * context, a signal or an error, which the next call will meet.  To a character
 * device, where there is no io_uring, it may also be a page.  SIGPIPE as write(2).
 *
 * Context, Return: as urctx_read().
 */
ssize_t urctx_write(struct urctx *ctx, int fd, const void *buf, size_t len);

/**
 * urctx_pread() - pread(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a descriptor
 * @buf: where to
 * @len: how much
 * @off: from where; negative: -EINVAL
 *
 * A page of a file that is in memory is there at once.  What a disk has to bring
 * cannot be aborted.
 *
 * Context, Return: as urctx_read().
 */
ssize_t urctx_pread(struct urctx *ctx, int fd, void *buf, size_t len, off_t off);

/**
 * urctx_pwrite() - pwrite(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a descriptor
 * @buf: what
 * @len: how much
 * @off: where to; negative: -EINVAL
 *
 * Context, Return: as urctx_write().
 */
ssize_t urctx_pwrite(struct urctx *ctx, int fd, const void *buf, size_t len,
		     off_t off);

/**
 * urctx_readv() - readv(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a descriptor
 * @iov: where to
 * @nr: how many of these
 *
 * Context, Return: as urctx_read().
 */
ssize_t urctx_readv(struct urctx *ctx, int fd, const struct iovec *iov, int nr);

/**
 * urctx_writev() - writev(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a descriptor
 * @iov: what
 * @nr: how many of these
 *
 * Context, Return: as urctx_write().
 */
ssize_t urctx_writev(struct urctx *ctx, int fd, const struct iovec *iov, int nr);

/**
 * urctx_recv() - recv(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a socket
 * @buf: where to
 * @len: how much
 * @flags: MSG_*
 *
 * MSG_WAITALL: what had come when the context ended is the result.
 *
 * Context, Return: as urctx_read().
 */
ssize_t urctx_recv(struct urctx *ctx, int fd, void *buf, size_t len, int flags);

/**
 * urctx_send() - send(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a socket
 * @buf: what
 * @len: how much
 * @flags: MSG_*
 *
 * Context, Return: as urctx_write().
 */
ssize_t urctx_send(struct urctx *ctx, int fd, const void *buf, size_t len,
		   int flags);

/**
 * urctx_recvmsg() - recvmsg(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a socket
 * @msg: as for recvmsg(2); untouched on failure but for what that writes
 * @flags: MSG_*
 *
 * MSG_WAITALL goes on until control data came, which are then those of all that is
 * returned.
 *
 * Context, Return: as urctx_read().
 */
ssize_t urctx_recvmsg(struct urctx *ctx, int fd, struct msghdr *msg, int flags);

/**
 * urctx_sendmsg() - sendmsg(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a socket
 * @msg: as for sendmsg(2); control data go with the first byte
 * @flags: MSG_*
 *
 * Context, Return: as urctx_write().
 */
ssize_t urctx_sendmsg(struct urctx *ctx, int fd, const struct msghdr *msg,
		      int flags);

/**
 * urctx_splice() - splice(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @in: from here
 * @in_off: offset in @in, moved by what was read; NULL: its own
 * @out: to here; one of the two is a pipe
 * @out_off: offset in @out, moved by what was written; NULL: its own
 * @len: how much
 * @flags: SPLICE_F_*
 *
 * Returns with what there is, as splice(2) does.
 *
 * Context: as urctx_read().
 * Return: bytes, 0 at the end; see above for all.
 */
ssize_t urctx_splice(struct urctx *ctx, int in, off_t *in_off, int out,
		     off_t *out_off, size_t len, unsigned flags);

/**
 * urctx_accept() - accept4(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a socket that listens
 * @addr: where the peer's address goes, or NULL
 * @len: its room, and then its length
 * @flags: SOCK_NONBLOCK, SOCK_CLOEXEC
 *
 * A connection that was accepted is returned, whatever has become of the context.
 *
 * Context: as urctx_read().
 * Return: a descriptor; see above for all.
 */
int urctx_accept(struct urctx *ctx, int fd, struct sockaddr *addr, socklen_t *len,
		 int flags);

/**
 * urctx_connect() - connect(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a socket
 * @addr: where to
 * @len: its length
 *
 * Beware: after a failure close @fd: it may still be connecting.  Without
 * io_uring the socket is O_NONBLOCK while this runs.
 *
 * Context: as urctx_read().
 * Return: 0; see above for all.
 */
int urctx_connect(struct urctx *ctx, int fd, const struct sockaddr *addr,
		  socklen_t len);

/**
 * urctx_openat() - openat(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @dir: a descriptor of a directory, or AT_FDCWD
 * @path: which
 * @flags: O_*
 * @mode: of a file that is created
 *
 * For what may take its time: FIFOs, FUSE, network file systems.
 *
 * Context: as urctx_read().
 * Return: a descriptor; see above for all.
 */
int urctx_openat(struct urctx *ctx, int dir, const char *path, int flags,
		 mode_t mode);

/**
 * urctx_close() - close(2)
 * @ctx: not asked: a descriptor is not leaked because nobody wants the work
 * @fd: a descriptor
 *
 * The number is free when this returns, whatever it returns, so never close it
 * again.  The system lets go of the number first and may wait then, for a network
 * file system or a socket that lingers: nothing can abort that.
 *
 * Beware: closing ends nothing that others wait for on @fd: cancel their context.
 *
 * Context: any thread; may block; not a point of cancellation, with NULL neither.
 * Return: 0; -EBADF; -EINTR, -EIO, -ENOSPC, -EDQUOT: late news of what was written.
 */
int urctx_close(struct urctx *ctx, int fd);

/**
 * urctx_fsync() - fsync(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @fd: a descriptor
 *
 * Beware: an error of the context's says nothing about the data.
 *
 * Context: as urctx_read().
 * Return: 0; see above for all.
 */
int urctx_fsync(struct urctx *ctx, int fd);

/**
 * urctx_poll() - poll(2), with the context as its timeout
 * @ctx: a context that the caller has a reference to, or NULL: waits for ever
 * @fds: as for poll(2)
 * @nr: how many; 0: waits for @ctx
 *
 * What is ready now is told even if the context ends at this moment.
 *
 * Context: as urctx_read(); needs no io_uring.
 * Return: how many of @fds have revents; see above for all; -ENOMEM, -EINVAL: as
 * poll(2) if @nr is too large.
 */
int urctx_poll(struct urctx *ctx, struct pollfd *fds, nfds_t nr);

/**
 * urctx_waitid() - waitid(2)
 * @ctx: a context that the caller has a reference to, or NULL
 * @idtype: P_PID, P_PIDFD, P_PGID, P_ALL
 * @id: which
 * @info: where it goes, or NULL
 * @options: WEXITED, WSTOPPED, WCONTINUED; WNOHANG, WNOWAIT
 *
 * A child that was waited for is told: it is never reaped and forgotten.
 *
 * Context: as urctx_read().
 * Return: 0; see above for all; -ECHILD.
 */
int urctx_waitid(struct urctx *ctx, int idtype, id_t id, siginfo_t *info,
		 int options);

/**
 * urctx_sleep() - sleep, unless the context ends
 * @ctx: a context that the caller has a reference to, or NULL
 * @timeout: nanoseconds from now; 0 or less only looks at @ctx
 *
 * Context: any thread that may sleep; needs no descriptor.
 * Return: 0 when it has slept it out; urctx_err(); -EINTR.
 */
int urctx_sleep(struct urctx *ctx, int64_t timeout);

#ifdef __cplusplus
}
#endif
#endif
