/* SPDX-License-Identifier: MIT */
/*
 * kinds.hpp - every kind of op, on every kind of ring, ended by everybody
 *
 *   kind	what an op does, what it needs, what it says when nobody ends it
 *   ring_kind	how a ring was set up
 *   stage	the files, buffers and ops of one case; all of it goes with it
 *
 * Each case keeps a ledger: bytes, or connections, that went in are those that
 * the op got and those that are still there.
 */
#ifndef URCTX_TESTS_KINDS_HPP
#define URCTX_TESTS_KINDS_HPP

#include "ring_support.hpp"

enum : unsigned {
	READY = 1U << 0,	/* ends by itself, at once */
	ZEROCOPY = 1U << 1,	/* its first CQE has the result, the last is a note */
	BYTES = 1U << 2,	/* a stream of bytes comes out of stage::in */
	CALLERS = 1U << 3,	/* connections come out of stage::in */
	DRAINS = 1U << 4,	/* uses IOSQE_IO_DRAIN */
	PARTLY = 1U << 5,	/* told to end, it says .good all the same */
};

/* What the headers of liburing 2.3 lack. */
enum { OP_READ_MULTISHOT = 49, OP_WAITID = 50, OP_FUTEX_WAIT = 51 };

/*
 * Of provided buffers.  Linux 6.1 forgets to begin anew with a group below 64 that is
 * registered again.
 */
constexpr unsigned short GROUP = 101;

struct stage;

struct kind {
	const char *name;
	int opcode;			/* that the kernel must have */
	unsigned traits;
	int good;			/* what it says where nobody ends it */
	void (*start)(stage &s);	/* makes what it needs, and binds */
	void (*finish)(stage &s);	/* it comes to .good; NULL: it never does */
	void (*midway)(stage &s);	/* makes it say something before it ends */
	void (*got)(stage &s, const struct urctx_op &op);	/* with res >= 0 */
};

struct ring_kind {
	const char *name;
	unsigned flags, entries;
	unsigned attach;		/* URCTX_RING_* */
};

std::vector<kind> kinds_of_files();
std::vector<kind> kinds_of_sockets();
std::vector<kind> kinds_of_waits();
std::vector<kind> kinds_of_chains();
/* All that this kernel has; empty: io_uring is forbidden. */
std::vector<kind> every_kind();

struct bound {
	bound()
	{
		op.complete = complete;
	}
	bound(const bound &) = delete;
	static void complete(struct urctx_op *op);

	struct urctx_op op = {};	/* first: complete() gets its address */
	struct stage *at = nullptr;
	std::vector<std::pair<int, unsigned>> cqes;	/* res, flags */
	const struct urctx_cause *cause = nullptr;
	bool ended = false;
};

struct stage {
	stage(struct io_uring &ring, struct urctx_ring *attachment, const kind &what)
		: u(ring), r(attachment), k(what)
	{
		for (auto &b : op)
			b.at = this;
	}
	stage(const stage &) = delete;
	~stage();

	struct io_uring_sqe *sqe();
	/* The first op that is bound is the one that is told by itself. */
	void bind(struct io_uring_sqe *sqe, unsigned sqe_flags = 0);
	int keep(int fd);		/* closed at the end; not an fd: the end */
	void pipe(int fd[2]);
	void sockets(int fd[2], int type = SOCK_STREAM);
	void tcp(int fd[2]);
	int listener(int family);	/* of .in, whose queue has room for one */
	int caller();			/* connects to .in */
	void put(int fd, size_t n);	/* of the stream */
	void fill(int fd);		/* with the stream, until there is no room */
	void next(size_t n);		/* .buf is what comes next in the stream */
	void take(const void *buf, size_t n);
	void buffers();			/* provided to the ring */
	bool until(const std::function<bool()> &met);
	bool all_ended() const;
	void count_left();		/* what is in .in, and no op has taken */
	void expect(bool ok, const char *what)
	{
		if (!ok && wrong.empty())
			wrong = what;
	}

	struct io_uring &u;
	struct urctx_ring *r;
	const kind &k;
	struct urctx *ctx = nullptr;
	int64_t deadline = URCTX_NEVER;
	bound op[2];
	unsigned ops = 0;
	std::string wrong;

	int in = -1, out = -1;
	size_t sent = 0, received = 0;
	std::vector<int> fds;
	char buf[256] = {};
	alignas(4096) char pool[4096];
	struct iovec iov[2];
	struct msghdr msg = {};
	struct sockaddr_storage addr = {};
	socklen_t addr_len = 0;
	struct __kernel_timespec ts = {};
	uint32_t word = 0;
	std::string path;
	pid_t child = 0;
	bool files = false, memory = false;	/* registered */
	struct io_uring_buf_ring *provided = nullptr;
};

#endif
