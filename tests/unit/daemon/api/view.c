/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/api/view.c, daemon/api/view_wish.c, daemon/api/ranking.c: flows counted, sorted and cut, page after page, and the words of the wish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "daemon/api/view.h"

#define FLOWS 500U
#define NOW (1000 * KS_NSEC_PER_SEC)

static struct ks_slot slots[FLOWS];
static __u64 rates[FLOWS][2];

/* Flows whose numbers repeat, so that ties are met. */
static int make_flows(void **state)
{
	srand(12);
	for (unsigned i = 0; i < FLOWS; i++) {
		struct ks_slot *slot = &slots[i];

		slot->key = (struct ks_flow_key){ .proto = i % 3 ? 6 : 17, .family = KS_IPV4 };
		slot->key.addr[0].b[12] = 10;
		slot->key.addr[0].b[15] = (__u8)(rand() % 50);
		slot->key.addr[1].b[12] = 192;
		slot->key.addr[1].b[15] = (__u8)(rand() % 7);
		slot->key.port[0] = ks_be16((__u16)(40000 + rand() % 100));
		slot->key.port[1] = ks_be16((__u16)(80 + rand() % 3));
		slot->flow.state = i % 3 ? KS_STATE_TCP_ESTABLISHED : KS_STATE_UDP_STREAM;
		slot->flow.zone[0] = (__u8)(2 + rand() % 2);
		slot->flow.zone[1] = (__u8)(4 - rand() % 2);
		slot->flow.rule = (__u16)(1 + rand() % 5);
		slot->flow.created = 900 + (__u32)rand() % 90;
		slot->flow.seen = (__u32)(NOW / KS_NSEC_PER_MSEC) - (__u32)rand() % 1000;
		slot->flow.timeout = 60000 + (__u32)rand() % 1000;
		slot->flow.volume[0] = (__u64)rand() % 200;
		slot->flow.volume[1] = (__u64)rand() % 200;
		slot->flow.packets_low[0] = (__u32)rand() % 20;
		rates[i][0] = (__u64)rand() % 30;
	}
	return 0;
}

static int wish_make(struct ks_view_wish *wish, const char *const words[][2])
{
	char complaint[1024] = "";
	int err = 0;

	*wish = (struct ks_view_wish){ 0 };
	for (size_t i = 0; !err && words[i][0]; i++)
		err = ks_view_wish_set(wish, words[i][0], words[i][1], complaint, sizeof(complaint));
	if (!err)
		err = ks_view_wish_check(wish, complaint, sizeof(complaint));
	if (err)
		assert_true(strlen(complaint) > 10);
	return err;
}

static void view_all(struct ks_view *view, const struct ks_view_wish *wish)
{
	assert_int_equal(ks_view_init(view, wish), 0);
	for (unsigned i = 0; i < FLOWS; i++)
		ks_view_add(view, i + 1, &slots[i], rates[i], NOW);
	ks_view_finish(view);
	assert_int_equal(view->matches.flows, FLOWS);
}

static __u64 bytes_of(__u32 id)
{
	return slots[id - 1].flow.volume[0] + slots[id - 1].flow.volume[1];
}

static __u64 left_of(__u32 id)
{
	return slots[id - 1].flow.seen + slots[id - 1].flow.timeout;
}

static __u64 age_of(__u32 id)
{
	return NOW / KS_NSEC_PER_SEC - slots[id - 1].flow.created;
}

static __u64 rate_of(__u32 id)
{
	return rates[id - 1][0];
}

static __u64 source_of(__u32 id)
{
	return slots[id - 1].key.addr[0].b[15];
}

static __u64 port_of(__u32 id)
{
	return ks_be16(slots[id - 1].key.port[1]);
}

static const struct {
	const char *sort, *order;
	__u64 (*value)(__u32 id);
	bool descending;
} orders[] = {
	{ "bytes", NULL, bytes_of, true }, { "bytes", "asc", bytes_of, false },	 { "left", NULL, left_of, false },
	{ "left", "desc", left_of, true }, { "age", NULL, age_of, true },	 { "rate", NULL, rate_of, true },
	{ "port", NULL, port_of, false },  { "source", NULL, source_of, false }, { "source", "desc", source_of, true },
};

/* Page after page, by offset or by cursor, each flow comes once and in order. */
static void check_pages(size_t order, bool by_cursor)
{
	const char *words[][2] = { { "sort", orders[order].sort },
				   { orders[order].order ? "order" : "limit",
				     orders[order].order ? orders[order].order : "37" },
				   { "limit", "37" },
				   { NULL, NULL },
				   { NULL, NULL } };
	char cursor[KS_VIEW_CURSOR_TEXT], offset[16];
	bool seen[FLOWS + 1] = { false }, more = true;
	__u64 last = 0;
	unsigned n = 0;

	for (unsigned page = 0; more; page++) {
		struct ks_view_wish wish;
		struct ks_view view;
		const struct ks_rank *rows;
		size_t count;

		snprintf(offset, sizeof(offset), "%u", page * 37);
		words[3][0] = !page ? NULL : by_cursor ? "cursor" : "offset";
		words[3][1] = by_cursor ? cursor : offset;
		assert_int_equal(wish_make(&wish, words), 0);
		view_all(&view, &wish);
		rows = ks_view_rows(&view, &count);
		for (size_t i = 0; i < count; i++) {
			__u64 value = orders[order].value(rows[i].id);

			assert_false(seen[rows[i].id]);
			seen[rows[i].id] = true;
			if (n++)
				assert_true(orders[order].descending ? value <= last : value >= last);
			last = value;
		}
		more = ks_view_cursor(&view, cursor);
		assert_true(!more || count == 37);
		ks_view_fini(&view);
	}
	assert_int_equal(n, FLOWS);
}

