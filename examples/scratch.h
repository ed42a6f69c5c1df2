/* SPDX-License-Identifier: MIT */
/*
 * scratch.h - a directory for the files of one example, and what is in them
 */
#ifndef EXAMPLES_SCRATCH_H
#define EXAMPLES_SCRATCH_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scratch {
	char path[240];
};

static inline int scratch_make(struct scratch *s)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(s->path, sizeof(s->path), "%.200s/urctx-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(s->path) ? 0 : -errno;
}

/* The name of a file in there, in buf, which is returned. */
#define SCRATCH_NAME 320
static inline __attribute__((format(printf, 3, 4))) char *
scratch_name(const struct scratch *s, char buf[SCRATCH_NAME], const char *format, ...)
{
	int len = snprintf(buf, SCRATCH_NAME, "%s/", s->path);
	va_list args;

	va_start(args, format);
	vsnprintf(buf + len, SCRATCH_NAME - len, format, args);
	va_end(args);
	return buf;
}

/* Return: how many bytes path has, up to size - 1 of them in buf, with a '\0'. */
static inline ssize_t scratch_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, buf, size - 1);
	buf[got > 0 ? got : 0] = '\0';
	close(fd);
	return got;
}

/* Return: how many files there are whose names begin so. */
static inline int scratch_count(const struct scratch *s, const char *prefix)
{
	struct dirent *entry;
	DIR *d = opendir(s->path);
	int nr = 0;

	while (d && (entry = readdir(d)))
		nr += entry->d_name[0] != '.' &&
		      !strncmp(entry->d_name, prefix, strlen(prefix));
	if (d)
		closedir(d);
	return nr;
}

static inline void scratch_remove(const struct scratch *s)
{
	struct dirent *entry;
	DIR *d = opendir(s->path);

	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	if (d)
		closedir(d);
	rmdir(s->path);
}

#endif
