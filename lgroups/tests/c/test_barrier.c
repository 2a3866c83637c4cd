// SPDX-License-Identifier: GPL-2.0
/*
 * Sleepers sleep until somebody awakes them all; then nobody sleeps. Unlike the
 * report's test this one knows when the sleepers sleep: the kernel tells.
 */
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>

#include "unit_tests.h"

#define SLEEPERS 3
#define ROUNDS 10

static struct lgroup_t *group;
static sem_t awake_semaphore, sleep_semaphore;
static long ids[SLEEPERS];

static void *sleeper(void *id)
{
	int round;

	*(long *)id = thread_id();
	for (round = 0; round < ROUNDS; round++) {
		sem_post(&awake_semaphore);
		IS(sleep_on_barrier(group), 0);
		sem_post(&awake_semaphore);
		sem_wait(&sleep_semaphore);
	}
	return NULL;
}

static void await_posts(void)
{
	int n;

	for (n = 0; n < SLEEPERS; n++)
		sem_wait(&awake_semaphore);
}

void test_barrier(void)
{
	pthread_t threads[SLEEPERS];
	int n, round;

	group = install(new_id("barrier", 0), 1);
	sem_init(&awake_semaphore, 0, 0);
	sem_init(&sleep_semaphore, 0, 0);
	for (n = 0; n < SLEEPERS; n++)
		IS(pthread_create(&threads[n], NULL, sleeper, &ids[n]), 0);
	for (round = 0; round < ROUNDS; round++) {
		await_posts();
		for (n = 0; n < SLEEPERS; n++)
			await_call(ids[n], SYS_ioctl);
		IS(awake_barrier(group), 0);
		await_posts();
		IS(awake_barrier(group), 2);
		for (n = 0; n < SLEEPERS; n++)
			sem_post(&sleep_semaphore);
	}
	for (n = 0; n < SLEEPERS; n++)
		pthread_join(threads[n], NULL);
	lgroup_destroy(group);
}
