/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/host_answer.c: answers of name servers, right, strange and damaged; daemon/hosts.c: what is kept of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/daemon.h"
#include "daemon/hosts.h"

#define A 1
#define CNAME 5
#define AAAA 28
#define NOERROR 0
#define SERVFAIL 2
#define NXDOMAIN 3

/* A message that is being made. */
static unsigned char message[65535];
static size_t size;
static struct ks_host_addresses found;

static void put16(unsigned value)
{
	message[size++] = (unsigned char)(value >> 8);
	message[size++] = (unsigned char)value;
}

static void put_name(const char *name)
{
	while (*name) {
		size_t length = strcspn(name, ".");

		message[size++] = (unsigned char)length;
		memcpy(message + size, name, length);
		size += length;
		name += length + (name[length] == '.');
	}
	message[size++] = 0;
}

static void begin(const char *name, unsigned type, unsigned rcode)
{
	memset(message, 0, sizeof(message));
	size = 0;
	put16(0x1234);
	put16(0x8180 | rcode);
	put16(1);
	put16(0); /* answers: counted by record() */
	put16(0);
	put16(0);
	put_name(name);
	put16(type);
	put16(1);
}

static void record(const char *owner, unsigned type, unsigned ttl, const void *data, size_t length)
{
	put_name(owner);
	put16(type);
	put16(1);
	put16(ttl >> 16);
	put16(ttl & 0xffff);
	put16((unsigned)length);
	memcpy(message + size, data, length);
	size += length;
	message[7]++;
	message[6] = (unsigned char)(message[6] + !message[7]);
}

static void alias(const char *owner, unsigned ttl, const char *target)
{
	unsigned char data[300];
	size_t length = 0, here = size;

	put_name(target);
	length = size - here;
	memcpy(data, message + here, length);
	size = here;
	record(owner, CNAME, ttl, data, length);
}

static int read_as(const char *name, __u8 family)
{
	memset(&found, 0xee, sizeof(found));
	return ks_host_answer_read(message, size, name, family, &found);
}

static const unsigned char one[4] = { 192, 0, 2, 1 }, two[4] = { 192, 0, 2, 2 };
static const unsigned char six[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };

static void test_addresses(void **state)
{
	begin("www.example.com", A, NOERROR);
	record("www.example.com", A, 300, one, 4);
	record("WWW.Example.COM", A, 60, two, 4);
	record("other.example.com", A, 5, two, 4);
	assert_int_equal(read_as("www.example.com", KS_IPV4), 0);
	assert_int_equal(found.count, 2);
	assert_int_equal(found.ttl, 60);
	assert_int_equal(found.list[0].family, KS_IPV4);
	assert_int_equal(found.list[0].length, 32);
	assert_memory_equal(found.list[0].addr.b + 12, one, 4);
	assert_int_equal(found.list[0].addr.d[0], 0);
	assert_int_equal(read_as("www.example.com", KS_IPV6), 0);
	assert_int_equal(found.count, 0);
	assert_int_equal(found.ttl, 0);
	begin("www.example.com", AAAA, NOERROR);
	record("www.example.com", AAAA, 0x80000001U, six, 16);
	assert_int_equal(read_as("www.example.com", KS_IPV6), 0);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.ttl, 0);
	assert_int_equal(found.list[0].length, 128);
	assert_memory_equal(found.list[0].addr.b, six, 16);
}

static void test_aliases(void **state)
{
	begin("www.example.com", A, NOERROR);
	record("c.example.net", A, 300, one, 4);
	alias("b.example.net", 40, "c.example.net");
	alias("www.example.com", 50, "b.example.net");
	record("www.example.com", A, 10, two, 4); /* an alias has no address */
	assert_int_equal(read_as("www.example.com", KS_IPV4), 0);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.ttl, 40);
	assert_memory_equal(found.list[0].addr.b + 12, one, 4);
}