static void test_pages_are_in_order_and_whole(void **state)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(orders); i++) {
		check_pages(i, false);
		check_pages(i, true);
	}
}

static void test_no_rows_is_a_count(void **state)
{
	static const char *const words[][2] = { { "limit", "0" }, { NULL, NULL } };
	struct ks_view_wish wish;
	struct ks_view view;
	size_t count;

	assert_int_equal(wish_make(&wish, words), 0);
	view_all(&view, &wish);
	ks_view_rows(&view, &count);
	assert_int_equal(count, 0);
	ks_view_fini(&view);
}

/* The sums of all groups of a kind are those of all flows; of hosts they are twice that. */
static void check_groups(const char *name, unsigned times)
{
	const char *const words[][2] = { { "group", name }, { "limit", "1000" }, { NULL, NULL } };
	struct ks_sums sums = { 0 };
	struct ks_view_wish wish;
	struct ks_view view;
	const struct ks_rank *rows;
	__u64 last = ~0ULL;
	size_t count;

	assert_int_equal(wish_make(&wish, words), 0);
	view_all(&view, &wish);
	rows = ks_view_rows(&view, &count);
	assert_int_equal(count, view.groups.count);
	for (size_t i = 0; i < count; i++) {
		const struct ks_group *group = &view.groups.list[rows[i].id - 1];

		ks_sums_add(&sums, &group->sums);
		assert_true(ks_sums_size(&group->sums, KS_GROUP_SORT_BYTES) <= last);
		last = ks_sums_size(&group->sums, KS_GROUP_SORT_BYTES);
	}
	assert_int_equal(sums.flows, times * FLOWS);
	assert_int_equal(sums.bytes[0] + sums.bytes[1], times * (view.matches.bytes[0] + view.matches.bytes[1]));
	ks_view_fini(&view);
}

static void test_groups(void **state)
{
	check_groups("host", 2);
	check_groups("source", 1);
	check_groups("destination", 1);
	check_groups("rule", 1);
	check_groups("zone", 1);
	check_groups("port", 1);
	check_groups("protocol", 1);
	check_groups("state", 1);
}

/* A host's first number is what it has sent, whichever side it was. */
static void test_a_host_has_what_it_sent_and_got(void **state)
{
	static const char *const words[][2] = { { "group", "host" }, { "sort", "flows" }, { NULL, NULL } };
	struct ks_slot pair[2] = { slots[0], slots[0] };
	struct ks_view_wish wish;
	struct ks_view view;
	static const __u64 none[2];

	pair[1].flow.flags = KS_FLOW_ORIG_IS_HIGH;
	for (unsigned i = 0; i < 2; i++) {
		pair[i].flow.volume[0] = 100;
		pair[i].flow.volume[1] = 7;
	}
	assert_int_equal(wish_make(&wish, words), 0);
	assert_int_equal(ks_view_init(&view, &wish), 0);
	ks_view_add(&view, 1, &pair[0], none, NOW);
	ks_view_add(&view, 2, &pair[1], none, NOW);
	ks_view_finish(&view);
	assert_int_equal(view.groups.count, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(view.groups.list[i].sums.flows, 2);
		assert_int_equal(view.groups.list[i].sums.bytes[0], 107);
		assert_int_equal(view.groups.list[i].sums.bytes[1], 107);
	}
	ks_view_fini(&view);
}

static void test_wrong_wishes_are_refused(void **state)
{
	static const char *const wrong[][5][2] = {
		{ { "sort", "colour" } },
		{ { "sort", "" } },
		{ { "sort", "flows" } },
		{ { "order", "down" } },
		{ { "limit", "10001" } },
		{ { "limit", "-1" } },
		{ { "limit", "1x" } },
		{ { "limit", "" } },
		{ { "offset", "100001" } },
		{ { "offset", "99999" }, { "limit", "2" } },
		{ { "cursor", "1.2" } },
		{ { "cursor", "1.2.3." } },
		{ { "cursor", "1.2.100000000" } },
		{ { "cursor", "11111111111111111.0.0" } },
		{ { "cursor", "1.0.2" }, { "offset", "0" } },
		{ { "cursor", "1.0.2" }, { "group", "host" } },
		{ { "group", "hosts" } },
		{ { "group", "host" }, { "sort", "age" } },
		{ { "rates", "yes" } },
		{ { "colour", "red" } },
	};
	static const char *const right[][2] = {
		{ "cursor", "1.0.2" }, { "limit", "10000" }, { "sort", "age" }, { NULL, NULL }
	};
	struct ks_view_wish wish;

	for (size_t i = 0; i < KS_ARRAY_SIZE(wrong); i++) {
		if (wish_make(&wish, wrong[i]) != -EINVAL)
			fail_msg("%s=%s is accepted", wrong[i][0][0], wrong[i][0][1]);
	}
	assert_int_equal(wish_make(&wish, right), 0);
	assert_int_equal(wish.cursor.id, 2);
	assert_false(wish.ascending);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_are_in_order_and_whole),
		cmocka_unit_test(test_no_rows_is_a_count),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_a_host_has_what_it_sent_and_got),
		cmocka_unit_test(test_wrong_wishes_are_refused),
	};

	return cmocka_run_group_tests(tests, make_flows, NULL);
}
