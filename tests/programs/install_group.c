// SPDX-License-Identifier: GPL-2.0
/* install_group ID: finds the group with this id, or makes it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "groups.h"

int main(int argc, char **argv)
{
	struct group_t group = { 0 };
	int fd, made;

	if (argc != 2) {
		fprintf(stderr, "usage: install_group ID\n");
		return 2;
	}
	fd = open("/dev/synch/group0", O_RDWR);
	if (fd < 0) {
		perror("/dev/synch/group0");
		return 1;
	}
	strncpy(group.id, argv[1], sizeof(group.id));
	made = ioctl(fd, INSTALL_GROUP, &group);
	if (made < 0) {
		perror("INSTALL_GROUP");
		return 1;
	}
	printf("/dev/synch/%s %s\n", group.devname, made ? "made" : "was there");
	return 0;
}
