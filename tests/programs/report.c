// SPDX-License-Identifier: GPL-2.0
/*
 * The report's numbers on 64-bit machines, which the module accepts, are what
 * its header says they are.
 */
#include "report/groups.h"

_Static_assert(INSTALL_GROUP == 0xC0087803, "INSTALL_GROUP");
_Static_assert(SET_SEND_DELAY == 0x40087804, "SET_SEND_DELAY");
_Static_assert(sizeof(struct group_t) == 58, "struct group_t");
