/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests share. Each runs in a process of its own, which ends at the
 * first check that fails. They are C99 as well as C++17.
 */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lgroups.h"

/* A string for functions that take char *, and do not write to it. */
#define S(string) ((char *)(string))

#define CHECK(truth) \
	do { \
		if (!(truth)) \
			check_failed(__FILE__, __LINE__, #truth); \
	} while (0)

/* That it is this number, which is a long, and says which it is otherwise. */
#define IS(value, number) \
	check_is(__FILE__, __LINE__, #value, (long)(value), (long)(number))

/* That it returns this number, and errno is that one. */
#define FAILS(call, number, error) \
	do { \
		errno = 0; \
		IS(call, number); \
		IS(errno, error); \
	} while (0)

void check_failed(const char *file, int line, const char *what);
void check_is(const char *file, int line, const char *what, long value, long number);
void skip(const char *why);

/* A group that no other process knows; with a number, so that there are many. */
char *new_id(const char *name, int number);
struct lgroup_t *install(const char *id, int expected);

/* Milliseconds, from some moment on. */
long now(void);
void pause_ms(long ms);

/* The number of the group's device. */
unsigned int number_of(struct lgroup_t *lgroup);

/* Returns when the thread (as gettid() has it) is in this system call. */
long thread_id(void);
void await_call(long thread, long call);

struct test {
	const char *name;
	void (*run)(void);
};

extern const struct test tests[];

#endif
