/* SPDX-License-Identifier: BSD-2-Clause */
/* page/leases.c: the forms of leases, and what is no lease. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "page/leases.h"

#define NOW 1000

/* The name that an address has by these texts of files, up to NULL; NULL if it has none. */
static const char *name_of(const char *address, const char *const *texts)
{
	static char name[KS_LEASE_NAME];
	struct ks_leases leases = { 0 };
	struct in6_addr addr;
	const char *found;

	for (; *texts; texts++) {
		char *copy = strdup(*texts);

		assert_int_equal(ks_leases_add(&leases, copy, NOW), 0);
		free(copy);
	}
	ks_leases_sort(&leases);
	assert_int_equal(ks_host_address(address, &addr), 0);
	found = ks_leases_find(&leases, &addr);
	snprintf(name, sizeof(name), "%s", found ? found : "");
	ks_leases_fini(&leases);
	return found ? name : NULL;
}

#define NAME(address, ...) name_of(address, (const char *const[]){ __VA_ARGS__, NULL })

static void test_dnsmasq(void **state)
{
	static const char text[] = "2000 00:16:3e:00:00:05 10.0.0.5 laptop 01:00:16:3e:00:00:05\n"
				   "0 00:16:3e:00:00:06 10.0.0.6 for-ever *\n"
				   "900 00:16:3e:00:00:07 10.0.0.7 gone *\n"
				   "2000 00:16:3e:00:00:08 10.0.0.8 * *\n"
				   "duid 00:01:00:01:2c\n"
				   "2000 12345 2001:db8::5 six 00:01\n\nx\n2000 a b\n";

	assert_string_equal(NAME("10.0.0.5", text), "laptop");
	assert_string_equal(NAME("10.0.0.6", text), "for-ever");
	assert_string_equal(NAME("2001:db8::5", text), "six");
	assert_null(NAME("10.0.0.7", text));
	assert_null(NAME("10.0.0.8", text));
	assert_null(NAME("10.0.0.9", text));
	assert_string_equal(NAME("10.0.0.5", text, "2000 aa 10.0.0.5 later *"), "later");
	assert_string_equal(NAME("10.0.0.5", "2000 aa 10.0.0.5 <img/src=x> *"), "<img/src=x>");
}

static void test_dhcpd(void **state)
{
	static const char text[] =
		"# The format of this file is documented in the dhcpd.leases(5) manual page.\n"
		"lease 10.0.0.5 {\n  starts 4 2026/11/26 10:00:00;\n  binding state active;\n"
		"  next binding state free;\n  client-hostname \"old\";\n}\n"
		"lease 10.0.0.6 {\n  binding state active;\n  client-hostname \"six\";\n}\n"
		"lease 10.0.0.5 {\n  binding state active;\n  client-hostname \"a \\\"b\\\" c\";\n}\n"
		"lease 10.0.0.6 {\n  binding state free;\n  client-hostname \"six\";\n}\n"
		"lease 10.0.0.7 {\n  binding state active;\n  client-hostname \"";

	assert_string_equal(NAME("10.0.0.5", text), "a \\\"b\\\" c");
	assert_null(NAME("10.0.0.6", text));
	assert_null(NAME("10.0.0.7", text));
}

static void test_kea(void **state)
{
	static const char text[] = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,"
				   "hostname,state,user_context\n"
				   "10.0.0.5,00:16:3e:00:00:05,,3600,2000,1,0,0,laptop.example.,0,\n"
				   "10.0.0.6,00:16:3e:00:00:06,,3600,900,1,0,0,gone,0,\n"
				   "10.0.0.7,00:16:3e:00:00:07,,3600,2000,1,0,0,first,0,\n"
				   "10.0.0.7,00:16:3e:00:00:07,,3600,2000,1,0,0,first,2,\n10.0.0.8,\n";
	static const char text6[] = "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,"
				    "prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context\n"
				    "2001:db8::5,00:01,3600,2000,1,3000,0,1,128,0,0,six,,0,\n";

	assert_string_equal(NAME("10.0.0.5", text), "laptop.example");
	assert_null(NAME("10.0.0.6", text));
	assert_null(NAME("10.0.0.7", text));
	assert_null(NAME("10.0.0.8", text));
	assert_string_equal(NAME("2001:db8::5", text, text6), "six");
}

/* Files of strangers: cut anywhere, and with any byte anywhere. */
static void test_broken_texts_are_survived(void **state)
{
	static const char *const texts[] = {
		"2000 00:16:3e:00:00:05 10.0.0.5 laptop 01:00\n2000 aa 10.0.0.6 b *\n",
		"lease 10.0.0.5 {\n  binding state active;\n  client-hostname \"x\";\n}\n",
		"address,hostname,expire,state\n10.0.0.5,laptop.,2000,0\n,,,\n",
	};

	for (size_t i = 0; i < 3; i++) {
		for (size_t cut = 0; cut < strlen(texts[i]); cut++) {
			struct ks_leases leases = { 0 };
			char *text = strdup(texts[i]);

			text[cut] = (char)(cut % 2 ? 0 : cut * 37);
			assert_int_equal(ks_leases_add(&leases, text, NOW), 0);
			assert_true(leases.count <= 3);
			ks_leases_fini(&leases);
			free(text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dnsmasq),
		cmocka_unit_test(test_dhcpd),
		cmocka_unit_test(test_kea),
		cmocka_unit_test(test_broken_texts_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
