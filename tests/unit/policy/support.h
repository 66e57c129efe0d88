/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the tests of the policy language: loading text, comparing tables, a random source. */
#ifndef KS_TESTS_UNIT_POLICY_SUPPORT_H
#define KS_TESTS_UNIT_POLICY_SUPPORT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy.h"

/* Loads a text that must be right; shows the complaints otherwise. */
static inline struct ks_policy *load_good(const char *text)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	int err = ks_policy_load_text(text, strlen(text), "test.conf", NULL, &policy, &diags);

	if (err)
		ks_diags_print(&diags, stderr, false);
	ks_diags_fini(&diags);
	assert_int_equal(err, 0);
	return policy;
}

static inline char *print_text(const struct ks_policy *policy)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	ks_policy_print(policy, out);
	fclose(out);
	return text;
}

static inline void assert_same_tables(const struct ks_policy *a, const struct ks_policy *b)
{
	assert_memory_equal(&a->config, &b->config, sizeof(a->config));
	assert_memory_equal(a->rules, b->rules, a->config.entries * sizeof(*a->rules));
	assert_memory_equal(a->sets, b->sets, a->config.sets * sizeof(*a->sets));
	assert_memory_equal(a->ranges, b->ranges, a->config.ranges * sizeof(*a->ranges));
	if (a->config.targets)
		assert_memory_equal(a->targets, b->targets, a->config.targets * sizeof(*a->targets));
	if (a->config.limits)
		assert_memory_equal(a->limits, b->limits, a->config.limits * sizeof(*a->limits));
}

/* xorshift64*: the same numbers in every run, so that a failure can be repeated. */
static inline uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

static inline unsigned random_below(uint64_t *state, unsigned bound)
{
	return (unsigned)((random_next(state) >> 32) % bound);
}

#endif
