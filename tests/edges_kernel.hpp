/* SPDX-License-Identifier: MIT */
/*
 * edges_kernel.hpp - what a ring asks of the kernel, as it is asked
 *
 * The program has functions of liburing's names, which do what those do unless a test
 * answers for the kernel; and all of them leave another errno behind, which those do
 * where the C library makes their system calls.
 */
#ifndef URCTX_TESTS_EDGES_KERNEL_HPP
#define URCTX_TESTS_EDGES_KERNEL_HPP

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

struct io_uring;

struct entered {
	enum { WAIT, LOOK, SUBMIT, SYNC } what;
	unsigned nr;			/* CQEs that are waited for; SYNC: flags */
	bool ends;			/* there is a timeout: */
	int64_t sec, nsec;
	uint64_t ud;			/* of a cancel by call */
};

/* In the kernel's place, on one thread; where nothing is said, it is asked. */
struct kernel {
	explicit kernel(std::function<std::optional<int>(const entered &)> answer)
		: says(std::move(answer))
	{
		it = this;
	}
	kernel(const kernel &) = delete;
	~kernel()
	{
		it = nullptr;
	}

	static thread_local kernel *it;
	static thread_local struct io_uring *ring;	/* that is entered */
	std::function<std::optional<int>(const entered &)> says;
	std::vector<entered> asked;
};

#endif
