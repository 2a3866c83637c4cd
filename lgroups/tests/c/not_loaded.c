// SPDX-License-Identifier: GPL-2.0
/* What the library says when the module is not loaded: a test of its own, TAP. */
#include "check.h"

void check_failed(const char *file, int line, const char *what)
{
	printf("1..1\nnot ok 1 - not_loaded\n# %s:%d: %s\n", file, line, what);
	exit(1);
}

void check_is(const char *file, int line, const char *what, long value, long number)
{
	if (value != number)
		check_failed(file, line, what);
}

int main(void)
{
	struct lgroup_t *group = lgroup_init();

	FAILS(install_group(group, S("kitchen")), -1, ENOENT);
	FAILS(publish_message(group, S("hello")), -1, EBADF);
	lgroup_destroy(group);
	puts("1..1\nok 1 - not_loaded");
	return 0;
}
