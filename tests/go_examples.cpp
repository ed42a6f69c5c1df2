/* SPDX-License-Identifier: MIT */
/* go_examples.cpp - the examples of Go's documentation, with checked output */
#include "go.hpp"
#include <climits>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace
{
/* Two ends; -1 is one that was closed. */
struct channel {
	explicit channel(int type)
	{
		if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds)) {
			perror("tests: socketpair");
			abort();
		}
	}
	~channel()
	{
		close(fds[0]);
		close(fds[1]);
	}
	int fds[2];
};

/* Go's select of a channel and ctx.Done(): true if the channel is ready. */
bool ready(int fd, short events, struct urctx *ctx)
{
	struct pollfd pfds[] = { { urctx_fd(ctx), POLLIN, 0 }, { fd, events, 0 } };

	while (poll(pfds, 2, -1) < 0)
		;
	return !pfds[0].revents;
}

std::string reason_of(const struct urctx *ctx)
{
	const struct urctx_cause *cause = urctx_cause(ctx);

	return cause ? cause->reason : "live";
}
}

TEST_CASE("T-40 example: a generator stops at its consumer's word", "[go]")
{
	family f;
	struct urctx *ctx = f.cancelable(nullptr);
	struct channel c(SOCK_SEQPACKET);
	std::vector<int> got;
	bool refused = false;
	thread generator([&] {
		for (int n = 1; ready(c.fds[0], POLLOUT, ctx); n++)
			refused |= send(c.fds[0], &n, sizeof(n), 0) < 0;
	});

	for (int n = 0; n != 5; got.push_back(n))
		if (recv(c.fds[1], &n, sizeof(n), 0) != sizeof(n))
			break;
	CHECK(got == std::vector<int>{ 1, 2, 3, 4, 5 });
	CHECK(cancel_plain(ctx));
	generator.join();
	CHECK_FALSE(refused);
}

TEST_CASE("T-41 example: a channel that is never ready, and a deadline", "[go]")
{
	family f;
	struct urctx *ctx = f.deadline(nullptr, urctx_now() + MS);
	struct channel never(SOCK_STREAM);

	CHECK_FALSE(ready(never.fds[0], POLLIN, ctx));
	CHECK(urctx_err(ctx) == -ETIME);
	CHECK(reason_of(ctx) == "deadline exceeded");
}

TEST_CASE("T-42 example: a channel that is never ready, and a timeout", "[go]")
{
	family f;
	struct urctx *ctx = f.timeout(nullptr, MS);
	struct channel never(SOCK_STREAM);

	CHECK_FALSE(ready(never.fds[0], POLLIN, ctx));
	CHECK(urctx_err(ctx) == -ETIME);
	CHECK(reason_of(ctx) == "deadline exceeded");
}

namespace
{
struct condition {
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

	/* Waits for what never becomes true, or for @ctx; why it gave up. */
	std::string wait(struct urctx *ctx)
	{
		counted wake;

		wake.also = [this] {
			pthread_mutex_lock(&lock);
			pthread_cond_broadcast(&cond);
			pthread_mutex_unlock(&lock);
		};
		/* not under the lock: on a done context it runs here and now */
		if (wake.after(ctx))
			return "not armed";
		pthread_mutex_lock(&lock);
		while (!urctx_err(ctx))
			pthread_cond_wait(&cond, &lock);
		pthread_mutex_unlock(&lock);
		urctx_stop(&wake.cb);
		return reason_of(ctx);
	}
};
}

TEST_CASE("T-44 example: four waiters on a condition, each with 1 ms", "[go]")
{
	std::vector<std::function<void()>> waiters;
	struct condition c;
	std::string said[4];

	for (auto &one : said)
		waiters.push_back([&] {
			family f;

			one = c.wait(f.timeout(nullptr, MS));
		});
	together(waiters);
	for (auto &one : said)
		CHECK(one == "deadline exceeded");
}

namespace
{
/*
 * A connection whose blocked read somebody else interrupts: Go sets a read
 * deadline in the past, here it is a byte in a second channel.
 */
struct connection {
	struct channel data{ SOCK_STREAM }, wake{ SOCK_STREAM };

	ssize_t read_from(struct urctx *ctx, char *byte)
	{
		struct pollfd pfds[] = { { data.fds[0], POLLIN, 0 },
					 { wake.fds[0], POLLIN, 0 } };
		counted interrupt;
		char woken;

		interrupt.also = [this] { send(wake.fds[1], "!", 1, 0); };
		if (interrupt.after(ctx))
			return -ENOMEM;
		while (poll(pfds, 2, -1) < 0)
			;
		/* false: it has run, wherever it ran; what it did is undone */
		if (!urctx_stop(&interrupt.cb)) {
			if (recv(wake.fds[0], &woken, 1, MSG_DONTWAIT) != 1)
				return -EPROTO;
			return urctx_err(ctx);
		}
		return recv(data.fds[0], byte, 1, 0);
	}
};
}

TEST_CASE("T-45 example: a blocked read of a connection, which stays usable", "[go]")
{
	struct connection c;
	family f;
	char byte = 0;

	CHECK(c.read_from(f.timeout(nullptr, MS), &byte) == -ETIME);
	REQUIRE(send(c.data.fds[1], "x", 1, 0) == 1);
	CHECK(c.read_from(f.cancelable(nullptr), &byte) == 1);
	CHECK(byte == 'x');
}

TEST_CASE("T-46.1 example: two contexts merged by a callback", "[go]")
{
	const struct urctx_cause *why = URCTX_CAUSE(46, "ctx2 canceled");
	family f;
	struct urctx *one = f.cancelable(nullptr), *two = f.cancelable(nullptr);
	struct urctx *merged = f.cancelable(one), *other = f.cancelable(one);
	counted cb, idle;

	cb.also = [&] { urctx_cancel_cause(merged, urctx_cause(two)); };
	idle.also = [&] { urctx_cancel_cause(other, urctx_cause(two)); };
	REQUIRE(cb.after(two) == 0);
	REQUIRE(idle.after(two) == 0);
	/* who ends the merged one first takes the registration back */
	CHECK(cancel_plain(other));
	CHECK(urctx_stop(&idle.cb));
	CHECK(urctx_cancel_cause(two, why));
	CHECK(is_ended(merged, -ECANCELED, why));
	CHECK(reason_of(merged) == "ctx2 canceled");
	CHECK(is_live(one));
	CHECK(idle.ran == 0);
	CHECK_FALSE(urctx_stop(&cb.cb));
}

TEST_CASE("T-46.2 example: two contexts merged by the library", "[go]")
{
	const struct urctx_cause *why = URCTX_CAUSE(46, "ctx2 canceled");
	family f;
	struct urctx *one = f.cancelable(nullptr), *two = f.cancelable(nullptr);
	struct urctx *merged = f.any({ one, two });

	CHECK(urctx_cancel_cause(two, why));
	CHECK(reason_of(merged) == "ctx2 canceled");
	CHECK(is_ended(merged, -ECANCELED, why));
	CHECK(is_live(one));
}
