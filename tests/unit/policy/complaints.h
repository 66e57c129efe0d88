/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts that the loader must complain about, and the place and the words of the complaint. */
#ifndef KS_TESTS_UNIT_POLICY_COMPLAINTS_H
#define KS_TESTS_UNIT_POLICY_COMPLAINTS_H

#include "tests/unit/policy/support.h"

struct complaint {
	const char *text;
	unsigned line, column;
	const char *says;
};

/* The only complaint of this kind must be the expected one. */
static inline void check_one(const struct complaint *expected, bool warning)
{
	struct ks_policy *policy = NULL;
	const struct ks_diag *found = NULL;
	struct ks_diags diags;
	int err = ks_policy_load_text(expected->text, strlen(expected->text), "test.conf", NULL, &policy, &diags);

	for (size_t i = 0; i < diags.count; i++) {
		if (diags.list[i].warning != warning)
			continue;
		if (found)
			fail_msg("more than one complaint about\n%s\n%s\n%s", expected->text, found->message,
				 diags.list[i].message);
		found = &diags.list[i];
	}
	if (!found)
		fail_msg("no complaint about\n%s", expected->text);
	if (found->place.line != expected->line || found->place.column != expected->column)
		fail_msg("%u:%u instead of %u:%u for\n%s\n%s", found->place.line, found->place.column, expected->line,
			 expected->column, expected->text, found->message);
	if (!strstr(found->message, expected->says))
		fail_msg("'%s' instead of '%s' for\n%s", found->message, expected->says, expected->text);
	assert_string_equal(found->place.file, "test.conf");
	assert_non_null(found->excerpt);
	assert_int_equal(err, warning ? 0 : -EINVAL);
	ks_diags_fini(&diags);
	ks_policy_destroy(policy);
}

static inline void check_all(const struct complaint *list, size_t count, bool warning)
{
	for (size_t i = 0; i < count; i++)
		check_one(&list[i], warning);
}

#define NAT_ZONES "zone a { eth0 }\nzone b { eth1 }\n" /* rules begin at line 3 */

#endif
