// SPDX-License-Identifier: GPL-2.0
/* A delayed message is not there before its delay has run out, and then it is. */
#include "unit_tests.h"

#define DELAY 700
#define EPSILON 100

void test_delay(void)
{
	struct lgroup_t *group = install(new_id("delay", 0), 1);
	char sent[32], text[32];
	long start, read;
	int size;

	IS(set_send_delay(group, DELAY), 0);
	snprintf(sent, sizeof(sent), "%d", rand());
	start = now();
	IS(publish_message(group, sent), strlen(sent) + 1);

	/* An immediate read, and an early one. */
	size = deliver_message(group, text, sizeof(text));
	read = now();
	CHECK(size == 0 || read - start >= DELAY);
	if (size == 0) {
		pause_ms(start + DELAY - EPSILON - now());
		size = deliver_message(group, text, sizeof(text));
		read = now();
		/* On a busy machine it may be late already. */
		CHECK(size == 0 || read - start >= DELAY);
	}
	if (size == 0) {
		pause_ms(start + DELAY + EPSILON - now());
		size = deliver_message(group, text, sizeof(text));
	}
	IS(size, strlen(sent) + 1);
	IS(strcmp(text, sent), 0);

	/* And without a delay, at once. */
	IS(set_send_delay(group, 0), 0);
	IS(publish_message(group, sent), strlen(sent) + 1);
	IS(deliver_message(group, text, sizeof(text)), strlen(sent) + 1);
	lgroup_destroy(group);
}
