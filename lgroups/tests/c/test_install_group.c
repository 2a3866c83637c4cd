// SPDX-License-Identifier: GPL-2.0
/* A group is made once, and found from then on; its device has two paths. */
#include <unistd.h>

#include "unit_tests.h"

void test_install_group(void)
{
	char *id = new_id("install", 0), path[64];
	struct lgroup_t *first = install(id, 1), *second = install(id, 0);
	unsigned int number = number_of(first);

	IS(number_of(second), number);
	snprintf(path, sizeof(path), "/dev/group%u", number);
	IS(access(path, R_OK | W_OK), 0);
	snprintf(path, sizeof(path), "/dev/synch/group%u", number);
	IS(access(path, R_OK | W_OK), 0);
	lgroup_destroy(first);
	lgroup_destroy(second);
}
