/* SPDX-License-Identifier: BSD-2-Clause */
/* page/reverse.c: questions for the name of an address, and answers of servers that cannot be trusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "page/leases.h"
#include "page/reverse.h"

#define ID 0x1234

static struct in6_addr address_of(const char *text)
{
	struct in6_addr addr;

	assert_int_equal(ks_host_address(text, &addr), 0);
	return addr;
}

/* An answer with these records behind the question. Returns its size. */
static size_t answer(const char *address, unsigned flags, unsigned answers, const void *records, size_t size,
		     unsigned char message[KS_DNS_MESSAGE])
{
	struct in6_addr addr = address_of(address);
	size_t asked = ks_reverse_ask(&addr, ID, message);

	message[2] = (unsigned char)(flags >> 8);
	message[3] = (unsigned char)flags;
	message[7] = (unsigned char)answers;
	memcpy(message + asked, records, size);
	return asked + size;
}

static int read_answer(const char *address, const unsigned char *message, size_t size, char name[KS_DNS_NAME])
{
	struct in6_addr addr = address_of(address);

	return ks_reverse_read(message, size, &addr, ID, name);
}

static void test_questions(void **state)
{
	static const unsigned char v4[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
					  "\x01"
					  "5\x01"
					  "0\x01"
					  "0\x02"
					  "10\x07in-addr\x04"
					  "arpa\x00\x00\x0c\x00\x01";
	struct in6_addr addr = address_of("10.0.0.5");
	unsigned char message[KS_DNS_MESSAGE];

	assert_int_equal(ks_reverse_ask(&addr, ID, message), sizeof(v4) - 1);
	assert_memory_equal(message, v4, sizeof(v4) - 1);
	addr = address_of("2001:db8::5");
	assert_int_equal(ks_reverse_ask(&addr, ID, message), 12 + 64 + 4 + 5 + 1 + 4);
	assert_memory_equal(message + 12,
			    "\x01"
			    "5\x01"
			    "0\x01"
			    "0",
			    6);
}

/* The name of the record is that of the question: a pointer to it. */
static const char ptr[] = "\xc0\x0c\x00\x0c\x00\x01\x00\x00\x0e\x10\x00\x10\x06laptop\x07"
			  "example\x00";

static void test_a_name(void **state)
{
	unsigned char message[KS_DNS_MESSAGE];
	char name[KS_DNS_NAME] = "";
	size_t size = answer("10.0.0.5", 0x8180, 1, ptr, sizeof(ptr) - 1, message);

	assert_int_equal(read_answer("10.0.0.5", message, size, name), 0);
	assert_string_equal(name, "laptop.example");
	assert_int_equal(read_answer("10.0.0.6", message, size, name), -EBADMSG);
	message[0] ^= 1;
	assert_int_equal(read_answer("10.0.0.5", message, size, name), -EBADMSG);
	size = answer("10.0.0.5", 0x0100, 1, ptr, sizeof(ptr) - 1, message);
	assert_int_equal(read_answer("10.0.0.5", message, size, name), -EBADMSG);
	size = answer("10.0.0.5", 0x8183, 0, "", 0, message);
	assert_int_equal(read_answer("10.0.0.5", message, size, name), -ENOENT);
	size = answer("10.0.0.5", 0x8180, 0, "", 0, message);
	assert_int_equal(read_answer("10.0.0.5", message, size, name), -ENOENT);
}

/* RFC 2317: an alias stands before the name. */
static void test_a_name_behind_an_alias(void **state)
{
	static const char records[] = "\xc0\x0c\x00\x05\x00\x01\x00\x00\x0e\x10\x00\x04\x01x\xc0\x0e"
				      "\x01x\xc0\x0e\x00\x0c\x00\x01\x00\x00\x0e\x10\x00\x04\x02ok\x00";
	unsigned char message[KS_DNS_MESSAGE];
	char name[KS_DNS_NAME] = "";
	size_t size = answer("10.0.0.5", 0x8180, 2, records, sizeof(records) - 1, message);

	assert_int_equal(read_answer("10.0.0.5", message, size, name), 0);
	assert_string_equal(name, "ok");
}

static void test_any_byte_of_a_name_is_shown_as_text(void **state)
{
	static const char record[] = "\xc0\x0c\x00\x0c\x00\x01\x00\x00\x0e\x10\x00\x09\x07<b>.\n\xff\x00\x00";
	unsigned char message[KS_DNS_MESSAGE];
	char name[KS_DNS_NAME] = "";
	size_t size = answer("10.0.0.5", 0x8180, 1, record, sizeof(record) - 1, message);

	assert_int_equal(read_answer("10.0.0.5", message, size, name), 0);
	assert_string_equal(name, "\\060b\\062.\\010\\255\\000");
}

/* Loops, and pointers and lengths beyond the end. */
static void test_broken_names_are_refused(void **state)
{
	static const struct {
		const char *record;
		size_t size;
	} records[] = {
		{ "\xc0\x0c\x00\x0c\x00\x01\x00\x00\x0e\x10\x00\x02\xc0\x34", 14 },
		{ "\xc0\xff\x00\x0c\x00\x01\x00\x00\x0e\x10\x00\x02\xc0\x0c", 14 },
		{ "\xc0\x0c\x00\x0c\x00\x01\x00\x00\x0e\x10\x00\xff\x02ok", 15 },
		{ "\xc0\x0c\x00\x0c\x00\x01\x00\x00\x0e\x10\x00\x02\x3fx", 14 },
		{ "\xc0\x0c\x00\x0c\x00\x01\x00\x00\x0e\x10\x00\x01\x00", 13 },
	};
	unsigned char message[KS_DNS_MESSAGE];
	char name[KS_DNS_NAME] = "untouched";

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		size_t size = answer("10.0.0.5", 0x8180, 1, records[i].record, records[i].size, message);

		assert_int_equal(read_answer("10.0.0.5", message, size, name), -ENOENT);
	}
	assert_string_equal(name, "untouched");
}

/* Every cut of an answer, and each of its bytes another one, in memory of just that size. */
static void test_damaged_answers_are_survived(void **state)
{
	unsigned char message[KS_DNS_MESSAGE];
	size_t size = answer("10.0.0.5", 0x8180, 1, ptr, sizeof(ptr) - 1, message);
	char name[KS_DNS_NAME];

	for (size_t cut = 0; cut < size; cut++) {
		for (unsigned value = 0; value < 256; value += 5) {
			unsigned char *copy = malloc(cut + 1);

			memcpy(copy, message, cut + 1);
			copy[cut / 2] = (unsigned char)value;
			assert_true(read_answer("10.0.0.5", copy, cut + 1, name) <= 0);
			free(copy);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_a_name),
		cmocka_unit_test(test_a_name_behind_an_alias),
		cmocka_unit_test(test_any_byte_of_a_name_is_shown_as_text),
		cmocka_unit_test(test_broken_names_are_refused),
		cmocka_unit_test(test_damaged_answers_are_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
