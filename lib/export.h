/* SPDX-License-Identifier: MIT */
/*
 * export.h - the public headers, as the libraries see them
 *
 * The libraries are compiled with -fvisibility=hidden; what a public header
 * declares is what they export. The Makefile puts this file in front of each of
 * their sources, so that no declaration has to say it.
 */
#ifndef URCTX_EXPORT_H
#define URCTX_EXPORT_H

#ifdef URCTX_URING_LIBRARY
#include <liburing.h>
#endif

#pragma GCC visibility push(default)
#include <urctx.h>
#include <urctx/clock.h>
#include <urctx/sync.h>
#ifdef URCTX_URING_LIBRARY
#include <urctx/io.h>
#include <urctx/ring.h>
#endif
#pragma GCC visibility pop

#endif
