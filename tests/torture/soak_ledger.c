/* SPDX-License-Identifier: MIT */
/* soak_ledger.c - streams whose every byte is known, and callers that are counted */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/mman.h>

#include "soak.h"

static char byte_at(uint64_t at)
{
	return (char)(at % 251);
}

void stream_next(struct place *p, char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = byte_at(p->sent + i);
}

void stream_take(struct place *p, const char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		must(buf[i] == byte_at(p->got + i));
	p->got += n;
}

/* By the one thread that writes there; full is no matter. */
void stream_feed(struct place *p)
{
	char some[16];
	size_t n = 1 + p->sent % sizeof(some);
	ssize_t ret;

	stream_next(p, some, n);
	ret = write(p->out, some, n);
	if (ret > 0)
		p->sent += (size_t)ret;
}

void stream_drain(struct place *p)
{
	char some[256];
	ssize_t n;

	while ((n = read(p->in, some, sizeof(some))) > 0)
		stream_take(p, some, (size_t)n);
}

void stream_fill(struct place *p)
{
	int flags = fcntl(p->out, F_GETFL);
	char some[100];
	ssize_t n;

	fcntl(p->out, F_SETFL, flags | O_NONBLOCK);
	while (stream_next(p, some, sizeof(some)),
	       (n = write(p->out, some, sizeof(some))) > 0)
		p->sent += (size_t)n;
	fcntl(p->out, F_SETFL, flags);
}

void ledger_close(struct place *p)
{
	unsigned traits = p->run->kind->traits;
	int fd;

	if (traits & (BYTES | CALLERS))
		fcntl(p->in, F_SETFL, fcntl(p->in, F_GETFL) | O_NONBLOCK);
	if (traits & BYTES) {
		int64_t end = urctx_now() + INT64_C(5000000000);

		/* what goes over TCP may be under way */
		do
			stream_drain(p);
		while (p->got < p->sent && urctx_now() < end);
	}
	while (traits & CALLERS && (fd = accept4(p->in, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		p->got++;
		close(fd);
	}
	must(p->got == p->sent);
	if (p->in >= 0)
		close(p->in);
	if (p->out >= 0)
		close(p->out);
}

void listen_here(struct place *p, int family)
{
	struct sockaddr_in *at = (struct sockaddr_in *)&p->addr;
	socklen_t len = family == AF_UNIX ? sizeof(sa_family_t) : sizeof(*at);

	p->in = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(p->in >= 0);
	p->addr.ss_family = (sa_family_t)family;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(p->in, (struct sockaddr *)&p->addr, len) == 0);
	must(listen(p->in, 64) == 0);
	p->addr_len = sizeof(p->addr);
	must(getsockname(p->in, (struct sockaddr *)&p->addr, &p->addr_len) == 0);
}

/* The listener gets it, or has no room for it; its ports come back at once. */
bool call_here(struct place *p)
{
	const struct linger reset = { 1, 0 };
	int fd = socket(p->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
			(p->addr.ss_family == AF_UNIX ? SOCK_NONBLOCK : 0), 0);
	bool called;

	must(fd >= 0);
	called = connect(fd, (struct sockaddr *)&p->addr, p->addr_len) == 0;
	if (p->addr.ss_family != AF_UNIX && p->more[0] >= 0)
		close(p->more[0]);	/* what it was called by before */
	p->more[0] = -1;
	if (p->addr.ss_family != AF_UNIX) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		p->more[0] = fd;
	} else {
		close(fd);
	}
	return called;
}

void buffers_open(struct run *run)
{
	struct io_uring_buf_reg reg = { .ring_entries = BOXES, .bgid = 1 };

	run->provided = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(run->provided != MAP_FAILED);
	io_uring_buf_ring_init(run->provided);
	reg.ring_addr = (uintptr_t)run->provided;
	must(io_uring_register_buf_ring(&run->u, &reg, 0) == 0);
	for (unsigned short i = 0; i < BOXES; i++)
		io_uring_buf_ring_add(run->provided, run->pool[i], 64, i, BOXES - 1, i);
	io_uring_buf_ring_advance(run->provided, BOXES);
}

void buffers_close(struct run *run)
{
	must(io_uring_unregister_buf_ring(&run->u, 1) == 0);
	munmap(run->provided, 4096);
}

/* Read, and back to the ring. */
void buffer_take(struct place *p, int res, unsigned cqe_flags)
{
	unsigned short id = (unsigned short)(cqe_flags >> IORING_CQE_BUFFER_SHIFT);
	struct run *run = p->run;

	if (!(cqe_flags & IORING_CQE_F_BUFFER)) {
		must(res <= 0);
		return;
	}
	if (res > 0)
		stream_take(p, run->pool[id], (size_t)res);
	io_uring_buf_ring_add(run->provided, run->pool[id], 64, id, BOXES - 1, 0);
	io_uring_buf_ring_advance(run->provided, 1);
}

size_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	must(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}
