/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/forwarding.c: which families the rules want forwarded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/forwarding.h"

static unsigned wanted(const char *text)
{
	struct ks_policy *policy;
	struct ks_diags diags;
	unsigned families;

	assert_int_equal(ks_policy_load_text(text, strlen(text), "test", ".", &policy, &diags), 0);
	ks_diags_fini(&diags);
	families = ks_forwarding_wanted(policy);
	ks_policy_destroy(policy);
	return families;
}

#define ZONES "zone lan { lan0 }\nzone wan { wan0 }\n"

static void test_forwarding_wanted(void **state)
{
	assert_int_equal(wanted(ZONES "allow from lan to wan\n"), KS_FORWARDING_IPV4 | KS_FORWARDING_IPV6);
	assert_int_equal(wanted(ZONES "allow from lan to self\nallow from self to wan\ndeny from wan to lan\n"), 0);
	assert_int_equal(wanted(ZONES "allow from lan to wan family ipv6\n"), KS_FORWARDING_IPV6);
	assert_int_equal(wanted(ZONES "allow from any to any\n"), KS_FORWARDING_IPV4 | KS_FORWARDING_IPV6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forwarding_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
