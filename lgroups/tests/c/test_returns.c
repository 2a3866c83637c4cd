// SPDX-License-Identifier: GPL-2.0
/* Every value that a function of the library may return, provoked. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unit_tests.h"

/* From now on this process can open so many files more. */
static void spare_files(int number)
{
	struct rlimit limit;
	int next = dup(0);

	CHECK(next >= 0);
	close(next);
	IS(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)(next + number);
	IS(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Puts another file in the place of the group's device, which refuses it all. */
static void replace_device(struct lgroup_t *group)
{
	int null = open("/dev/null", O_RDWR);

	CHECK(null >= 0);
	CHECK(dup2(null, get_group_fd(group)) >= 0);
	close(null);
}

static int root(void)
{
	return geteuid() == 0;
}

void test_init_and_destroy(void)
{
	/* Compilers know malloc(), and leave out what nobody looks at. */
	void *(*volatile allocate)(size_t) = malloc;
	struct lgroup_t *group = lgroup_init();
	struct rlimit none = { 0, 0 };
	volatile char stack[65536];

	CHECK(group != NULL);
	lgroup_destroy(group);
	lgroup_destroy(NULL);

	if (getenv("VALGRIND"))
		skip("valgrind needs memory of its own");
	/* Without memory there is none; what is still in the heap is used up first. */
	memset((void *)stack, 0, sizeof(stack));
	IS(setrlimit(RLIMIT_AS, &none), 0);
	while (allocate(1024) || allocate(64) || allocate(24) || allocate(1))
		;
	errno = 0;
	CHECK(lgroup_init() == NULL);
	IS(errno, ENOMEM);
	_exit(0);
}

void test_install_group_returns(void)
{
	char *there = new_id("there", 0), *made = new_id("made", 0);
	struct lgroup_t *group = lgroup_init();
	struct rlimit limit;

	IS(install_group(group, there), 1);
	IS(install_group(group, there), 0);
	/* -3: the ioctl failed */
	FAILS(install_group(group, S("")), -3, EINVAL);
	/* The old device is closed by then. */
	FAILS(get_group_fd(group), -1, EBADF);
	lgroup_destroy(group);

	/* -1: group0 cannot be opened; that the module is not loaded is another program. */
	IS(getrlimit(RLIMIT_NOFILE, &limit), 0);
	group = lgroup_init();
	spare_files(0);
	FAILS(install_group(group, there), -1, EMFILE);
	IS(setrlimit(RLIMIT_NOFILE, &limit), 0);
	/* -4, -5: its device did not open, for group0 was the last */
	spare_files(1);
	FAILS(install_group(group, there), -4, EMFILE);
	FAILS(install_group(group, made), -5, EMFILE);
	IS(setrlimit(RLIMIT_NOFILE, &limit), 0);
	IS(install_group(group, made), 0);
	lgroup_destroy(group);
	/* -2: see max_install */
}

void test_install_again_closes_the_old_device(void)
{
	char *id = new_id("again", 0), text[8];
	struct lgroup_t *group = install(id, 1), *other = install(id, 0);

	IS(set_send_delay(group, 60000), 0);
	IS(publish_message(group, S("hello")), 6);
	IS(deliver_message(other, text, sizeof(text)), 0);
	IS(install_group(group, new_id("again", 1)), 1);
	CHECK(number_of(group) != number_of(other));
	IS(deliver_message(other, text, sizeof(text)), 6);
	lgroup_destroy(group);
	lgroup_destroy(other);
}

void test_an_id_is_its_first_32_bytes(void)
{
	char id[48];
	struct lgroup_t *group, *same, *shorter;

	memset(id, 0, sizeof(id));
	snprintf(id, sizeof(id), "%031d", (int)getpid());
	shorter = install(id, 1);
	memset(id + 31, '\xff', 10);
	group = install(id, 1);
	/* All that is behind them means nothing. */
	memset(id + 32, 'x', 8);
	same = install(id, 0);
	IS(number_of(same), number_of(group));
	CHECK(number_of(shorter) != number_of(group));
	lgroup_destroy(group);
	lgroup_destroy(same);
	lgroup_destroy(shorter);
}

static void on_signal(int signal)
{
	(void)signal;
}

/* Calls return when a signal comes. */
static void interrupt_calls(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	IS(sigaction(SIGUSR1, &action, NULL), 0);
}

struct interruption {
	pthread_t thread;
	long id, call;
};

static void *interrupter(void *interruption_)
{
	struct interruption *interruption = (struct interruption *)interruption_;

	await_call(interruption->id, interruption->call);
	pthread_kill(interruption->thread, SIGUSR1);
	return NULL;
}

/* Sends a signal to this thread once it is in this system call. */
static pthread_t interrupt_in(struct interruption *interruption, long call)
{
	pthread_t thread;

	interrupt_calls();
	interruption->thread = pthread_self();
	interruption->id = thread_id();
	interruption->call = call;
	IS(pthread_create(&thread, NULL, interrupter, interruption), 0);
	return thread;
}

void test_messages_return(void)
{
	static char large[101];
	char binary[4] = { 1, 0, 2, 0 }, text[200];
	struct lgroup_t *none = lgroup_init(), *group = install(new_id("messages", 0), 1);
	unsigned long size;

	memset(large, 'x', 100);
	FAILS(publish_message(none, S("hello")), -1, EBADF);
	IS(publish_message(group, S("hello")), 6);
	FAILS(publish_message(group, S("")), -2, EBADMSG);
	FAILS(publish_message(group, large), -2, EMSGSIZE);
	FAILS(publish_message(group, NULL), -2, EFAULT);

	FAILS(publish_bytes(none, binary, 4), -1, EBADF);
	IS(publish_bytes(group, binary, 4), 4);
	FAILS(publish_bytes(group, binary, 0), -2, EBADMSG);
	FAILS(publish_bytes(group, NULL, 4), -2, EFAULT);
	FAILS(publish_bytes(group, binary, (unsigned long)-1), -2, EMSGSIZE);

	FAILS(get_message_size(none, &size), -1, EBADF);
	FAILS(get_message_size(group, NULL), -2, EFAULT);
	IS(get_message_size(group, &size), 0);
	IS(size, 6);

	FAILS(deliver_message(none, text, sizeof(text)), -1, EBADF);
	FAILS(deliver_message(group, NULL, sizeof(text)), -2, EFAULT);
	IS(deliver_message(group, text, sizeof(text)), 6);
	IS(strcmp(text, "hello"), 0);
	/* No room takes no message; too little room takes one, and its rest is gone. */
	IS(deliver_message(group, text, 0), 0);
	IS(deliver_message(group, text, 2), 2);
	IS(memcmp(text, binary, 2), 0);
	errno = 0;
	IS(deliver_message(group, text, sizeof(text)), 0);
	IS(errno, 0);
	IS(get_message_size(group, &size), 0);
	IS(size, 0);
	/* Of a file that never waits, 0 is empty too. */
	IS(fcntl(get_group_fd(group), F_SETFL, O_NONBLOCK), 0);
	IS(deliver_message(group, text, sizeof(text)), 0);

	replace_device(group);
	FAILS(get_message_size(group, &size), -2, ENOTTY);
	lgroup_destroy(group);
	lgroup_destroy(none);
}

void test_delay_and_revoke_return(void)
{
	struct lgroup_t *none = lgroup_init(), *group = install(new_id("delay", 0), 1);

	FAILS(set_send_delay(none, 1), -1, EBADF);
	IS(set_send_delay(group, 1), 0);
	IS(set_send_delay(group, 0xffffffffu), 0);
	FAILS(revoke_delayed_messages(none), -1, EBADF);
	IS(revoke_delayed_messages(group), 0);
	FAILS(flush_delayed_messages(none), -1, EBADF);
	IS(flush_delayed_messages(group), 0);

	replace_device(group);
	FAILS(set_send_delay(group, 1), -2, ENOTTY);
	FAILS(revoke_delayed_messages(group), -2, ENOTTY);
	FAILS(flush_delayed_messages(group), -2, EINVAL);
	lgroup_destroy(group);
	lgroup_destroy(none);
}

static void *publisher(void *group)
{
	pause_ms(100);
	IS(publish_message((struct lgroup_t *)group, S("late")), 5);
	return NULL;
}

void test_receive_timeout_returns(void)
{
	char *id = new_id("timeout", 0), text[8];
	struct lgroup_t *none = lgroup_init(), *group = install(id, 1), *other = install(id, 0);
	struct interruption interruption;
	pthread_t thread;
	long start;

	FAILS(set_receive_timeout(none, 1), -1, EBADF);
	FAILS(set_receive_timeout(group, -2), -2, EINVAL);

	IS(set_receive_timeout(group, 50), 0);
	start = now();
	IS(deliver_message(group, text, sizeof(text)), 0);
	CHECK(now() - start >= 50);

	IS(set_receive_timeout(group, -1), 0);
	IS(pthread_create(&thread, NULL, publisher, other), 0);
	IS(deliver_message(group, text, sizeof(text)), 5);
	pthread_join(thread, NULL);

	thread = interrupt_in(&interruption, SYS_read);
	FAILS(deliver_message(group, text, sizeof(text)), -2, EINTR);
	pthread_join(thread, NULL);

	IS(set_receive_timeout(group, 0), 0);
	IS(deliver_message(group, text, sizeof(text)), 0);
	lgroup_destroy(other);
	lgroup_destroy(group);
	lgroup_destroy(none);
}

static long sleeper_id;

static void *sleeper(void *group)
{
	__atomic_store_n(&sleeper_id, thread_id(), __ATOMIC_SEQ_CST);
	IS(sleep_on_barrier((struct lgroup_t *)group), 0);
	return NULL;
}

/* Starts a thread, and returns when it sleeps. */
static pthread_t start_sleeper(struct lgroup_t *group)
{
	pthread_t thread;
	long id;

	__atomic_store_n(&sleeper_id, 0, __ATOMIC_SEQ_CST);
	IS(pthread_create(&thread, NULL, sleeper, group), 0);
	while ((id = __atomic_load_n(&sleeper_id, __ATOMIC_SEQ_CST)) == 0)
		pause_ms(1);
	await_call(id, SYS_ioctl);
	return thread;
}

void test_barrier_returns(void)
{
	struct lgroup_t *none = lgroup_init(), *group = install(new_id("barrier", 0), 1);
	struct interruption interruption;
	pthread_t thread;

	FAILS(sleep_on_barrier(none), -1, EBADF);
	FAILS(awake_barrier(none), -1, EBADF);
	IS(awake_barrier(group), 2);

	thread = start_sleeper(group);
	IS(awake_barrier(group), 0);
	pthread_join(thread, NULL);
	IS(awake_barrier(group), 2);

	thread = interrupt_in(&interruption, SYS_ioctl);
	FAILS(sleep_on_barrier(group), -2, EINTR);
	pthread_join(thread, NULL);
	IS(awake_barrier(group), 2);

	replace_device(group);
	FAILS(sleep_on_barrier(group), -2, ENOTTY);
	FAILS(awake_barrier(group), -2, ENOTTY);
	lgroup_destroy(group);
	lgroup_destroy(none);
}

void test_awake_before_the_last_has_left(void)
{
	struct lgroup_t *group;
	struct sched_param param;
	pthread_t thread;
	cpu_set_t one;
	int tries, awoken;

	if (!root())
		skip("only root may have priority over others");
	/*
	 * The sleeper cannot leave as long as a thread of higher priority keeps the
	 * only processor that it may run on.
	 */
	group = install(new_id("before", 0), 1);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	IS(sched_setaffinity(0, sizeof(one), &one), 0);
	for (tries = 0; tries < 50; tries++) {
		thread = start_sleeper(group);
		memset(&param, 0, sizeof(param));
		param.sched_priority = 1;
		IS(sched_setscheduler(0, SCHED_FIFO, &param), 0);
		IS(awake_barrier(group), 0);
		awoken = awake_barrier(group);
		param.sched_priority = 0;
		IS(sched_setscheduler(0, SCHED_OTHER, &param), 0);
		pthread_join(thread, NULL);
		if (awoken == 1)
			break;
		/* This thread was stopped in between. */
		IS(awoken, 2);
	}
	IS(awoken, 1);
	lgroup_destroy(group);
}

typedef int get_limit(struct lgroup_t *, unsigned long *);
typedef int set_limit(struct lgroup_t *, unsigned long);

static get_limit *const get[] = { get_max_message_size, get_max_storage_size };
static set_limit *const set[] = { set_max_message_size, set_max_storage_size };
static const char *const names[] = { "max_message_size", "max_storage_size" };

void test_limits_return(void)
{
	struct lgroup_t *none = lgroup_init(), *group = install(new_id("limits", 0), 1);
	struct rlimit limit;
	unsigned long size;
	int n;

	IS(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (n = 0; n < 2; n++) {
		FAILS(get[n](none, &size), -1, EBADF);
		IS(get[n](group, &size), 0);
		FAILS(get[n](group, NULL), -3, EFAULT);
		if (root()) {
			FAILS(set[n](none, size), -2, EBADF);
			IS(set[n](group, size + 1), 0);
			IS(get[n](group, &size), 0);
			IS(set[n](group, (unsigned long)-1), 0);
			IS(get[n](group, &size), 0);
			IS(size, (unsigned long)-1);
		}
		spare_files(0);
		FAILS(get[n](group, &size), -2, EMFILE);
		if (root())
			FAILS(set[n](group, 100), -3, EMFILE);
		IS(setrlimit(RLIMIT_NOFILE, &limit), 0);
	}
	if (root())
		IS(seteuid(65534), 0);
	for (n = 0; n < 2; n++) {
		FAILS(set[n](group, 100), -1, EPERM);
		FAILS(set[n](none, 100), -1, EPERM);
		IS(get[n](group, &size), 0);
	}
	lgroup_destroy(group);
	lgroup_destroy(none);
}

void test_limits_fail(void)
{
	struct lgroup_t *group;
	unsigned long size;
	char path[128];
	int n;

	if (!root())
		skip("only root may mount");
	/* In this process's view of them, the files are others. */
	group = install(new_id("limits", 1), 1);
	IS(unshare(CLONE_NEWNS), 0);
	IS(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	for (n = 0; n < 2; n++) {
		snprintf(path, sizeof(path), "/sys/class/groups/group%u/%s", number_of(group),
			 names[n]);
		IS(mount("/dev/full", path, "none", MS_BIND, NULL), 0);
		/* What it has is no number. */
		FAILS(get[n](group, &size), -3, EIO);
		FAILS(set[n](group, 100), -4, ENOSPC);
		IS(umount(path), 0);
		IS(mount("/proc/self/mem", path, "none", MS_BIND, NULL), 0);
		FAILS(get[n](group, &size), -3, EIO);
		IS(umount(path), 0);
	}
	lgroup_destroy(group);
}

void test_null_is_not_installed(void)
{
	struct lgroup_t *group = lgroup_init();
	unsigned long size;
	char text[8];

	FAILS(install_group(NULL, S("groups")), -3, EINVAL);
	FAILS(install_group(group, NULL), -3, EINVAL);
	FAILS(publish_message(NULL, S("x")), -1, EBADF);
	FAILS(publish_bytes(NULL, "x", 1), -1, EBADF);
	FAILS(deliver_message(NULL, text, sizeof(text)), -1, EBADF);
	FAILS(get_message_size(NULL, &size), -1, EBADF);
	FAILS(set_receive_timeout(NULL, 1), -1, EBADF);
	FAILS(set_send_delay(NULL, 1), -1, EBADF);
	FAILS(revoke_delayed_messages(NULL), -1, EBADF);
	FAILS(flush_delayed_messages(NULL), -1, EBADF);
	FAILS(sleep_on_barrier(NULL), -1, EBADF);
	FAILS(awake_barrier(NULL), -1, EBADF);
	FAILS(get_group_fd(NULL), -1, EBADF);
	FAILS(get_max_message_size(NULL, &size), -1, EBADF);
	FAILS(get_max_storage_size(NULL, &size), -1, EBADF);
	if (root()) {
		FAILS(set_max_message_size(NULL, 1), -2, EBADF);
		FAILS(set_max_storage_size(NULL, 1), -2, EBADF);
	}
	lgroup_destroy(group);
}

void test_the_fd_can_be_polled(void)
{
	struct lgroup_t *group = install(new_id("poll", 0), 1);
	struct pollfd poller;
	char text[8];

	poller.fd = get_group_fd(group);
	poller.events = POLLIN;
	CHECK(poller.fd >= 0);
	IS(poll(&poller, 1, 0), 0);
	IS(publish_message(group, S("x")), 2);
	IS(poll(&poller, 1, -1), 1);
	IS(poller.revents, POLLIN);
	IS(deliver_message(group, text, sizeof(text)), 2);
	IS(poll(&poller, 1, 0), 0);
	lgroup_destroy(group);
}

#define THREADS 8
#define EACH 3

static char ids[EACH][32];
static int made[EACH];

static void *installer(void *unused)
{
	int n, value;

	(void)unused;
	for (n = 0; n < EACH; n++) {
		struct lgroup_t *group = lgroup_init();

		value = install_group(group, ids[n]);
		CHECK(value == 0 || value == 1);
		__atomic_add_fetch(&made[n], value, __ATOMIC_SEQ_CST);
		CHECK(get_group_fd(group) >= 0);
		lgroup_destroy(group);
	}
	return NULL;
}

void test_threads_install_at_once(void)
{
	pthread_t threads[THREADS];
	int n;

	for (n = 0; n < EACH; n++)
		strcpy(ids[n], new_id("at-once", n));
	for (n = 0; n < THREADS; n++)
		IS(pthread_create(&threads[n], NULL, installer, NULL), 0);
	for (n = 0; n < THREADS; n++)
		pthread_join(threads[n], NULL);
	/* Each is made by one of them. */
	for (n = 0; n < EACH; n++)
		IS(made[n], 1);
}

static int users = THREADS;

static void *user(void *group_)
{
	struct lgroup_t *group = (struct lgroup_t *)group_;
	char text[8];
	int n, value;

	for (n = 0; n < 200; n++) {
		value = publish_message(group, S("x"));
		CHECK(value == 2 || (value == -1 && errno == EBADF) ||
		      (value == -2 && errno == ENOSPC));
		value = deliver_message(group, text, sizeof(text));
		CHECK(value == 2 || value == 0 || (value == -1 && errno == EBADF));
	}
	__atomic_sub_fetch(&users, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Though it is given other groups meanwhile. */
void test_one_lgroup_in_many_threads(void)
{
	char id[2][32];
	struct lgroup_t *group, *other;
	pthread_t threads[THREADS];
	int n;

	strcpy(id[0], new_id("many", 0));
	strcpy(id[1], new_id("many", 1));
	group = install(id[0], 1);
	other = install(id[1], 1);
	for (n = 0; n < THREADS; n++)
		IS(pthread_create(&threads[n], NULL, user, group), 0);
	for (n = 0; __atomic_load_n(&users, __ATOMIC_SEQ_CST) > 0; n = !n)
		IS(install_group(group, id[n]), 0);
	for (n = 0; n < THREADS; n++)
		pthread_join(threads[n], NULL);
	lgroup_destroy(group);
	lgroup_destroy(other);
}
