/* SPDX-License-Identifier: MIT */
/*
 * http_db.c - a query that a context stops
 *
 * SQLite has two ways in.  sqlite3_interrupt() from a callback of the context is the
 * one that comes to mind, and it loses: where no statement runs at that moment, it
 * does nothing, so a cancel that comes just before sqlite3_step() is forgotten and
 * the query runs for ever.  (Nor may the connection be closed meanwhile: that one
 * urctx_stop() would see to.)  The progress handler asks again and again on the
 * query's own thread.  It cannot be too early or too late, and asking is one load,
 * so it may ask often: here every 1000 steps of SQLite's machine, some 10 us.
 *
 * It is not asked while SQLite waits for another's lock.  The busy handler is.
 */
#include <errno.h>
#include <sqlite3.h>

#include "http_db.h"

#define STEPS	1000
#define PAUSE	1000000 /* ns, between two looks at a lock */

/* Not 0: stop with SQLITE_INTERRUPT. */
static int on_progress(void *arg)
{
	return urctx_done(arg);
}

/* 0: stop with SQLITE_BUSY.  The pause ends with the context. */
static int on_busy(void *arg, int times)
{
	(void)times;
	return urctx_wait(arg, urctx_now() + PAUSE) != 0;
}

static int run(struct urctx *ctx, sqlite3_stmt *query,
	       int (*row)(void *to, int64_t id, const char *name), void *to)
{
	int ret, err, nr = 0;

	while ((ret = sqlite3_step(query)) == SQLITE_ROW) {
		err = row(to, sqlite3_column_int64(query, 0),
			  (const char *)sqlite3_column_text(query, 1));
		if (err)
			return err;
		nr++;
	}
	if (ret == SQLITE_DONE)
		return nr;
	/* Whatever SQLite calls it: if the context has ended, that is why. */
	err = urctx_err(ctx);
	return err ? err : -EIO;
}

int fetch_from_db(struct urctx *ctx, const char *db, const char *sql, int64_t arg,
		  int (*row)(void *to, int64_t id, const char *name), void *to)
{
	sqlite3_stmt *query = NULL;
	sqlite3 *conn = NULL;
	int ret = -EIO;

	if (sqlite3_open_v2(db, &conn, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
		goto out;
	sqlite3_progress_handler(conn, STEPS, on_progress, ctx);
	sqlite3_busy_handler(conn, on_busy, ctx);
	/* This may wait for a lock already, to read the schema. */
	if (sqlite3_prepare_v2(conn, sql, -1, &query, NULL) == SQLITE_OK &&
	    sqlite3_bind_int64(query, 1, arg) == SQLITE_OK)
		ret = run(ctx, query, row, to);
	else if (urctx_err(ctx))
		ret = urctx_err(ctx);
	sqlite3_finalize(query);
out:
	sqlite3_close(conn);
	return ret;
}

int change_db(const char *db, const char *sql)
{
	sqlite3 *conn = NULL;
	int ret = sqlite3_open(db, &conn);

	if (ret == SQLITE_OK)
		ret = sqlite3_exec(conn, sql, NULL, NULL, NULL);
	sqlite3_close(conn);
	return ret == SQLITE_OK ? 0 : -EIO;
}

void *lock_db(const char *db)
{
	sqlite3 *conn = NULL;

	if (sqlite3_open(db, &conn) == SQLITE_OK &&
	    sqlite3_exec(conn, "BEGIN EXCLUSIVE", NULL, NULL, NULL) == SQLITE_OK)
		return conn;
	sqlite3_close(conn);
	return NULL;
}

void unlock_db(void *lock)
{
	sqlite3_close(lock);
}
