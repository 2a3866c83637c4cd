// SPDX-License-Identifier: GPL-2.0
/* Messages that are revoked are never delivered. */
#include "unit_tests.h"

#define DELAY 700
#define EPSILON 100
#define MESSAGES 10
#define SIZE 30

void test_revoke(void)
{
	struct lgroup_t *group = install(new_id("revoke", 0), 1);
	char text[SIZE];
	long start;
	int n;

	IS(set_send_delay(group, DELAY), 0);
	/* Once more, should this machine have been too busy to revoke in time. */
	do {
		while (deliver_message(group, text, SIZE) > 0)
			;
		start = now();
		for (n = 0; n < MESSAGES; n++) {
			snprintf(text, SIZE, "%029d", rand());
			IS(publish_message(group, text), SIZE);
		}
		n = deliver_message(group, text, SIZE);
		CHECK(n == 0 || now() - start >= DELAY);
		pause_ms(start + DELAY - EPSILON - now());
		n = deliver_message(group, text, SIZE);
		CHECK(n == 0 || now() - start >= DELAY);
		IS(revoke_delayed_messages(group), 0);
	} while (now() - start >= DELAY);

	pause_ms(start + DELAY + EPSILON - now());
	IS(deliver_message(group, text, SIZE), 0);
	/* Nor does closing the device bring them back. */
	lgroup_destroy(group);
}
