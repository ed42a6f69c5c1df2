/* SPDX-License-Identifier: MIT */
/*
 * users_blockd.c - 10,000 requests to examples/blockd, many of them given up
 *
 * Each client has blocks of its own in the file, and knows which versions a block
 * may have: the last that was acknowledged, and those after it of which it has not
 * heard, or heard that they were late.  Half of the blocks are written only by who
 * waits for the answer: these have one version.
 */
#include "users.h"

#include "../examples/blockd.h"

#include <sys/stat.h>
#include <sys/un.h>

#define BLOCK		4096U
#define BLOCKS		64U	/* of a client; the first half is sure */
#define BATCH		24U	/* requests of one session, at most */
#define VERSIONS	16U	/* of a block that is not sure */
#define PATIENT		60000U	/* ms */

/* How a session ends; every second one in peace. */
enum how { WHOLE, CUT_ASK = 4, CUT_ANSWER, HALF_CLOSE, BAD_LENGTH, HOWS };
enum { SENT, DONE, LATE, CUT };	/* sums */

struct session {
	struct client *client;
	enum how how;
	int fd;
	unsigned nr, answered;
	struct block_ask ask[BATCH + 1];
	bool open[BATCH];	/* not answered */
	size_t length;
	unsigned char buf[(BATCH + 1) * (sizeof(struct block_ask) + BLOCK)];
};

static char dir[] = "/tmp/urctx-users-XXXXXX", file[64];
static struct sockaddr_un addr = { .sun_family = AF_UNIX };
static struct {
	uint32_t low, high;
} versions[CLIENTS * BLOCKS];

static uint32_t block_of(const struct block_ask *ask)
{
	return (uint32_t)(ask->offset / BLOCK);
}

static bool sure(uint32_t block)
{
	return block % BLOCKS < BLOCKS / 2;
}

static void fill(unsigned char *data, uint32_t block, uint32_t version)
{
	size_t i;

	for (i = 0; i < BLOCK; i++)
		data[i] = pattern(block << 12 | version, i);
}

/* Every byte is of a version that may be there. */
static void verify(uint32_t block, const unsigned char *data)
{
	uint32_t low = versions[block].low, high = versions[block].high, v = high;
	unsigned char wanted[BLOCK];
	size_t i;

	do {
		fill(wanted, block, v);
		if (!memcmp(wanted, data, BLOCK))
			return;
	} while (v-- > low);
	MUST(low < high);	/* else one version, and it is not that */
	for (i = 0; i < BLOCK; i++) {
		for (v = low; v < high && pattern(block << 12 | v, i) != data[i]; v++)
			;
		MUST(pattern(block << 12 | v, i) == data[i]);
	}
}

static int dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

/* Return: false: there are no more. */
static bool read_all(int fd, void *buf, size_t length)
{
	ssize_t got = recv(fd, buf, length, MSG_WAITALL);

	MUST(got >= 0 || errno == ECONNRESET);
	return got == (ssize_t)length;
}

static void append(struct session *s, const void *data, size_t length)
{
	memcpy(s->buf + s->length, data, length);
	s->length += length;
}

/* What fails, or has nothing to do: in place of the request that is in @ask. */
static void spoil(struct rng *rng, struct block_ask *ask)
{
	switch (pick(rng, 4)) {
	case 0:
		ask->op = 77;
		break;
	case 1:
		ask->offset |= UINT64_C(1) << 63;
		break;
	case 2:
		ask->op = pick(rng, 2) ? BLOCK_READ : BLOCK_WRITE;
		ask->length = 0;
		break;
	default:
		ask->op = BLOCK_READ;
		ask->offset += UINT64_C(1) << 40;
	}
}

static void compose(struct session *s, uint32_t block)
{
	struct rng *rng = &s->client->rng;
	struct block_ask *ask = &s->ask[s->nr];
	unsigned char data[BLOCK];
	bool patient = pick(rng, 2), write = pick(rng, 2);

	if (sure(block))
		write &= patient && s->how == WHOLE;
	else
		write &= versions[block].high - versions[block].low < VERSIONS;
	*ask = (struct block_ask){ .op = write ? BLOCK_WRITE : BLOCK_READ, .id = s->nr,
				   .offset = (uint64_t)block * BLOCK, .length = BLOCK,
				   .timeout_ms = patient ? PATIENT : pick(rng, 3) };
	if (!write && !pick(rng, 12))
		spoil(rng, ask);
	else if (!write && !pick(rng, 20))
		ask->op = BLOCK_SYNC;
	append(s, ask, sizeof(*ask));
	if (write) {
		fill(data, block, ++versions[block].high);
		append(s, data, BLOCK);
	}
	s->open[s->nr++] = true;
}

static int expected(const struct block_ask *ask)
{
	if (ask->op > BLOCK_SYNC || (ask->op != BLOCK_SYNC && ask->offset >> 63))
		return -EINVAL;
	return ask->op == BLOCK_SYNC || ask->offset >> 40 ? 0 : (int)ask->length;
}