static void test_aliases_in_a_circle(void **state)
{
	begin("a.example", A, NOERROR);
	alias("a.example", 1, "b.example");
	alias("b.example", 1, "a.example");
	assert_int_equal(read_as("a.example", KS_IPV4), -ELOOP);
	assert_int_equal(found.count, 0xeeeeeeee);
}

static void test_outcomes(void **state)
{
	begin("a.example", A, NXDOMAIN);
	assert_int_equal(read_as("a.example", KS_IPV4), -ENOENT);
	begin("a.example", A, SERVFAIL);
	assert_int_equal(read_as("a.example", KS_IPV4), -EAGAIN);
	begin("a.example", A, NOERROR);
	record("a.example", A, 1, one, 4);
	message[2] &= 0x7f; /* a question */
	assert_int_equal(read_as("a.example", KS_IPV4), -EBADMSG);
}

static void test_addresses_of_nobody(void **state)
{
	static const unsigned char bad4[][4] = {
		{ 0, 0, 0, 0 }, { 127, 0, 0, 1 }, { 224, 0, 0, 1 }, { 255, 255, 255, 255 }
	};
	static const unsigned char bad6[][16] = {
		{ 0 }, { [15] = 1 }, { [10] = 0xff, 0xff, 10, 0, 0, 1 }, { 0xff, 2, [15] = 1 }
	};
	static const unsigned char nat64[16] = { 0, 0x64, 0xff, 0x9b, [12] = 192, 0, 2, 1 };

	begin("a.example", A, NOERROR);
	for (size_t i = 0; i < 4; i++)
		record("a.example", A, 1, bad4[i], 4);
	record("a.example", A, 90, one, 4);
	assert_int_equal(read_as("a.example", KS_IPV4), 0);
	assert_int_equal(found.count, 1);
	assert_int_equal(found.ttl, 90);
	begin("a.example", AAAA, NOERROR);
	for (size_t i = 0; i < 4; i++)
		record("a.example", AAAA, 1, bad6[i], 16);
	record("a.example", AAAA, 90, nat64, 16);
	assert_int_equal(read_as("a.example", KS_IPV6), 0);
	assert_int_equal(found.count, 1);
}

static void test_many(void **state)
{
	begin("a.example", A, NOERROR);
	for (unsigned i = 0; i < 1000; i++)
		record("a.example", A, 90, (unsigned char[]){ 10, 1, (unsigned char)(i >> 8), (unsigned char)i }, 4);
	assert_int_equal(read_as("a.example", KS_IPV4), 0);
	assert_int_equal(found.count, KS_HOST_ADDRESSES_MAX);
}

static void test_wrong_lengths(void **state)
{
	begin("a.example", A, NOERROR);
	record("a.example", A, 90, one, 3);
	assert_int_equal(read_as("a.example", KS_IPV4), -EBADMSG);
	begin("a.example", A, NOERROR);
	record("a.example", A, 90, six, 16);
	assert_int_equal(read_as("a.example", KS_IPV4), -EBADMSG);
	begin("a.example", A, NOERROR);
	record("a.example", CNAME, 90, "\xc0\xff", 2); /* points behind the message */
	assert_int_equal(read_as("a.example", KS_IPV4), -EBADMSG);
	begin("a.example", A, NOERROR);
	message[7] = 9; /* records that are not there */
	assert_int_equal(read_as("a.example", KS_IPV4), -EBADMSG);
	size = 0;
	assert_int_equal(read_as("a.example", KS_IPV4), -EBADMSG);
}

