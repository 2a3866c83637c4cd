// SPDX-License-Identifier: GPL-2.0
/* A flush makes delayed messages available, in the order of their sending. */
#include "unit_tests.h"

#define DELAY 60000
#define MESSAGES 10
#define SIZE 30

static char sent[MESSAGES][SIZE];

static void publish_all(struct lgroup_t *group)
{
	char text[SIZE];
	int n;

	for (n = 0; n < MESSAGES; n++) {
		snprintf(sent[n], SIZE, "%029d", rand());
		IS(publish_message(group, sent[n]), SIZE);
	}
	IS(deliver_message(group, text, SIZE), 0);
}

static void deliver_all(struct lgroup_t *group)
{
	char text[SIZE];
	int n;

	for (n = 0; n < MESSAGES; n++) {
		IS(deliver_message(group, text, SIZE), SIZE);
		IS(strcmp(text, sent[n]), 0);
	}
	IS(deliver_message(group, text, SIZE), 0);
}

void test_flush(void)
{
	char *id = new_id("flush", 0);
	struct lgroup_t *group = install(id, 1), *other = install(id, 0);

	IS(set_send_delay(group, DELAY), 0);
	publish_all(group);
	IS(flush_delayed_messages(group), 0);
	deliver_all(group);

	/* Closing any file of the group flushes it, as in the report. */
	publish_all(group);
	lgroup_destroy(other);
	deliver_all(group);
	lgroup_destroy(group);
}
