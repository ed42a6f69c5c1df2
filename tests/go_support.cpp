/* SPDX-License-Identifier: MIT */
/* go_support.cpp - how many hang on a context; how many threads there are */
#include "go.hpp"
#include <cctype>
#include <dirent.h>
#include <sstream>

std::vector<std::string> dump_of(struct urctx *root)
{
	std::vector<std::string> lines;
	std::string line;
	char *text = nullptr;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int ret = out ? urctx_dump(root, out) : -ENOMEM;

	if (ret < 0 || fclose(out)) {
		fprintf(stderr, "tests: urctx_dump: %d\n", ret);
		abort();
	}
	std::istringstream in(text);
	while (std::getline(in, line))
		lines.push_back(line);
	free(text);
	return lines;
}

size_t count_threads()
{
	DIR *dir = opendir("/proc/self/task");
	size_t n = 0;

	if (!dir) {
		perror("tests: /proc/self/task");
		abort();
	}
	while (struct dirent *entry = readdir(dir))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* Where a line's text begins: how deep it is in the tree. */
static size_t depth_of(const std::string &line)
{
	size_t at = 0;

	while (at < line.size() && !isalnum((unsigned char)line[at]))
		at++;
	return at;
}

size_t count_below(struct urctx *root)
{
	std::vector<std::string> lines = dump_of(root);
	size_t n = 0;

	for (size_t i = 1; i < lines.size(); i++)
		n += depth_of(lines[i]) == depth_of(lines[1]);
	return n;
}