/* Reads a copy that ends where its memory does, for sanitizers. */
static void read_copy(const unsigned char *bytes, size_t length)
{
	unsigned char *copy = malloc(length ? length : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	memset(&found, 0, sizeof(found));
	err = ks_host_answer_read(copy, length, "www.example.com", KS_IPV4, &found);
	assert_true(err <= 0 && found.count <= KS_HOST_ADDRESSES_MAX);
	free(copy);
}

static void test_damaged(void **state)
{
	uint64_t seed = 7;
	unsigned char whole[1024];

	begin("www.example.com", A, NOERROR);
	alias("www.example.com", 50, "b.example.net");
	record("b.example.net", A, 300, one, 4);
	record("b.example.net", A, 300, two, 4);
	for (size_t length = 0; length < size; length++)
		read_copy(message, length);
	for (unsigned round = 0; round < 100000; round++) {
		memcpy(whole, message, size);
		for (unsigned n = 0; n < 1 + round % 4; n++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): begin() has written a header. */
			whole[(seed >> 33) % size] = (unsigned char)(seed >> 25);
		}
		read_copy(whole, size);
	}
}

/* --- what is kept --- */

static struct ks_host_answer answer;

static void hear(struct ks_host *host, unsigned ttl, unsigned last)
{
	memset(&answer, 0, sizeof(answer));
	answer.outcome[0] = KS_HOST_FOUND;
	answer.outcome[1] = KS_HOST_EMPTY;
	answer.of[0].count = 1;
	answer.of[0].ttl = ttl;
	answer.of[0].list[0].family = KS_IPV4;
	answer.of[0].list[0].length = 32;
	answer.of[0].list[0].addr.b[15] = (__u8)last;
	ks_host_take(host, &answer, 0);
}

static void test_the_last_good_answer_stays(void **state)
{
	struct ks_hosts hosts = { .list = calloc(1, sizeof(struct ks_host)), .count = 1 };
	struct ks_host *host = hosts.list;

	assert_non_null(host);
	hear(host, 5, 1);
	assert_int_equal(host->next, 30 * KS_NSEC_PER_SEC);
	hear(host, 100, 1);
	assert_int_equal(host->next, 100 * KS_NSEC_PER_SEC);
	hear(host, 1000000, 2);
	assert_int_equal(host->next, 3600 * KS_NSEC_PER_SEC);
	assert_true(host->answered && host->resolved && !host->failed);
	assert_int_equal(host->gone_count[0], 1);
	assert_int_equal(host->gone[0][0].addr.b[15], 1);
	memset(&answer, 0, sizeof(answer));
	strcpy(answer.why, "nobody is there");
	ks_host_take(host, &answer, 0);
	assert_int_equal(host->next, 30 * KS_NSEC_PER_SEC);
	assert_true(host->failed);
	assert_string_equal(host->why, "nobody is there");
	assert_int_equal(host->count[0], 1);
	assert_int_equal(host->address[0][0].addr.b[15], 2);
	assert_int_equal(host->gone_count[0], 0);
	answer.outcome[0] = answer.outcome[1] = KS_HOST_EMPTY; /* no address at all is no good answer */
	ks_host_take(host, &answer, 0);
	assert_int_equal(host->count[0], 1);
	hear(host, 100, 3);
	assert_false(host->failed);
	assert_int_equal(host->address[0][0].addr.b[15], 3);
	ks_hosts_fini(&hosts);
}

static void test_one_family_fails(void **state)
{
	struct ks_hosts hosts = { .list = calloc(1, sizeof(struct ks_host)), .count = 1 };
	struct ks_host *host = hosts.list;

	assert_non_null(host);
	hear(host, 100, 1);
	answer.outcome[0] = KS_HOST_FAILED;
	answer.outcome[1] = KS_HOST_FOUND;
	answer.of[1] = answer.of[0];
	answer.of[1].list[0].family = KS_IPV6;
	ks_host_take(host, &answer, 0);
	assert_int_equal(host->count[0], 1);
	assert_int_equal(host->count[1], 1);
	assert_true(host->failed);
	assert_int_equal(host->next, 30 * KS_NSEC_PER_SEC);
	ks_hosts_fini(&hosts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_aliases_in_a_circle),
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_addresses_of_nobody),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_wrong_lengths),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_the_last_good_answer_stays),
		cmocka_unit_test(test_one_family_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
