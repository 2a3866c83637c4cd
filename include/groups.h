/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * groups.h - what programs and groups.ko say to each other.
 *
 * A group is a character device, /dev/synch/groupN. Ask any group's device
 * for a group by id with INSTALL_GROUP (the first one, /dev/synch/group0, is
 * there as soon as the module is loaded), open the device that it names, then
 * write() sends one message and read() takes one.
 */
#ifndef _GROUPS_H
#define _GROUPS_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Bytes in struct group_t's two fields. */
#define GROUP_ID_SIZE		32
#define GROUP_DEVNAME_SIZE	26

/**
 * struct group_t - a group's id and its device, the argument of INSTALL_GROUP
 * @id: in: the bytes up to the first NUL, or all of them; what follows the
 *	NUL means nothing
 * @devname: out: the device's name, NUL-terminated, without a path: "group7"
 *	is /dev/synch/group7
 */
struct group_t {
	char id[GROUP_ID_SIZE];
	char devname[GROUP_DEVNAME_SIZE];
};

#define GROUPS_IOC_MAGIC	'x'

/* Sleep until the group's barrier is awoken. 0, or EINTR. */
#define SLEEP_ON_BARRIER	_IO(GROUPS_IOC_MAGIC, 1)

/*
 * Wake everybody who sleeps on the group's barrier. 0: woken; 1: an earlier
 * call's last sleeper has not left yet; 2: nobody sleeps.
 */
#define AWAKE_BARRIER		_IO(GROUPS_IOC_MAGIC, 2)

/*
 * Find the group with this id, or make it. 1: made; 0: was there; EINVAL: the
 * id is empty; EDQUOT: no device number is left.
 */
#define INSTALL_GROUP		_IOWR(GROUPS_IOC_MAGIC, 3, struct group_t)

/* Delay of the messages that will be written to the group, ms; 0: none. */
#define SET_SEND_DELAY		_IOW(GROUPS_IOC_MAGIC, 4, __u32)

/* Discard every message of the group whose delay has not run out. */
#define REVOKE_DELAYED_MESSAGES	_IO(GROUPS_IOC_MAGIC, 5)

/*
 * How long a read() through this open file waits for a message, ms;
 * 0 (at open): not at all; -1: without end.
 */
#define SET_RECEIVE_TIMEOUT	_IOW(GROUPS_IOC_MAGIC, 6, __s32)

/*
 * The numbers that programs built for the C implementation on a 64-bit
 * machine carry (they encode the size of a pointer). Accepted, with the same
 * arguments; new programs use the ones above.
 */
#define INSTALL_GROUP_LEGACY	0xC0087803
#define SET_SEND_DELAY_LEGACY	0x40087804

#endif /* _GROUPS_H */
