// SPDX-License-Identifier: GPL-2.0
#include "header.h"
/* A header that is included twice is there once. */
#include "groups.h"
