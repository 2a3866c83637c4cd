/* SPDX-License-Identifier: GPL-2.0 */
/* The tests: those that leave the module without a free number come last. */
#ifndef UNIT_TESTS_H
#define UNIT_TESTS_H

#include "check.h"

#define TESTS \
	TEST(install_group) \
	TEST(rw_fifo) \
	TEST(sysfs) \
	TEST(barrier) \
	TEST(delay) \
	TEST(revoke) \
	TEST(flush) \
	TEST(stress) \
	TEST(init_and_destroy) \
	TEST(install_group_returns) \
	TEST(install_again_closes_the_old_device) \
	TEST(an_id_is_its_first_32_bytes) \
	TEST(messages_return) \
	TEST(delay_and_revoke_return) \
	TEST(receive_timeout_returns) \
	TEST(barrier_returns) \
	TEST(awake_before_the_last_has_left) \
	TEST(limits_return) \
	TEST(limits_fail) \
	TEST(null_is_not_installed) \
	TEST(the_fd_can_be_polled) \
	TEST(threads_install_at_once) \
	TEST(one_lgroup_in_many_threads) \
	TEST(max_install)

#define TEST(name) void test_##name(void);
TESTS
#undef TEST

#endif
