/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What programs built for the report's C implementation were built with: its
 * commands encode the size of a pointer, not of what it points to.
 */
#ifndef GROUPS_H
#define GROUPS_H

#include <linux/ioctl.h>

struct group_t {
	char id[32];
	char devname[26];
};

#define SLEEP_ON_BARRIER	_IO('x', 1)
#define AWAKE_BARRIER		_IO('x', 2)
#define INSTALL_GROUP		_IOWR('x', 3, struct group_t *)
#define SET_SEND_DELAY		_IOW('x', 4, unsigned int *)
#define REVOKE_DELAYED_MESSAGES	_IO('x', 5)

#endif
