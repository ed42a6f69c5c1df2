/* SPDX-License-Identifier: MIT */
/*
 * replay.c - a fuzz target without a fuzzer
 *
 *   NAME			the corpus of this target, as `make check` does
 *   NAME FILE|DIR...		these inputs
 *   NAME --random NR [SEED]	so many made of nothing, for compilers without libFuzzer
 *
 * Each input has a minute; the one that takes longer ends the process.
 */
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define LONGEST	4096
#define PATIENCE 60

static unsigned long inputs;
static const char *running = "";

/* Async-signal-safe: which input it was is what one wants to know. */
static void died(int sig)
{
	static const char text[] = "fuzz: the input was ";

	(void)!write(2, text, sizeof(text) - 1);
	(void)!write(2, running, strlen(running));
	(void)!write(2, "\n", 1);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void run(const char *name, const uint8_t *data, size_t size)
{
	/* exactly as long as it is, so that ASan sees a read behind it */
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy) {
		perror("fuzz");
		exit(1);
	}
	memcpy(copy, data, size);
	running = name;
	alarm(PATIENCE);
	(void)LLVMFuzzerTestOneInput(copy, size);
	alarm(0);
	free(copy);
	inputs++;
}

static void run_file(const char *path)
{
	uint8_t data[LONGEST];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	run(path, data, size);
}

static void run_path(const char *path)
{
	struct dirent **entry;
	struct stat st;
	char sub[1024];
	int nr, i;

	if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
		run_file(path);
		return;
	}
	nr = scandir(path, &entry, NULL, alphasort);
	for (i = 0; i < nr; i++) {
		snprintf(sub, sizeof(sub), "%s/%s", path, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.')
			run_path(sub);
		free(entry[i]);
	}
	if (nr >= 0)
		free(entry);
}

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

static void run_random(unsigned long nr, uint64_t state)
{
	uint8_t data[512];
	char name[64];
	size_t size, i;

	state = state * 2 + 1;
	while (nr--) {
		snprintf(name, sizeof(name), "that of state %llu",
			 (unsigned long long)state);
		size = next(&state) % sizeof(data);
		for (i = 0; i < size; i++)
			data[i] = (uint8_t)(next(&state) >> 32);
		run(name, data, size);
	}
}

static void run_corpus(void)
{
	const char *top = getenv("top_srcdir");
	char path[1024];

	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", top ? top : ".",
		 fuzz_name);
	run_path(path);
}

int main(int argc, char **argv)
{
	int i;

	signal(SIGABRT, died);
	signal(SIGALRM, died);
	if (fuzz_can && !fuzz_can())
		return 77;
	if (argc == 1)
		run_corpus();
	else if (!strcmp(argv[1], "--random") && argc > 2)
		run_random(strtoul(argv[2], NULL, 0),
			   argc > 3 ? strtoull(argv[3], NULL, 0) : 1);
	else
		for (i = 1; i < argc; i++)
			run_path(argv[i]);
	printf("fuzz %s: %lu inputs\n", fuzz_name, inputs);
	return !inputs;
}
