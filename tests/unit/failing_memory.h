/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that runs out where a test says: malloc() and its kin, also as libraries call them, and mmap(). A test does
 * something again and again, and each time the next of its allocations is refused, until none is left:
 *
 *	do {
 *		memory_begin(++n, MEMORY_ONCE);
 *		err = deed();
 *	} while (memory_end());
 */
#ifndef KS_TESTS_UNIT_FAILING_MEMORY_H
#define KS_TESTS_UNIT_FAILING_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

enum memory_shortage {
	MEMORY_ONCE, /* the n-th allocation fails, the others do not */
	MEMORY_FROM_THERE, /* the n-th and all behind it fail */
};

/* Refuses allocations from now on, until memory_end(): the n-th, counted from 1; 0 refuses none. */
void memory_begin(size_t n, enum memory_shortage kind);

/* Returns true if an allocation was refused since. */
bool memory_end(void);

/* Between the two calls nothing is counted or refused: the test's own work. They may be nested. */
void memory_pause(bool pause);

/* How many allocations are not freed; always 0 where AddressSanitizer counts. */
long memory_live(void);

#endif
