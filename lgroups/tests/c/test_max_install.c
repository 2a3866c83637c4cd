// SPDX-License-Identifier: GPL-2.0
/*
 * When the module's numbers are used up, no group can be made any more, and
 * those that are there can still be found. Leaves the module like that.
 * MAX_GROUPS says how many it has, by default 2000.
 */
#include "unit_tests.h"

/* As the module was loaded, which it does not tell. */
static int max_groups(void)
{
	const char *number = getenv("MAX_GROUPS");

	return number ? atoi(number) : 2000;
}

void test_max_install(void)
{
	struct lgroup_t *group = lgroup_init(), *first = install("groups", 0);
	int n = 0, max = max_groups(), installed;
	unsigned int number = 0;

	for (;;) {
		errno = 0;
		installed = install_group(group, new_id("max", n++));
		if (installed != 1)
			break;
		/* One after the other. */
		CHECK(number_of(group) > number);
		number = number_of(group);
	}
	IS(installed, -2);
	IS(errno, EDQUOT);
	if (number > 0)
		IS(number, max - 1);
	IS(install_group(group, S("groups")), 0);
	IS(number_of(group), number_of(first));
	lgroup_destroy(group);
	lgroup_destroy(first);
}
