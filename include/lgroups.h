/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lgroups.h - groups, without their devices' numbers. See lgroups(3).
 *
 * Each function that fails says why with what it returns, and more with errno.
 * An lgroup of NULL has no group: it is not installed.
 */

#ifndef _LGROUPS_H
#define _LGROUPS_H

/*
 * A group that the process has open, or none yet.
 *
 * Threads may use one at the same time, and each of them another.
 */
struct lgroup_t;

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/*
 * Makes an lgroup, without a group. NULL: out of memory.
 */
struct lgroup_t *lgroup_init(void);

/*
 * Closes the group's device, which flushes the group, and frees the lgroup. NULL is fine.
 *
 * No thread is to use the lgroup any more.
 */
void lgroup_destroy(struct lgroup_t *lgroup);

/*
 * Finds the group with this id, or makes it, and opens its device.
 *
 * The id is the bytes up to the NUL, or the first 32 of them. If the lgroup has a group, that is
 * closed first, which flushes it.
 *
 * Returns 1: made; 0: was there; -1: the module is not loaded (group0 cannot be opened); -2: no
 * groups left; -3: the ioctl failed (EINVAL: the id is empty); -4: was there, but its device did
 * not open; -5: made, but its device did not open. errno says more.
 */
int install_group(struct lgroup_t *lgroup, char *group_id);

/*
 * Sends the string, with its NUL, as one message.
 *
 * Returns the bytes sent; -1: not installed; -2: the write failed: errno is EBADMSG (the string
 * is empty), EMSGSIZE (larger than max_message_size), ENOSPC (no room now), ENOMEM.
 */
int publish_message(struct lgroup_t *lgroup, char *msg);

/*
 * Sends size bytes as one message.
 *
 * Returns as publish_message().
 */
int publish_bytes(struct lgroup_t *lgroup, const void *msg, unsigned long size);

/*
 * Takes the group's first message and copies it to buf. Of a message larger than size, the rest
 * is lost.
 *
 * It does not wait for a message, unless set_receive_timeout() says so.
 *
 * Returns the bytes copied; 0: there is no message; -1: not installed; -2: the read failed
 * (EINTR: a signal came while it waited).
 */
int deliver_message(struct lgroup_t *lgroup, char *buf, unsigned long size);

/*
 * The size of the message that deliver_message() would take, 0 if there is none.
 *
 * Somebody else may take it meanwhile.
 *
 * Returns 0; -1: not installed; -2: the ioctl failed.
 */
int get_message_size(struct lgroup_t *lgroup, unsigned long *size);

/*
 * Sets how long deliver_message() waits for a message, for this lgroup: ms milliseconds; 0, as
 * in the beginning: not at all; -1: without end. One message wakes one of those who wait.
 *
 * Returns 0; -1: not installed; -2: the ioctl failed (EINVAL: below -1).
 */
int set_receive_timeout(struct lgroup_t *lgroup, int ms);

/*
 * Has the messages that anybody sends to the group from now on delayed by ms milliseconds; 0: not
 * at all.
 *
 * Returns 0; -1: not installed; -2: the ioctl failed.
 */
int set_send_delay(struct lgroup_t *lgroup, unsigned int ms);

/*
 * Discards all messages of the group whose delay has not run out.
 *
 * Returns 0; -1: not installed; -2: the ioctl failed.
 */
int revoke_delayed_messages(struct lgroup_t *lgroup);

/*
 * Makes all delayed messages of the group available now, in the order in which they are due.
 *
 * Returns 0; -1: not installed; -2: the fsync failed.
 */
int flush_delayed_messages(struct lgroup_t *lgroup);

/*
 * Sleeps until somebody awakes the group's barrier.
 *
 * Returns 0; -1: not installed; -2: the ioctl failed (EINTR: a signal came).
 */
int sleep_on_barrier(struct lgroup_t *lgroup);

/*
 * Wakes everybody who sleeps on the group's barrier.
 *
 * Returns 0: they wake up now; 1: they were awoken before, and the last of them has not left yet;
 * 2: nobody sleeps; -1: not installed; -2: the ioctl failed.
 */
int awake_barrier(struct lgroup_t *lgroup);

/*
 * The file descriptor of the group's device, for poll() and the like: it is readable while there
 * is a message, and writable while there is room. The lgroup keeps it, and closes it.
 *
 * Returns it; -1: not installed.
 */
int get_group_fd(struct lgroup_t *lgroup);

/*
 * The largest message that may be sent to the group, in bytes.
 *
 * Returns 0; -1: not installed; -2: its file in sysfs could not be opened; -3: or not read.
 */
int get_max_message_size(struct lgroup_t *lgroup, unsigned long *size);

/*
 * How much all messages of the group together may hold, in bytes.
 *
 * Returns as get_max_message_size().
 */
int get_max_storage_size(struct lgroup_t *lgroup, unsigned long *size);

/*
 * Sets the largest message that may be sent to the group, in bytes.
 *
 * Returns 0; -1: not root; -2: not installed; -3: its file in sysfs could not be opened; -4: or
 * not written.
 */
int set_max_message_size(struct lgroup_t *lgroup, unsigned long size);

/*
 * Sets how much all messages of the group together may hold, in bytes. What is stored stays.
 *
 * Returns as set_max_message_size().
 */
int set_max_storage_size(struct lgroup_t *lgroup, unsigned long size);

#ifdef __cplusplus
} /* extern "C" */
#endif /* __cplusplus */

#endif  /* _LGROUPS_H */
