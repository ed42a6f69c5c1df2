/* SPDX-License-Identifier: MIT */
/*
 * support.hpp - what the tests share
 *
 * Catch2's assertions are not thread-safe: threads note what they saw in
 * struct findings, and the main thread asserts on it when they are gone.
 */
#ifndef URCTX_TESTS_SUPPORT_HPP
#define URCTX_TESTS_SUPPORT_HPP

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <string>
#include <vector>
#include <urctx.h>

#if defined(__SANITIZE_ADDRESS__)
#define TESTS_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define TESTS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TESTS_ASAN 1
#elif __has_feature(thread_sanitizer)
#define TESTS_TSAN 1
#endif
#endif
#ifndef TESTS_ASAN
#define TESTS_ASAN 0
#endif
#ifndef TESTS_TSAN
#define TESTS_TSAN 0
#endif

#ifdef HAVE_VALGRIND
#include <valgrind/valgrind.h>
#define TESTS_VALGRIND (RUNNING_ON_VALGRIND != 0)
#else
#define TESTS_VALGRIND false
#endif

/* The same test, smaller, where the tool makes every step dearer. */
inline size_t scaled(size_t n)
{
	const char *emulated = getenv("URCTX_TEST_SLOW");
	size_t by = emulated ? strtoul(emulated, nullptr, 10) :
		    TESTS_VALGRIND ? 50 : TESTS_TSAN ? 20 : TESTS_ASAN ? 4 : 1;

	return by && n / by ? n / by : 1;
}

#ifdef __aarch64__
#define TESTS_STACK 128	/* PTHREAD_STACK_MIN there */
#else
#define TESTS_STACK 64
#endif

/* In KiB; the sanitizers' own frames and TLS come out of a stack, too. */
constexpr size_t SMALL_STACK = (TESTS_STACK + TESTS_ASAN * 256 + TESTS_TSAN * 2048) * 1024;

struct findings {
	void expect(bool ok, const char *what)
	{
		if (ok)
			return;
		std::lock_guard<std::mutex> guard(lock);
		if (!count++)
			first = what;
	}
	std::string text() const
	{
		return count ? first + " (" + std::to_string(count) + " in all)" :
			       "";
	}

	std::mutex lock;
	std::string first;
	size_t count = 0;
};

#define REQUIRE_NOTHING_IN(f) REQUIRE((f).text() == "")

/* A thread with a stack of the test's choice, joined at the end of its scope. */
class thread
{
public:
	explicit thread(std::function<void()> f, size_t stack = 0)
		: fn(std::move(f))
	{
		pthread_attr_t attr;

		pthread_attr_init(&attr);
		if ((stack && pthread_attr_setstacksize(&attr, stack)) ||
		    pthread_create(&id, &attr, enter, this)) {
			perror("tests: no thread");
			abort();
		}
		pthread_attr_destroy(&attr);
	}
	thread(const thread &) = delete;
	~thread()
	{
		join();
	}
	void join()
	{
		if (!joined)
			pthread_join(id, nullptr);
		joined = true;
	}

	pthread_t id;

private:
	static void *enter(void *self)
	{
		static_cast<thread *>(self)->fn();
		return nullptr;
	}

	std::function<void()> fn;
	bool joined = false;
};

/* All at once, and back when all are. */
inline void together(const std::vector<std::function<void()>> &fns)
{
	std::vector<std::unique_ptr<thread>> threads;
	pthread_barrier_t start;

	pthread_barrier_init(&start, nullptr, (unsigned)fns.size());
	for (auto &fn : fns)
		threads.push_back(std::make_unique<thread>([&fn, &start] {
			pthread_barrier_wait(&start);
			fn();
		}));
	threads.clear();
	pthread_barrier_destroy(&start);
}

inline void on_small_stack(std::function<void()> fn)
{
	thread(std::move(fn), SMALL_STACK).join();
}

/* One way, once: set() by one thread, wait() by any. */
class gate
{
public:
	void set()
	{
		pthread_mutex_lock(&lock);
		open = true;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&lock);
	}
	void wait()
	{
		pthread_mutex_lock(&lock);
		while (!open)
			pthread_cond_wait(&cond, &lock);
		pthread_mutex_unlock(&lock);
	}

private:
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
	bool open = false;
};

/* A child, or the end of the program: no test goes on without one. */
inline struct urctx *derive(struct urctx *parent)
{
	struct urctx *child = nullptr;
	int ret = urctx_with_cancel(parent, &child);

	if (ret) {
		fprintf(stderr, "tests: urctx_with_cancel: %d\n", ret);
		abort();
	}
	return child;
}

/* A callback that counts; what it does beside that is the test's. */
struct counted {
	struct urctx_callback cb = {};		/* first: fn gets its address */
	std::atomic<int> ran{ 0 };
	std::function<void()> also;

	static void fn(struct urctx_callback *cb)
	{
		counted *self = reinterpret_cast<counted *>(cb);

		self->ran++;
		if (self->also)
			self->also();
	}
	int after(struct urctx *ctx)
	{
		return urctx_after(ctx, &cb, fn);
	}
};

inline bool same_word(const struct urctx *ctx, const struct urctx_cause *cause)
{
	return urctx_done(ctx) && urctx_err(ctx) == -ECANCELED &&
	       urctx_cause(ctx) == cause;
}

size_t resident_bytes();		/* of this process, now */
size_t open_fds();
size_t threads_now();

/* A minute at most. */
bool becomes(const std::function<bool()> &is);

struct ending {
	bool late;			/* killed: it had not ended in time */
	int signal, code;		/* what it died of, or its exit code */
	std::string said;		/* on stderr */
};

/* Runs fn in a forked child, whose exit code it returns; five minutes at most. */
struct ending in_child(const std::function<int()> &fn);

#endif
