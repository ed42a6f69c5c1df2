/* SPDX-License-Identifier: MIT */
/* kinds_stage.cpp - the files, buffers and ops of one case, and its ledger */
#include "kinds.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <sys/wait.h>

constexpr size_t BUFFERS = 8, BUFFER = 64;

static char byte_at(size_t at)
{
	return (char)(at % 251);
}

void bound::complete(struct urctx_op *op)
{
	bound *b = reinterpret_cast<bound *>(op);
	stage &s = *b->at;

	s.expect(!b->ended, "a CQE behind the last");
	b->cqes.push_back({ op->res, op->cqe_flags });
	b->cause = op->cause;
	b->ended = !(op->cqe_flags & IORING_CQE_F_MORE);
	/* that of the notice is no result */
	if (b == s.op && op->res >= 0 && s.k.got &&
	    !(s.k.traits & ZEROCOPY && b->cqes.size() > 1))
		s.k.got(s, *op);
}

stage::~stage()
{
	if (files)
		io_uring_unregister_files(&u);
	if (memory)
		io_uring_unregister_buffers(&u);
	if (provided) {
		io_uring_unregister_buf_ring(&u, GROUP);
		munmap(provided, 4096);
	}
	for (int fd : fds)
		close(fd);
	if (!path.empty()) {
		unlink(path.c_str());
		rmdir(path.substr(0, path.rfind('/')).c_str());
	}
	if (child) {
		kill(child, SIGKILL);
		waitpid(child, nullptr, 0);
	}
}

struct io_uring_sqe *stage::sqe()
{
	struct io_uring_sqe *s = urctx_ring_sqe(r);

	REQUIRE(s);
	return s;
}

void stage::bind(struct io_uring_sqe *s, unsigned sqe_flags)
{
	struct urctx_op *o = &op[ops].op;

	s->flags |= (__u8)sqe_flags;
	REQUIRE(urctx_ring_bind_flags(r, s, ctx, o, ops ? URCTX_NEVER : deadline, 0) == 0);
	ops++;
}

int stage::keep(int fd)
{
	if (fd < 0) {
		perror("tests: no file");
		abort();
	}
	fds.push_back(fd);
	return fd;
}

void stage::pipe(int fd[2])
{
	REQUIRE(pipe2(fd, O_CLOEXEC) == 0);
	in = keep(fd[0]);
	out = keep(fd[1]);
}

void stage::sockets(int fd[2], int type)
{
	REQUIRE(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fd) == 0);
	in = keep(fd[0]);
	out = keep(fd[1]);
}

int stage::listener(int family)
{
	auto *at = reinterpret_cast<struct sockaddr_in *>(&addr);

	in = keep(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	addr.ss_family = (sa_family_t)family;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* a Unix socket bound to no name gets one of its own */
	REQUIRE(::bind(in, (struct sockaddr *)&addr,
		       family == AF_UNIX ? (socklen_t)sizeof(sa_family_t) :
					   (socklen_t)sizeof(struct sockaddr_in)) == 0);
	REQUIRE(listen(in, 0) == 0);
	addr_len = sizeof(addr);
	REQUIRE(getsockname(in, (struct sockaddr *)&addr, &addr_len) == 0);
	return in;
}

int stage::caller()
{
	int fd = keep(socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));

	REQUIRE(connect(fd, (struct sockaddr *)&addr, addr_len) == 0);
	sent++;
	return fd;
}

void stage::tcp(int fd[2])
{
	int listens = listener(AF_INET);

	out = caller();
	in = keep(accept4(listens, nullptr, nullptr, SOCK_CLOEXEC));
	sent = 0;
	fd[0] = in;
	fd[1] = out;
}

void stage::next(size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(sent + i);
}

void stage::put(int fd, size_t n)
{
	next(n);
	REQUIRE(write(fd, buf, n) == (ssize_t)n);
	sent += n;
	memset(buf, 0xee, n);
}

/* The last of it byte by byte: then not even one has room. */
void stage::fill(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	ssize_t n;

	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	for (size_t size = sizeof(buf); size; size = size == 1 ? 0 : 1)
		while (next(size), (n = write(fd, buf, size)) > 0)
			sent += (size_t)n;
	fcntl(fd, F_SETFL, flags);
}

void stage::take(const void *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		expect(static_cast<const char *>(from)[i] == byte_at(received + i),
		       "a byte that was not sent, or not here");
	received += n;
}

void stage::buffers()
{
	struct io_uring_buf_reg reg = {};

	provided = (struct io_uring_buf_ring *)mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
						    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(provided != MAP_FAILED);
	io_uring_buf_ring_init(provided);
	reg.ring_addr = (uintptr_t)provided;
	reg.ring_entries = BUFFERS;
	reg.bgid = GROUP;
	REQUIRE(io_uring_register_buf_ring(&u, &reg, 0) == 0);
	for (unsigned short i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(provided, pool + i * BUFFER, BUFFER, i,
				      io_uring_buf_ring_mask(BUFFERS), i);
	io_uring_buf_ring_advance(provided, BUFFERS);
}

bool stage::until(const std::function<bool()> &met)
{
	int64_t end = urctx_now() + PATIENCE;

	while (!met()) {
		int ret = urctx_ring_wait(r, end);

		if (ret < 0 && ret != -EINTR) {
			expect(false, "wait fails");
			return false;
		}
		if (urctx_now() >= end)
			return met();
	}
	return true;
}

bool stage::all_ended() const
{
	for (unsigned i = 0; i < ops; i++)
		if (!op[i].ended)
			return false;
	return true;
}

void stage::count_left()
{
	int64_t end = urctx_now() + PATIENCE;
	struct pollfd pfd = { in, POLLIN, 0 };

	if (!(k.traits & (BYTES | CALLERS)))
		return;
	while (received < sent && urctx_now() < end) {
		int fd;
		ssize_t n;

		if (poll(&pfd, 1, 1000) != 1)
			continue;
		if (k.traits & CALLERS) {
			fd = accept4(in, nullptr, nullptr, SOCK_CLOEXEC);
			if (fd < 0)
				break;
			close(fd);
			received++;
			continue;
		}
		n = read(in, buf, sizeof(buf));
		if (n <= 0)
			break;
		take(buf, (size_t)n);
	}
	expect(received == sent, received < sent ? "lost" : "got twice");
	int more = 0;
	if (k.traits & CALLERS)
		more = poll(&pfd, 1, 0);
	else
		REQUIRE(ioctl(in, FIONREAD, &more) == 0);
	expect(!more, "more than was sent");
}

static bool has(const struct io_uring_probe *probe, int opcode)
{
	return opcode <= probe->last_op && probe->ops[opcode].flags & IO_URING_OP_SUPPORTED;
}

std::vector<kind> every_kind()
{
	struct io_uring_probe *probe = io_uring_get_probe();
	std::vector<kind> kinds;

	if (!probe) {
		WARN("skipped: io_uring is forbidden here");
		return kinds;
	}
	for (auto some : { kinds_of_files(), kinds_of_sockets(), kinds_of_waits(),
			   kinds_of_chains() })
		for (const kind &k : some)
			if (has(probe, k.opcode))
				kinds.push_back(k);
			else
				WARN("skipped: " << k.name << ": this kernel lacks it");
	io_uring_free_probe(probe);
	return kinds;
}
