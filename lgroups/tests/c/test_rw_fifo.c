// SPDX-License-Identifier: GPL-2.0
/*
 * Messages are delivered in the order in which they were published. Writers
 * write each into the group and into a buffer of this process, readers read
 * both, and they must be the same.
 */
#include <pthread.h>
#include <semaphore.h>

#include "unit_tests.h"

#define WRITERS 2
#define READERS 2
#define EACH 300 /* messages of a writer */
#define ALL (WRITERS * EACH)
#define SIZE 32

static struct lgroup_t *group;
static char sent[ALL][SIZE];
static int writes, reads;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;
static sem_t available;

static void *writer(void *name)
{
	int n, length;

	for (n = 0; n < EACH; n++) {
		pthread_mutex_lock(&writing);
		length = snprintf(sent[writes], SIZE, "%s %d", (char *)name, rand());
		/* There may be no room until a reader has read. */
		for (;;) {
			int written = publish_message(group, sent[writes]);

			if (written == length + 1)
				break;
			IS(written, -2);
			IS(errno, ENOSPC);
			pause_ms(1);
		}
		writes++;
		pthread_mutex_unlock(&writing);
		sem_post(&available);
	}
	return NULL;
}

static void *reader(void *unused)
{
	char text[SIZE];
	int n;

	(void)unused;
	for (n = 0; n < ALL / READERS; n++) {
		sem_wait(&available);
		pthread_mutex_lock(&reading);
		IS(deliver_message(group, text, sizeof(text)), strlen(sent[reads]) + 1);
		IS(strcmp(text, sent[reads]), 0);
		reads++;
		pthread_mutex_unlock(&reading);
	}
	return NULL;
}

void test_rw_fifo(void)
{
	pthread_t threads[WRITERS + READERS];
	char text[SIZE], names[WRITERS][8];
	int n;

	group = install(new_id("fifo", 0), 1);
	sem_init(&available, 0, 0);
	for (n = 0; n < WRITERS + READERS; n++) {
		if (n < WRITERS) {
			snprintf(names[n], sizeof(names[n]), "w%d", n);
			IS(pthread_create(&threads[n], NULL, writer, names[n]), 0);
		} else {
			IS(pthread_create(&threads[n], NULL, reader, NULL), 0);
		}
	}
	for (n = 0; n < WRITERS + READERS; n++)
		pthread_join(threads[n], NULL);
	IS(reads, ALL);
	IS(deliver_message(group, text, sizeof(text)), 0);
	sem_destroy(&available);
	lgroup_destroy(group);
}
