// SPDX-License-Identifier: GPL-2.0
/* The limits can be read and set, and hold. */
#include <unistd.h>

#include "unit_tests.h"

void test_sysfs(void)
{
	unsigned long message, storage, stored;
	struct lgroup_t *group;
	char text[256];

	if (geteuid() != 0)
		skip("only root may set limits");
	group = install(new_id("sysfs", 0), 1);
	IS(get_max_message_size(group, &message), 0);
	IS(get_max_storage_size(group, &storage), 0);
	IS(message, 100);
	IS(storage, 10000);

	IS(set_max_message_size(group, 200), 0);
	IS(set_max_storage_size(group, 2100), 0);
	IS(get_max_message_size(group, &message), 0);
	IS(get_max_storage_size(group, &storage), 0);
	IS(message, 200);
	IS(storage, 2100);

	/* With its NUL it is a byte too long. */
	memset(text, 'x', sizeof(text));
	text[200] = '\0';
	FAILS(publish_message(group, text), -2, EMSGSIZE);

	text[199] = '\0';
	for (stored = 0; stored + 200 <= 2100; stored += 200)
		IS(publish_message(group, text), 200);
	FAILS(publish_message(group, text), -2, ENOSPC);
	/* To the brim. */
	text[99] = '\0';
	IS(publish_message(group, text), 100);
	FAILS(publish_message(group, S("x")), -2, ENOSPC);

	IS(set_max_message_size(group, 100), 0);
	IS(set_max_storage_size(group, 10000), 0);
	lgroup_destroy(group);
}
