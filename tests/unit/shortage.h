/* SPDX-License-Identifier: BSD-2-Clause */
/* Does something with every one of its allocations failing in turn: what comes is an error or the whole result. */
#ifndef KS_TESTS_UNIT_SHORTAGE_H
#define KS_TESTS_UNIT_SHORTAGE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/failing_memory.h"

/* Something to be done, which returns 0 or -errno and leaves nothing behind; *print is what came of it, for the caller to free. */
typedef int deed_fn(char **print);

/* The same with memory: nothing that the library or the C library keeps is counted as lost. */
static inline char *do_well(deed_fn *deed, int expected)
{
	char *print = NULL;

	assert_int_equal(deed(&print), expected);
	return print;
}

/* Does it with every allocation failing in turn. A refusal may be survived, but then nothing is missing. */
static inline void check_shortage(deed_fn *deed, int expected, enum memory_shortage shortage)
{
	char *whole = do_well(deed, expected), *print = NULL;
	bool was_refused;
	size_t n = 0;
	long live;
	int err;

	do {
		live = memory_live();
		memory_begin(++n, shortage);
		err = deed(&print);
		was_refused = memory_end();
		if (err != -ENOMEM && err != expected)
			fail_msg("allocation %zu fails: %s", n, strerror(-err));
		if (err == expected && (!print != !whole || (whole && strcmp(print, whole) != 0)))
			fail_msg("allocation %zu fails: a part is missing:\n%s", n, print ? print : "all");
		free(print);
		print = NULL;
		if (memory_live() != live)
			fail_msg("allocation %zu fails: %ld pieces of memory are lost", n, memory_live() - live);
	} while (was_refused);
	assert_true(n > 1);
	free(whole);
}

static inline void check_deed(deed_fn *deed, int expected)
{
	setenv("TZ", "UTC", 1); /* without it the C library allocates its name anew at each look at local time */
	check_shortage(deed, expected, MEMORY_ONCE);
	check_shortage(deed, expected, MEMORY_FROM_THERE);
}

#endif
