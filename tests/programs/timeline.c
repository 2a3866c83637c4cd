// SPDX-License-Identifier: GPL-2.0
/*
 * timeline delay|revoke|flush|barrier DEVICE: what each of them does, with the
 * time in milliseconds at which it happens.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "groups.h"

static struct timespec start;

static void say(const char *what)
{
	struct timespec now;
	long ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
	printf("%5ld ms  %s\n", ms, what);
	fflush(stdout);
}

/* Sends a message that is delayed, and says so. */
static void send_after(int fd, unsigned int ms, const char *message)
{
	char text[100];

	ioctl(fd, SET_SEND_DELAY, &ms);
	write(fd, message, strlen(message) + 1);
	snprintf(text, sizeof(text), "sent with a delay of %u ms: %s", ms, message);
	say(text);
}

/* Says what comes within this time, or that nothing does. */
static int receive_within(int fd, int ms)
{
	struct pollfd group = { fd, POLLIN, 0 };
	char message[80], text[100];

	if (poll(&group, 1, ms) == 0) {
		say("nothing comes");
		return 0;
	}
	read(fd, message, sizeof(message));
	snprintf(text, sizeof(text), "came: %s", message);
	say(text);
	return 1;
}

static void barrier(int fd)
{
	char text[100];
	int i;

	for (i = 1; i <= 3; i++) {
		if (fork() == 0) {
			snprintf(text, sizeof(text), "sleeper %d goes to sleep", i);
			say(text);
			ioctl(fd, SLEEP_ON_BARRIER);
			snprintf(text, sizeof(text), "sleeper %d is awake", i);
			say(text);
			exit(0);
		}
	}
	sleep(1);
	say("awake");
	snprintf(text, sizeof(text), "AWAKE_BARRIER returned %d", ioctl(fd, AWAKE_BARRIER));
	while (wait(NULL) > 0)
		;
	say(text);
}

int main(int argc, char **argv)
{
	unsigned int none = 0;
	int fd = argc == 3 ? open(argv[2], O_RDWR) : -1;

	if (fd < 0) {
		fprintf(stderr, "usage: timeline delay|revoke|flush|barrier DEVICE\n");
		return 2;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (!strcmp(argv[1], "barrier")) {
		barrier(fd);
	} else if (!strcmp(argv[1], "delay")) {
		send_after(fd, 1000, "later");
		send_after(fd, 500, "sooner");
		while (receive_within(fd, 2000))
			;
	} else {
		send_after(fd, 1500, "third");
		send_after(fd, 500, "first");
		send_after(fd, 1000, "second");
		if (!strcmp(argv[1], "revoke")) {
			ioctl(fd, REVOKE_DELAYED_MESSAGES);
			say("revoked");
		} else {
			close(dup(fd));
			say("flushed, by closing a copy of the descriptor");
		}
		while (receive_within(fd, 2000))
			;
	}
	ioctl(fd, SET_SEND_DELAY, &none);
	return 0;
}
