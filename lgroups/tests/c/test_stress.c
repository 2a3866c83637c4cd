// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that do anything at any time: whatever they call returns what it may
 * return. STRESS_SECONDS says how long, 3 by default.
 */
#include <pthread.h>
#include <unistd.h>

#include "unit_tests.h"

#define GROUPS 4
#define STRESSERS 7
#define LARGEST 400

static char ids[GROUPS][32];
static long end;
static int stressing = STRESSERS;

enum command {
	SWITCH_GROUP, WRITE, READ, SET_DELAY, UNSET_DELAY, SLEEP, REVOKE, FLUSH,
	/* as root */
	SET_MSG_SIZE, SET_STRG_SIZE, COMMANDS
};

static void do_write(struct lgroup_t *group, unsigned long *size)
{
	static const char bytes[LARGEST] = "message";
	int written = publish_bytes(group, bytes, *size);

	if (written == -2 && errno == EMSGSIZE)
		IS(get_max_message_size(group, size), 0);
	else if (written == -2)
		IS(errno, ENOSPC);
	else
		IS(written, *size);
}

static void do_read(struct lgroup_t *group)
{
	char text[LARGEST];
	int size = deliver_message(group, text, sizeof(text));

	CHECK(size >= 0);
	CHECK(size == 0 || strncmp(text, "message", (size_t)size) == 0);
}

static void *stresser(void *seed_)
{
	unsigned int seed = *(unsigned int *)seed_;
	int commands = geteuid() == 0 ? COMMANDS : SET_MSG_SIZE;
	struct lgroup_t *group = install(ids[seed % GROUPS], 0);
	unsigned long size = 100;

	while (now() < end) {
		switch ((enum command)(rand_r(&seed) % commands)) {
		case SWITCH_GROUP:
			IS(install_group(group, ids[rand_r(&seed) % GROUPS]), 0);
			break;
		case WRITE:
			do_write(group, &size);
			break;
		case READ:
			do_read(group);
			break;
		case SET_DELAY:
			IS(set_send_delay(group, 100), 0);
			break;
		case UNSET_DELAY:
			IS(set_send_delay(group, 0), 0);
			break;
		case SLEEP:
			IS(sleep_on_barrier(group), 0);
			break;
		case REVOKE:
			IS(revoke_delayed_messages(group), 0);
			break;
		case FLUSH:
			IS(flush_delayed_messages(group), 0);
			break;
		case SET_MSG_SIZE:
			IS(set_max_message_size(group, 100 + rand_r(&seed) % (LARGEST - 100)), 0);
			break;
		case SET_STRG_SIZE:
			IS(set_max_storage_size(group, 9000 + rand_r(&seed) % 9000), 0);
			break;
		case COMMANDS:
			break;
		}
	}
	lgroup_destroy(group);
	__atomic_sub_fetch(&stressing, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *awaker(void *unused)
{
	struct lgroup_t *group[GROUPS];
	int n;

	(void)unused;
	for (n = 0; n < GROUPS; n++)
		group[n] = install(ids[n], 0);
	/* Until the last sleeper has been awoken. */
	while (__atomic_load_n(&stressing, __ATOMIC_SEQ_CST) > 0) {
		for (n = 0; n < GROUPS; n++) {
			int awoken = awake_barrier(group[n]);

			CHECK(awoken >= 0 && awoken <= 2);
		}
		pause_ms(1);
	}
	for (n = 0; n < GROUPS; n++)
		lgroup_destroy(group[n]);
	return NULL;
}

void test_stress(void)
{
	const char *seconds = getenv("STRESS_SECONDS");
	struct lgroup_t *group[GROUPS];
	pthread_t threads[STRESSERS + 1];
	unsigned int seeds[STRESSERS];
	int n;

	for (n = 0; n < GROUPS; n++) {
		strcpy(ids[n], new_id("stress", n));
		group[n] = install(ids[n], 1);
	}
	end = now() + 1000 * (seconds ? atol(seconds) : 3);
	for (n = 0; n < STRESSERS; n++) {
		seeds[n] = (unsigned int)(now() + n);
		IS(pthread_create(&threads[n], NULL, stresser, &seeds[n]), 0);
	}
	IS(pthread_create(&threads[STRESSERS], NULL, awaker, NULL), 0);
	for (n = 0; n <= STRESSERS; n++)
		pthread_join(threads[n], NULL);

	/* However it went: emptied, each can be filled to the brim. */
	for (n = 0; n < GROUPS; n++) {
		char text[LARGEST] = "x";

		IS(set_send_delay(group[n], 0), 0);
		IS(revoke_delayed_messages(group[n]), 0);
		while (deliver_message(group[n], text, sizeof(text)) > 0)
			;
		if (geteuid() == 0) {
			IS(set_max_message_size(group[n], 100), 0);
			IS(set_max_storage_size(group[n], 200), 0);
			IS(publish_bytes(group[n], text, 100), 100);
			IS(publish_bytes(group[n], text, 100), 100);
			FAILS(publish_bytes(group[n], text, 1), -2, ENOSPC);
		}
		lgroup_destroy(group[n]);
	}
}
