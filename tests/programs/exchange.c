// SPDX-License-Identifier: GPL-2.0
/*
 * A program as users write it: makes the group with the id that is its
 * argument, sends messages to itself through it, and makes every other call
 * that there is.
 *
 * It is built with the project's header, for 64 and for 32 bits, and with the
 * header of the report, which has the same names and other numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "groups.h"

#define CHECK(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "line %d: not so: %s (%s)\n", \
				__LINE__, #what, strerror(errno)); \
			exit(1); \
		} \
	} while (0)

static int open_group(const char *devname)
{
	char path[64];
	int fd = -1;
	int tries;

	/* udev makes the symlink some time after the group is installed. */
	snprintf(path, sizeof(path), "/dev/synch/%s", devname);
	for (tries = 0; tries < 1000 && fd < 0; tries++) {
		fd = open(path, O_RDWR);
		if (fd < 0)
			usleep(10 * 1000);
	}
	return fd;
}

static void use_delays(int fd)
{
	unsigned int hour = 60 * 60 * 1000, ms = 1, none = 0;
	struct pollfd ready = { fd, POLLIN, 0 };
	char buf[100];
	int size = -1;

	CHECK(ioctl(fd, SET_SEND_DELAY, &hour) == 0);
	CHECK(write(fd, "never", 5) == 5);
	CHECK(read(fd, buf, sizeof(buf)) == 0);
	CHECK(ioctl(fd, REVOKE_DELAYED_MESSAGES) == 0);
	CHECK(write(fd, "flushed", 7) == 7);
	CHECK(fsync(fd) == 0);
	CHECK(ioctl(fd, FIONREAD, &size) == 0 && size == 7);
	CHECK(read(fd, buf, sizeof(buf)) == 7);
	CHECK(ioctl(fd, SET_SEND_DELAY, &ms) == 0);
	CHECK(write(fd, "due", 3) == 3);
	CHECK(poll(&ready, 1, -1) == 1);
	CHECK(read(fd, buf, sizeof(buf)) == 3);
	CHECK(ioctl(fd, SET_SEND_DELAY, NULL) == -1 && errno == EFAULT);
	CHECK(ioctl(fd, SET_SEND_DELAY, &none) == 0);
	CHECK(read(fd, buf, sizeof(buf)) == 0);
}

static void use_barrier(int fd)
{
	int result, status;
	pid_t child;

	CHECK(ioctl(fd, AWAKE_BARRIER) == 2);
	child = fork();
	CHECK(child >= 0);
	if (child == 0)
		_exit(ioctl(fd, SLEEP_ON_BARRIER) != 0);
	while ((result = ioctl(fd, AWAKE_BARRIER)) == 2)
		usleep(1000);
	CHECK(result == 0);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(ioctl(fd, AWAKE_BARRIER) == 2);
}

/* The report has no such thing. */
static void use_timeout(int fd)
{
#ifdef SET_RECEIVE_TIMEOUT
	int timeout = 5, none = 0, bad = -2;
	char buf[100];

	CHECK(ioctl(fd, SET_RECEIVE_TIMEOUT, &timeout) == 0);
	CHECK(read(fd, buf, sizeof(buf)) == 0);
	CHECK(ioctl(fd, SET_RECEIVE_TIMEOUT, &bad) == -1 && errno == EINVAL);
	CHECK(ioctl(fd, SET_RECEIVE_TIMEOUT, &none) == 0);
#else
	(void)fd;
#endif
}

int main(int argc, char **argv)
{
	struct iovec parts[2] = { { "left ", 5 }, { "behind", 6 } };
	struct group_t group;
	struct group_t again;
	char buf[100];
	int first, fd;

	CHECK(argc == 2 && strlen(argv[1]) < sizeof(group.id));
	first = open_group("group0");
	CHECK(first >= 0);

	memset(&group, 0, sizeof(group));
	memcpy(group.id, argv[1], strlen(argv[1]) + 1);
	CHECK(ioctl(first, INSTALL_GROUP, &group) == 1);
	memset(&again, 0xff, sizeof(again));
	memcpy(again.id, argv[1], strlen(argv[1]) + 1);
	CHECK(ioctl(first, INSTALL_GROUP, &again) == 0);
	CHECK(strcmp(group.devname, again.devname) == 0);
	memset(&again, 0, sizeof(again));
	CHECK(ioctl(first, INSTALL_GROUP, &again) == -1 && errno == EINVAL);
	CHECK(ioctl(first, INSTALL_GROUP, NULL) == -1 && errno == EFAULT);

	fd = open_group(group.devname);
	CHECK(fd >= 0);
	CHECK(read(fd, buf, sizeof(buf)) == 0);
	CHECK(write(fd, "message", 8) == 8);
	CHECK(read(fd, buf, sizeof(buf)) == 8);
	CHECK(strcmp(buf, "message") == 0);
	CHECK(write(fd, "", 1) == -1 && errno == EBADMSG);
	CHECK(lseek(fd, 0, SEEK_SET) == -1 && errno == ESPIPE);
	CHECK(ioctl(fd, _IO('x', 99)) == -1 && errno == ENOTTY);
	use_delays(fd);
	use_barrier(fd);
	use_timeout(fd);
	CHECK(writev(fd, parts, 2) == 11);
	CHECK(readv(fd, parts, 0) == 0);
	return 0;
}
