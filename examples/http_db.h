/* SPDX-License-Identifier: MIT */
/*
 * http_db.h - the database of http_sqlite.c: a query that a context stops
 */
#ifndef EXAMPLES_HTTP_DB_H
#define EXAMPLES_HTTP_DB_H

#include <stdint.h>
#include <urctx.h>

/*
 * Runs sql, which has one parameter and yields an id and a name, and calls row() for
 * each of them.  Return: how many there were; urctx_err(ctx): the query was stopped;
 * what row() said if that was not 0; -EIO.
 */
int fetch_from_db(struct urctx *ctx, const char *db, const char *sql, int64_t arg,
		  int (*row)(void *to, int64_t id, const char *name), void *to);

/* Return: 0: sql, which yields nothing, is done; -EIO. */
int change_db(const char *db, const char *sql);

/* For the check: nobody else gets at db until unlock_db() gets what this returns. */
void *lock_db(const char *db);
void unlock_db(void *lock);

#endif