/* Return: false: there was none. */
static bool take_answer(struct session *s)
{
	struct block_answer answer;
	struct block_ask *ask;
	unsigned char data[BLOCK];

	if (!read_all(s->fd, &answer, sizeof(answer)))
		return false;
	MUST(answer.id < s->nr && s->open[answer.id]);
	ask = &s->ask[answer.id];
	s->open[answer.id] = false;
	s->answered++;
	if (answer.res == -ETIME && ask->timeout_ms < PATIENT) {
		s->client->sums.v[LATE]++;
		return true;
	}
	MUST(answer.res == expected(ask));
	s->client->sums.v[DONE]++;
	if (ask->op == BLOCK_READ && answer.res > 0) {
		if (!read_all(s->fd, data, BLOCK))
			return false;
		verify(block_of(ask), data);
	} else if (ask->op == BLOCK_WRITE && answer.res > 0 && sure(block_of(ask))) {
		versions[block_of(ask)].low = versions[block_of(ask)].high;
	}
	return true;
}

static void speak(struct session *s)
{
	struct rng *rng = &s->client->rng;
	size_t length = s->length;
	ssize_t put;

	if (s->how == CUT_ASK)
		length = pick(rng, (uint32_t)length);
	put = send(s->fd, s->buf, length, MSG_NOSIGNAL);
	MUST(put == (ssize_t)length);
	if (s->how == HALF_CLOSE) {
		dither(rng);
		shutdown(s->fd, SHUT_WR);
	}
}

static void listen_to(struct session *s)
{
	struct rng *rng = &s->client->rng;
	unsigned few = pick(rng, s->nr);
	char c[BLOCK];

	switch (s->how) {
	case CUT_ANSWER:	/* in the middle of one, perhaps */
		while (s->answered < few && take_answer(s))
			;
		if (pick(rng, 2))
			MUST(recv(s->fd, c, 1 + pick(rng, BLOCK), 0) >= 0);
		__attribute__((fallthrough));
	case CUT_ASK:
		dither(rng);
		s->client->sums.v[CUT]++;
		break;
	case HALF_CLOSE:
		while (take_answer(s))
			;
		s->client->sums.v[CUT]++;
		break;
	default:
		while (s->answered < s->nr)
			MUST(take_answer(s));
		if (s->how == BAD_LENGTH)
			MUST(recv(s->fd, c, 1, 0) == 0);
	}
	close(s->fd);
}

static void session(struct client *c, struct session *s)
{
	struct rng *rng = &c->rng;
	unsigned nr = pick(rng, 4) ? 1 + pick(rng, 6) : 1 + pick(rng, BATCH);
	uint32_t first = pick(rng, BLOCKS), how = pick(rng, HOWS);

	*s = (struct session){ .client = c, .how = how < CUT_ASK ? WHOLE : how };
	while (s->nr < nr)
		compose(s, (uint32_t)c->nr * BLOCKS + (first + s->nr) % BLOCKS);
	if (s->how == BAD_LENGTH) {
		s->ask[nr] = (struct block_ask){ .length = BLOCK_MAX + 1 };
		append(s, &s->ask[nr], sizeof(s->ask[nr]));
	}
	c->sums.v[SENT] += nr;
	s->fd = dial();
	speak(s);
	listen_to(s);
}

static void *client(void *arg)
{
	struct session *s = malloc(sizeof(*s));
	struct client *c = arg;

	MUST(s);
	while (c->sums.v[SENT] < REQUESTS / CLIENTS)
		session(c, s);
	free(s);
	return NULL;
}

static struct daemon_run start(const char *disk, const char *grace)
{
	const char *args[] = { NULL, addr.sun_path, disk, grace, NULL };

	return daemon_start("blockd", args);
}

static void ask_within(int fd, uint32_t op, uint32_t id, uint32_t length, uint32_t ms)
{
	struct block_ask ask = { .op = op, .id = id, .length = length, .timeout_ms = ms };

	MUST(send(fd, &ask, sizeof(ask), MSG_NOSIGNAL) == sizeof(ask));
}

static void ask_for(int fd, uint32_t op, uint32_t id, uint32_t length)
{
	ask_within(fd, op, id, length, PATIENT);
}

/* SIGTERM behind the first of twelve answers: what else it has heard it finishes. */
static void drained(struct daemon_run *d, unsigned long counts[4])
{
	struct block_answer answer = { .id = 0 };
	int fd = dial(), i, nr = 0;

	for (i = 0; i < 12; i++)
		ask_for(fd, BLOCK_SYNC, (uint32_t)i, 0);
	MUST(read_all(fd, &answer, sizeof(answer)) && answer.res == 0);
	daemon_stop(d, counts);
	while (read_all(fd, &answer, sizeof(answer))) {
		MUST(answer.res == 0 && answer.id < 12);
		nr++;
	}
	MUST(nr < 12);
	close(fd);
}

