// SPDX-License-Identifier: GPL-2.0
/*
 * unit_tests [NAME]...: runs the tests with these names, by default all of
 * them, and prints TAP. unit_tests --list: prints their names.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

/* A test that takes longer hangs. */
#define SECONDS 300

#define SKIPPED 77

void check_failed(const char *file, int line, const char *what)
{
	printf("# %s:%d: not so: %s (errno: %s)\n", file, line, what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

void check_is(const char *file, int line, const char *what, long value, long number)
{
	if (value == number)
		return;
	printf("# %s:%d: %s is %ld, not %ld (errno: %s)\n", file, line, what, value, number,
	       strerror(errno));
	fflush(stdout);
	_exit(1);
}

void skip(const char *why)
{
	printf("# skipped: %s\n", why);
	fflush(stdout);
	_exit(SKIPPED);
}

char *new_id(const char *name, int number)
{
	static char ids[16][32];
	static int next;
	char *id = ids[next++ % 16];

	snprintf(id, sizeof(ids[0]), "%.10s-%d-%d", name, (int)getpid(), number);
	return id;
}

struct lgroup_t *install(const char *id, int expected)
{
	struct lgroup_t *lgroup = lgroup_init();

	CHECK(lgroup != NULL);
	IS(install_group(lgroup, S(id)), expected);
	return lgroup;
}

long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void pause_ms(long ms)
{
	struct timespec time;

	if (ms <= 0)
		return;
	time.tv_sec = ms / 1000;
	time.tv_nsec = ms % 1000 * 1000000;
	while (nanosleep(&time, &time) < 0)
		;
}

unsigned int number_of(struct lgroup_t *lgroup)
{
	struct stat stat;

	IS(fstat(get_group_fd(lgroup), &stat), 0);
	return minor(stat.st_rdev);
}

long thread_id(void)
{
	return syscall(SYS_gettid);
}

void await_call(long thread, long call)
{
	char path[64], text[256];
	FILE *file;
	long number;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/syscall", thread);
	for (;;) {
		file = fopen(path, "r");
		CHECK(file != NULL);
		/* "running" is no number. */
		number = -1;
		if (fgets(text, sizeof(text), file) && text[0] >= '0' && text[0] <= '9')
			number = strtol(text, NULL, 10);
		fclose(file);
		if (number == call)
			return;
		pause_ms(1);
	}
}

/* Runs a test in a process of its own. */
static int run(const struct test *test)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(SECONDS);
		test->run();
		exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	if (WIFSIGNALED(status))
		printf("# killed by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int wanted(const struct test *test, int argc, char **argv)
{
	int n;

	for (n = 1; n < argc; n++)
		if (strcmp(argv[n], test->name) == 0)
			return 1;
	return argc <= 1;
}

int main(int argc, char **argv)
{
	int count = 0, number = 0, failed = 0;
	const struct test *test;

	if (argc == 2 && strcmp(argv[1], "--list") == 0) {
		for (test = tests; test->name; test++)
			puts(test->name);
		return 0;
	}
	for (test = tests; test->name; test++)
		count += wanted(test, argc, argv);
	printf("TAP version 14\n1..%d\n", count);
	for (test = tests; test->name; test++) {
		if (!wanted(test, argc, argv))
			continue;
		number++;
		switch (run(test)) {
		case 0:
			printf("ok %d - %s\n", number, test->name);
			break;
		case SKIPPED:
			printf("ok %d - %s # SKIP\n", number, test->name);
			break;
		default:
			printf("not ok %d - %s\n", number, test->name);
			failed++;
		}
	}
	return count == 0 || failed > 0;
}
