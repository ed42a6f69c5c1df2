/* SPDX-License-Identifier: MIT */
/*
 * plugin.cpp - the library as a plugin's: dlopen, four threads, dlclose, 1,000
 * times.  Not linked to it; URCTX_LIBRARY says where it is.
 */
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <dlfcn.h>
#include <functional>
#include <pthread.h>
#include <string>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vector>

struct urctx;

struct library {
	explicit library(const char *path)
		: handle(dlopen(path, RTLD_NOW | RTLD_LOCAL))
	{
		if (!handle)
			return;
		with_cancel = (int (*)(urctx *, urctx **))dlsym(handle, "urctx_with_cancel");
		cancel = (bool (*)(urctx *))dlsym(handle, "urctx_cancel");
		err = (int (*)(const urctx *))dlsym(handle, "urctx_err");
		put = (void (*)(urctx *))dlsym(handle, "urctx_put");
	}

	void *handle;
	int (*with_cancel)(urctx *, urctx **) = nullptr;
	bool (*cancel)(urctx *) = nullptr;
	int (*err)(const urctx *) = nullptr;
	void (*put)(urctx *) = nullptr;
};

/* What an application does around its forks, since before it had the library. */
static library *hooks_use;
static int hooks_which;

template <int which> static void hook()
{
	urctx *ctx = nullptr;

	if (!hooks_use || hooks_which != which)
		return;
	if (hooks_use->with_cancel(nullptr, &ctx) || !hooks_use->cancel(ctx))
		abort();
	hooks_use->put(ctx);
}

/* A minute at most: whoever hangs here may have all signals blocked. */
static bool ended_well(pid_t pid)
{
	int status = -1;

	for (int looks = 0; looks < 6000; looks++) {
		const struct timespec moment = { 0, 10000000 };

		if (waitpid(pid, &status, WNOHANG) == pid)
			return !status;
		nanosleep(&moment, nullptr);
	}
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	return false;
}

/* Exits as it went, for the parent and the child. */
static void *forks(void *)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid)
		_exit(0);
	if (waitpid(pid, &status, 0) < 0 || status)
		abort();
	_exit(0);
}

TEST_CASE("a hook around fork() is older than the library, and a first use", "[plugin]")
{
	const char *path = getenv("URCTX_LIBRARY");

	if (!path)
		path = URCTX_LIBRARY;
	for (int which = 0; which < 3; which++) {
		pid_t pid = fork();

		if (!pid) {
			setpgid(0, 0);
			pthread_atfork(hook<0>, hook<1>, hook<2>);
			if (dlopen(path, RTLD_NOLOAD | RTLD_NOW))
				_exit(3);	/* it stays where it has been once */
			library lib(path);
			pthread_t id;

			hooks_use = &lib;
			hooks_which = which;
			if (!lib.put || pthread_create(&id, nullptr, forks, nullptr))
				_exit(1);
			pthread_join(id, nullptr);
			_exit(2);
		}
		setpgid(pid, pid);
		INFO("before, in the parent, in the child: " << which);
		CHECK(ended_well(pid));
	}
}

struct job {
	library *lib;
	urctx *top;
	bool wrong;
};

/* Exits with free contexts in its cache, and a destructor in the library. */
static void *work(void *arg)
{
	struct job *job = (struct job *)arg;
	library *lib = job->lib;

	for (int i = 0; i < 20; i++) {
		urctx *a = nullptr, *b = nullptr;

		job->wrong |= lib->with_cancel(job->top, &a) || lib->with_cancel(a, &b);
		job->wrong |= lib->err(b) != 0 || !lib->cancel(a);
		job->wrong |= lib->err(b) != -ECANCELED;
		lib->put(a);
		lib->put(b);
	}
	return nullptr;
}

TEST_CASE("1,000 times dlopen, use from four threads, dlclose", "[plugin]")
{
	const char *path = getenv("URCTX_LIBRARY");
	size_t wrong = 0;

	if (!path)
		path = URCTX_LIBRARY;
	INFO(path);
	for (int i = 0; i < 1000 && !wrong; i++) {
		library lib(path);
		struct job jobs[4];
		pthread_t ids[4];
		urctx *top = nullptr;

		if (!lib.handle || !lib.with_cancel || !lib.cancel || !lib.err ||
		    !lib.put) {
			FAIL(dlerror());
			return;
		}
		wrong += lib.with_cancel(nullptr, &top) != 0;
		for (int k = 0; k < 4; k++) {
			jobs[k] = { &lib, top, false };
			wrong += pthread_create(&ids[k], nullptr, work, &jobs[k]) != 0;
		}
		for (int k = 0; k < 4; k++) {
			pthread_join(ids[k], nullptr);
			wrong += jobs[k].wrong;
		}
		lib.put(top);
		wrong += dlclose(lib.handle) != 0;
	}
	CHECK(wrong == 0);
}

TEST_CASE("a thread outlives the dlclose of the library it has used", "[plugin]")
{
	const char *path = getenv("URCTX_LIBRARY");
	pthread_barrier_t closed, used;
	size_t wrong = 0;

	if (!path)
		path = URCTX_LIBRARY;
	struct both {
		struct job job;
		pthread_barrier_t *used, *closed;
	};
	pthread_barrier_init(&used, nullptr, 2);
	pthread_barrier_init(&closed, nullptr, 2);
	for (int i = 0; i < 200; i++) {
		library lib(path);
		struct both both = { { &lib, nullptr, false }, &used, &closed };
		pthread_t id;

		REQUIRE(lib.handle);
		wrong += pthread_create(&id, nullptr, [](void *arg) -> void * {
			struct both *both = (struct both *)arg;

			work(&both->job);
			pthread_barrier_wait(both->used);
			pthread_barrier_wait(both->closed);
			return nullptr;
		}, &both) != 0;
		pthread_barrier_wait(&used);
		wrong += dlclose(lib.handle) != 0 || both.job.wrong;
		pthread_barrier_wait(&closed);
		pthread_join(id, nullptr);
	}
	CHECK(wrong == 0);
	pthread_barrier_destroy(&used);
	pthread_barrier_destroy(&closed);
}