static void no_space(void)
{
	struct daemon_run d = start("/dev/full", "1000");
	unsigned char data[100] = { 0 };
	struct block_answer answer;
	unsigned long counts[4];
	int fd = dial(), i;

	for (i = 0; i < 50; i++) {
		ask_for(fd, BLOCK_WRITE, 5, sizeof(data));
		MUST(send(fd, data, sizeof(data), MSG_NOSIGNAL) == sizeof(data));
		MUST(read_all(fd, &answer, sizeof(answer)));
		MUST(answer.res == -ENOSPC && answer.id == 5);
	}
	daemon_stop(&d, counts);
	MUST(counts[0] == 0 && counts[3] == 50);
	close(fd);
}

/* A client that does not read what it has asked for keeps nobody for ever. */
static void grace_over(void)
{
	struct daemon_run d = start(file, "20");
	struct block_answer answer;
	unsigned long counts[4];
	int fd = dial(), other = dial(), i;

	for (i = 0; i < 24; i++)
		ask_for(fd, BLOCK_READ, (uint32_t)i, BLOCK_MAX);
	/* Meanwhile others are served: time enough for it to be stuck. */
	for (i = 0; i < 100; i++) {
		ask_for(other, BLOCK_READ, 1, 0);
		MUST(read_all(other, &answer, sizeof(answer)) && answer.res == 0);
	}
	daemon_stop(&d, counts);
	MUST(counts[0] >= 100);
	close(other);
	close(fd);
}

/* All that the daemon was told before has been heard when this is answered. */
static void ping(int fd)
{
	struct block_answer answer;

	ask_for(fd, 77, 9, 0);
	MUST(read_all(fd, &answer, sizeof(answer)) && answer.id == 9);
	MUST(answer.res == -EINVAL);
}

/*
 * A disk that takes its time, and can not be told to hurry: a FIFO, and reads of it
 * are not aborted.  Who asks is answered at his deadline, or has hung up, and only
 * then the read ends.  The last one does so behind SIGTERM.
 */
static void two_phases(void)
{
	struct daemon_run d = start(file, "60000");
	int fifo = open(file, O_RDWR | O_CLOEXEC), fd = dial(), other = dial(), i;
	struct block_answer answer;
	unsigned long counts[4];
	char data[8];

	MUST(fifo >= 0);
	for (i = 0; i < 20; i++) {
		ask_within(fd, BLOCK_READ, (uint32_t)i, 1, (uint32_t)i % 4 * 20);
		MUST(read_all(fd, &answer, sizeof(answer)));
		MUST(answer.id == (uint32_t)i && answer.res == -ETIME);
		/* Those of 0 ms were not begun. */
		MUST(i % 4 == 0 || write(fifo, "x", 1) == 1);
		ping(fd);
	}
	ask_for(fd, BLOCK_READ, 1, 8);
	ping(other);
	MUST(write(fifo, "contents", 8) == 8);
	MUST(read_all(fd, &answer, sizeof(answer)) && answer.res == 8);
	MUST(read_all(fd, data, 8) && !memcmp(data, "contents", 8));
	for (i = 0; i < 5; i++)
		ask_for(fd, BLOCK_READ, 2, 1);
	ping(fd);
	close(fd);
	ping(other);
	MUST(write(fifo, "xxxx", 4) == 4);
	ping(other);
	MUST(!kill(d.pid, SIGTERM));
	MUST(read(other, data, 1) == 0);	/* stopped: it is nobody's any more */
	MUST(write(fifo, "x", 1) == 1);
	daemon_stop(&d, counts);
	MUST(counts[0] == 1 && counts[1] == 20 && counts[2] == 5);
	close(fifo);
	close(other);
}

static void prepare(int fd)
{
	unsigned char data[BLOCK];
	uint32_t i;

	MUST(fd >= 0);
	for (i = 0; i < CLIENTS * BLOCKS; i++) {
		fill(data, i, 0);
		MUST(pwrite(fd, data, BLOCK, i * BLOCK) == BLOCK);
	}
	close(fd);
}

/* However it ends. */
static void tidy(void)
{
	unlink(addr.sun_path);
	unlink(file);
	rmdir(dir);
}

int main(void)
{
	unsigned long counts[4];
	struct daemon_run d;
	struct sums sums;

	alarm(HOPELESS);
	MUST(mkdtemp(dir) && !atexit(tidy));
	snprintf(file, sizeof(file), "%s/file", dir);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/socket", dir);
	prepare(open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	d = start(file, "60000");
	sums = clients_run(client);
	printf("users_blockd: seed %d, %lu requests, %lu done, %lu late, %lu clients cut off\n",
	       SEED, sums.v[SENT], sums.v[DONE], sums.v[LATE], sums.v[CUT]);
	drained(&d, counts);
	/* Those that nobody has heard of any more may be in any count. */
	MUST(counts[1] >= sums.v[LATE] && counts[0] + counts[3] >= sums.v[DONE]);
	MUST(counts[0] + counts[1] + counts[2] + counts[3] <= sums.v[SENT] + 12);
	no_space();
	grace_over();
	unlink(file);
	MUST(!mkfifo(file, 0600));
	two_phases();
	MUST(access(addr.sun_path, F_OK) < 0);
	return 0;
}
