// SPDX-License-Identifier: GPL-2.0
/* The list of the tests. The first nine are the report's. */
#include "unit_tests.h"

const struct test tests[] = {
#define TEST(name) { #name, test_##name },
	TESTS
#undef TEST
	{ NULL, NULL },
};
