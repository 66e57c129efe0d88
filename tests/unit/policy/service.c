/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/service.c: names of services. */
#include "core/header/packet.h"
#include "policy/list.h"
#include "policy/service.h"
#include "tests/unit/policy/complaints.h"

static void test_table(void **state)
{
	size_t count;
	const char *const *names = ks_service_names(&count);

	for (size_t i = 0; i < count; i++) {
		const struct ks_service *service = ks_service(ks_service_find(names[i]));

		assert_string_equal(service->name, names[i]);
		assert_true(i == 0 || strcmp(names[i - 1], names[i]) < 0);
		assert_true(service->low > 0 && service->low <= service->high);
		assert_true(service->protos && !(service->protos & ~(KS_SERVICE_TCP | KS_SERVICE_UDP)));
		for (const char *c = names[i]; *c; c++)
			assert_true(ks_is_name_char(*c, c == names[i]));
	}
	assert_int_equal(ks_service_find("ssh "), 0);
	assert_int_equal(ks_service_find(""), 0);
}

static void test_protocols(void **state)
{
	const struct ks_service *ssh = ks_service(ks_service_find("ssh")), *dns = ks_service(ks_service_find("dns"));

	assert_true(ks_service_has_proto(ssh, KS_PROTO_TCP));
	assert_false(ks_service_has_proto(ssh, KS_PROTO_UDP));
	assert_true(ks_service_has_proto(dns, KS_PROTO_UDP));
	assert_false(ks_service_has_proto(dns, KS_PROTO_SCTP));
	assert_string_equal(ks_service_protos(dns), "{ tcp, udp }");
}

static void test_normal_form(void **state)
{
	struct ks_policy *policy = load_good("zone lan { eth1 }\nset s port { https, www, 81-90 }\n"
					     "allow { tcp, udp } port { dns, @s, winrm } source port not ntp\n"
					     "forward tcp port smtp to lan 10.0.0.5 port submission\n");
	char *text = print_text(policy);

	assert_string_equal(text, "zone lan { eth1 }\nset s port { 80-90, 443 }\n"
				  "allow { tcp, udp } source port not 123 port { @s, 53, 5985-5986 }\n"
				  "forward tcp port 25 to lan 10.0.0.5 port 587\n");
	free(text);
	ks_policy_destroy(policy);
}

static void test_other_protocol(void **state)
{
	static const struct complaint list[] = {
		{ "allow udp port ssh\n", 1, 16,
		  "'ssh' is a service over tcp, and this rule is about another protocol: expected tcp, or the number "
		  "22" },
		{ "allow proto sctp source port dns\n", 1, 30, "'dns' is a service over { tcp, udp }" },
		{ "allow { udp, tcp } port ssh\nallow tcp port { 22, syslog }\n", 2, 22,
		  "'syslog' is a service over udp" },
	};

	check_all(list, KS_ARRAY_SIZE(list), true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_normal_form),
		cmocka_unit_test(test_other_protocol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
