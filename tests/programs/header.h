/* SPDX-License-Identifier: GPL-2.0 */
/*
 * include/groups.h, and nothing in front of it, says what the contract says.
 * For C11 and C++11, 32 and 64 bits.
 */
#include "groups.h"

#include <stddef.h>

#ifdef __cplusplus
#define SAME(a, b) static_assert((a) == (b), #a " is not " #b)
#else
#define SAME(a, b) _Static_assert((a) == (b), #a " is not " #b)
#endif

SAME(sizeof(struct group_t), 58);
SAME(offsetof(struct group_t, id), 0);
SAME(sizeof(((struct group_t *)0)->id), 32);
SAME(offsetof(struct group_t, devname), 32);
SAME(sizeof(((struct group_t *)0)->devname), 26);

SAME(SLEEP_ON_BARRIER, 0x00007801);
SAME(AWAKE_BARRIER, 0x00007802);
SAME(INSTALL_GROUP, 0xC03A7803);
SAME(SET_SEND_DELAY, 0x40047804);
SAME(REVOKE_DELAYED_MESSAGES, 0x00007805);
SAME(SET_RECEIVE_TIMEOUT, 0x40047806);
