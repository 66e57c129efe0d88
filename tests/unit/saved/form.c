/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of saved states: every field of every kind of entry comes back, and a byte that is not right refuses all of it. */
#include "core/header/packet.h"
#include "core/helper/id.h"
#include "saved/fields.h"
#include "saved/names.h"
#include "tests/unit/saved/support.h"

static const char policy_text[] = "zone lan { eth1 }\n"
				  "zone wan { eth0 }\n"
				  "zone dmz { eth2 }\n"
				  "allow from lan to wan\n"
				  "allow from wan to dmz tcp port 80\n";

#define ROUNDS 300

static __u64 seed = 1;

static __u32 any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (__u32)(seed >> 16);
}

static void fill(void *at, size_t size)
{
	__u8 *byte = at;

	while (size--)
		*byte++ = (__u8)any();
}

static __u8 any_zone(void)
{
	return (__u8)(any() % (KS_ZONE_FIRST + 3));
}

/* --- entries of any kind with any fields --- */

static void any_key(struct ks_flow_key *key, unsigned kind)
{
	static const __u8 protos[] = { KS_PROTO_TCP,  KS_PROTO_UDP,  KS_PROTO_SCTP,
				       KS_PROTO_DCCP, KS_PROTO_ICMP, KS_PROTO_GRE };
	struct ks_saved_link link = { kind == KS_KIND_QUESTION ? KS_SAVED_LINK_QUESTION : (__u8)(any() % 3),
				      { any_zone(), any_zone() } };

	fill(key, sizeof(*key));
	key->family = any() & 1 ? KS_IPV4 : KS_IPV6;
	for (unsigned i = 0; i < 2 && key->family == KS_IPV4; i++)
		memset(key->addr[i].b, 0, IPV4_FIRST_BYTE);
	key->proto = protos[any() % KS_ARRAY_SIZE(protos)];
	key->kind = kind & (KS_KIND_MAX - 1);
	if (link.form == KS_SAVED_LINK_NONE)
		link.zone[0] = 0;
	key->link = ks_saved_link_join(&link);
}

/* The beginning of an entry. `seen` is an age already. */
static void any_life(struct ks_flow *entry, __u8 state, const struct ks_saved_bit *bits)
{
	entry->version = 0;
	entry->state = state;
	entry->flags = ks_saved_bits_in(bits, (__u8)any());
	entry->zone[0] = any_zone();
	entry->zone[1] = any_zone();
	entry->seen = any() % 1000000;
	entry->timeout = entry->seen + any() % 1000000;
}

static void any_union(const struct ks_flow_key *key, struct ks_flow *flow)
{
	__u32 kept[8] = { 0 };

	switch (key->proto) {
	case KS_PROTO_TCP:
		for (unsigned dir = 0; dir < 2; dir++)
			flow->tcp_flags[dir] = ks_saved_bits_in(ks_saved_tcp_bits, (__u8)any());
		return;
	case KS_PROTO_SCTP:
		memset(&flow->sctp + 1, 0, sizeof(flow->own) - sizeof(flow->sctp));
		return;
	case KS_PROTO_DCCP:
		return;
	case KS_PROTO_UDP:
		memset(flow->dns.zero, 0, sizeof(flow->dns.zero));
		memcpy(kept, &flow->dns, flow->class == KS_UDP_DNS ? sizeof(flow->dns) : 0);
	}
	memcpy(flow->own, kept, sizeof(kept));
}

static void any_alias(struct ks_transplant *of, unsigned side)
{
	struct ks_record *alias = ks_record_edit(&of->alias[side]);
	__u16 rule = (__u16)any();

	of->has_alias[side] = true;
	any_key(&of->alias_key[side], KS_KIND_FLOW);
	any_life(&of->alias[side], KS_STATE_ALIAS, ks_saved_flow_bits);
	memset(alias->own, 0, sizeof(alias->own));
	alias->alias.side = (__u8)side;
	alias->alias.rule = rule;
}

static void any_flow(struct ks_transplant *of)
{
	struct ks_flow *flow = &of->flow;

	fill(flow, sizeof(*flow));
	any_life(flow, (__u8)(KS_STATE_TCP_SYN_SENT + any() % (KS_STATE_ALIAS - KS_STATE_TCP_SYN_SENT)),
		 ks_saved_flow_bits);
	flow->alias[0] = flow->alias[1] = 0;
	flow->created %= 5000; /* the box is not older */
	flow->helper = (__u8)(any() % KS_HELPER_MAX);
	flow->class = (any() % (KS_UDP_SIP + 1)) & 0xfU;
	flow->limits = 0; /* limits count it again */
	any_union(&of->key, flow);
	for (unsigned side = 0; side < 2; side++) {
		if (any() & 1)
			any_alias(of, side);
	}
}

static void any_address(unsigned family, struct ks_addr *addr)
{
	fill(addr, sizeof(*addr));
	if (family == KS_IPV4)
		memset(addr->b, 0, IPV4_FIRST_BYTE);
}

static void any_record(struct ks_saved_entry *entry)
{
	struct ks_record *record = ks_record_edit(&entry->of.flow);
	unsigned family = entry->of.key.family;

	*record = (struct ks_record){ 0 };
	switch (entry->of.key.kind) {
	case KS_KIND_EXPECT:
		any_life(&entry->of.flow, KS_STATE_EXPECTED, ks_saved_mapping_bits);
		any_address(family, &record->expectation.to);
		any_address(family, &record->expectation.name);
		record->expectation.port = (__be16)any();
		record->expectation.rule = (__u16)any();
		any_key(&entry->control, KS_KIND_FLOW);
		return;
	case KS_KIND_HELPER_ORIGINAL:
	case KS_KIND_HELPER_REPLY:
		any_life(&entry->of.flow, KS_STATE_HELPER, ks_saved_memory_bits);
		fill(&record->memory.next, sizeof(record->memory.next));
		fill(&record->memory.shift, sizeof(record->memory.shift));
		record->memory.form = (__u8)any();
		record->memory.len = (__u8)any();
		record->memory.port = (__u16)any();
		record->asked = (__u8)any();
		record->answered = (__u8)any();
		return;
	case KS_KIND_QUESTION:
		any_life(&entry->of.flow, KS_STATE_ASKED, ks_saved_mapping_bits);
		record->question.rule = (__u16)any();
		record->question.is_near = any() & 1;
		return;
	}
	any_life(&entry->of.flow, KS_STATE_MAPPING, ks_saved_mapping_bits);
	any_address(family, &record->mapping.addr);
	record->mapping.port = (__be16)any();
	record->mapping.rule = (__u16)any();
	any_address(family, &record->mapping.peer);
	record->mapping.peer_port = (__be16)any();
}

static void any_entry(struct ks_saved_entry *entry)
{
	static const __u8 kinds[] = { KS_KIND_FLOW,
				      KS_KIND_FLOW,
				      KS_KIND_FLOW,
				      KS_KIND_MAPPING_OUT,
				      KS_KIND_MAPPING_IN,
				      KS_KIND_PERMIT,
				      KS_KIND_HELPER_ORIGINAL,
				      KS_KIND_HELPER_REPLY,
				      KS_KIND_QUESTION,
				      KS_KIND_EXPECT };

	*entry = (struct ks_saved_entry){ 0 };
	any_key(&entry->of.key, kinds[any() % KS_ARRAY_SIZE(kinds)]);
	if (entry->of.key.kind == KS_KIND_FLOW)
		any_flow(&entry->of);
	else
		any_record(entry);
}

/* --- fields --- */

static void identity(__u8 map[256])
{
	for (unsigned i = 0; i < 256; i++)
		map[i] = (__u8)i;
}

static void test_every_field_comes_back(void **state)
{
	__u8 body[KS_SAVED_BODY_MAX], same[256];

	identity(same);
	for (unsigned i = 0; i < 20 * ROUNDS; i++) {
		struct ks_saved_entry entry, back = { 0 }, copy;
		struct ks_saved_io out = { .out = body, .size = sizeof(body) }, in = { .in = body };

		any_entry(&entry);
		copy = entry;
		ks_saved_fields(&out, &copy);
		assert_false(out.is_wrong);
		in.size = out.at;
		for (unsigned list = 0; list < KS_SAVED_ZONES; list++)
			in.maps[list] = same;
		back.of.key.kind = entry.of.key.kind;
		ks_saved_fields(&in, &back);
		assert_false(in.is_wrong);
		assert_int_equal(in.at, in.size);
		assert_memory_equal(&back, &entry, sizeof(entry));
	}
}

/* Written without its last byte, or read without it, an entry is wrong. */
static void test_a_field_that_is_missing_is_wrong(void **state)
{
	__u8 body[KS_SAVED_BODY_MAX], same[256];

	identity(same);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct ks_saved_entry entry, copy;
		struct ks_saved_io out = { .out = body, .size = sizeof(body) }, in = { .in = body };

		any_entry(&entry);
		copy = entry;
		ks_saved_fields(&out, &copy);
		in.size = any() % out.at;
		for (unsigned list = 0; list < KS_SAVED_ZONES; list++)
			in.maps[list] = same;
		copy = (struct ks_saved_entry){ .of.key.kind = entry.of.key.kind };
		ks_saved_fields(&in, &copy);
		assert_true(in.is_wrong);
	}
}

/* --- whole files --- */

struct expected {
	struct ks_saved_entry list[ROUNDS];
	size_t count, met;
};

/* Puts the entry into the box's table, whose clock it has then. Expectations need a control connection: test_restore has them. */
static bool put(struct box *box, const struct ks_saved_entry *entry)
{
	__u32 clock = ks_flow_clock(ks_engine_time(box->engine));
	struct ks_transplant of = entry->of;

	if (of.key.kind == KS_KIND_EXPECT || of.flow.seen > of.flow.timeout)
		return false;
	of.flow.seen = clock - of.flow.seen;
	if (of.key.kind != KS_KIND_FLOW)
		return !ks_engine_add_flow(box->engine, &of.key, &of.flow);
	of.flow.created = (__u32)(ks_engine_time(box->engine) / KS_NSEC_PER_SEC) - of.flow.created;
	return !ks_engine_transplant(box->engine, &of);
}

/* An alias has no age of its own: it is put there now. */
static int meet(const struct ks_saved_entry *entry, void *arg)
{
	struct expected *expected = arg;

	for (size_t i = 0; i < expected->count; i++) {
		struct ks_saved_entry wanted = expected->list[i];

		for (unsigned side = 0; side < 2; side++)
			wanted.of.alias[side].seen = 0;
		if (memcmp(&wanted.of.key, &entry->of.key, sizeof(wanted.of.key)))
			continue;
		assert_memory_equal(&wanted, entry, sizeof(wanted));
		expected->met++;
		return 0;
	}
	fail_msg("an entry that was never there");
	return 1;
}

static void fill_table(struct box *box, struct expected *expected)
{
	*expected = (struct expected){ 0 };
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct ks_saved_entry *entry = &expected->list[expected->count];

		any_entry(entry);
		expected->count += put(box, entry);
	}
	assert_true(expected->count > ROUNDS / 2);
}

static void test_a_table_comes_back(void **state)
{
	static struct expected expected;
	ks_auto_saved struct ks_saved *saved = NULL;
	struct bytes bytes;
	struct box box;

	box_open(&box, policy_text, NULL);
	fill_table(&box, &expected);
	bytes = box_save(&box, true);
	saved = bytes_open(&bytes);
	assert_int_equal(ks_saved_each(saved, meet, &expected), 0);
	assert_int_equal(expected.met, expected.count);
	assert_int_equal(ks_saved_unknown(saved), 0);
	assert_true(ks_saved_moment(saved)->quiet);
	assert_int_equal(ks_saved_moment(saved)->wall, saved_moment.wall);
	assert_int_equal(ks_saved_moment(saved)->boottime, saved_moment.boottime);
	assert_memory_equal(ks_saved_moment(saved)->boot, saved_moment.boot, KS_SAVED_BOOT_ID);
	assert_string_equal(ks_saved_zone(saved, KS_ZONE_SELF), "self");
	assert_string_equal(ks_saved_zone(saved, KS_ZONE_FIRST + 2), "dmz");
	assert_null(ks_saved_zone(saved, KS_ZONE_FIRST + 3));
	assert_string_equal(ks_saved_rule(saved, box.ids.rules[1].id), box.ids.rules[1].text);
	free(bytes.at);
	box_close(&box);
}

static void test_dead_entries_are_left_out(void **state)
{
	struct bytes bytes;
	struct box box;

	box_open(&box, policy_text, NULL);
	assert_true(box_passes(&box, "lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp syn"));
	ks_engine_set_time(box.engine, BOX_START + 3600 * KS_NSEC_PER_SEC);
	bytes = box_save(&box, true);
	assert_int_equal(bytes.flows, 0);
	free(bytes.at);
	box_close(&box);
}

static void test_a_deadline_ends_it(void **state)
{
	struct ks_saved_table table;
	struct box box;
	FILE *out = fopen("/dev/null", "w");
	__u64 flows;

	box_open(&box, policy_text, NULL);
	table = box_table(&box);
	table.deadline = 1;
	assert_int_equal(ks_saved_write(out, &table, &saved_moment, &flows), -ETIME);
	fclose(out);
	box_close(&box);
}

static void test_a_full_disk_is_an_error(void **state)
{
	struct ks_saved_table table;
	struct box box;
	FILE *out = fopen("/dev/full", "w");
	__u64 flows = 7;

	box_open(&box, policy_text, NULL);
	table = box_table(&box);
	assert_int_equal(ks_saved_write(out, &table, &saved_moment, &flows), -ENOSPC);
	assert_int_equal(flows, 7);
	fclose(out);
	box_close(&box);
}

static int refused(const void *bytes, size_t size)
{
	char error[KS_SAVED_ERROR] = "";
	struct ks_saved *saved = NULL;
	int err = ks_saved_open(bytes, size, &saved, error);

	assert_true(!err == !*error);
	ks_saved_close(saved);
	return err;
}

/* A file with some flows and records. */
static struct bytes small_file(void)
{
	struct bytes bytes;
	struct box box;

	box_open(&box, policy_text, NULL);
	for (unsigned i = 0; i < 20; i++) {
		struct ks_saved_entry entry;

		any_entry(&entry);
		put(&box, &entry);
	}
	bytes = box_save(&box, false);
	box_close(&box);
	return bytes;
}

static void test_every_byte_counts(void **state)
{
	struct bytes bytes = small_file();
	char was;

	assert_int_equal(refused(bytes.at, bytes.size), 0);
	for (size_t i = 0; i < bytes.size; i++) {
		assert_int_equal(refused(bytes.at, i), -EBADMSG);
		was = bytes.at[i];
		bytes.at[i] = (char)((__u8)was ^ (1 + any() % 255));
		assert_int_equal(refused(bytes.at, bytes.size), -EBADMSG);
		bytes.at[i] = was;
	}
	free(bytes.at);
}

static void put_sum(char *at, size_t size)
{
	__u32 sum = ks_saved_crc(0, at, size - KS_SAVED_CRC_SIZE);

	for (unsigned i = 0; i < KS_SAVED_CRC_SIZE; i++)
		at[size - 1 - i] = (char)(sum >> 8 * i);
}

/* A file with a right checksum is refused with a reason, or its entries have numbers in range. */
static int look(const struct ks_saved_entry *entry, void *arg)
{
	const struct ks_saved *saved = arg;

	assert_true(entry->of.flow.state < KS_STATE_MAX);
	if (entry->of.key.kind == KS_KIND_FLOW) {
		assert_true(ks_flow_is_shown(&entry->of.key, &entry->of.flow));
		assert_true(entry->of.flow.helper < KS_HELPER_MAX);
		assert_non_null(ks_saved_zone(saved, entry->of.flow.zone[0]));
		assert_non_null(ks_saved_zone(saved, entry->of.flow.zone[1]));
	}
	return 0;
}

static void test_a_right_checksum_is_not_enough(void **state)
{
	struct bytes bytes = small_file();
	ks_auto_free char *copy = malloc(bytes.size);
	unsigned good = 0;

	assert_non_null(copy);
	for (unsigned i = 0; i < 20 * ROUNDS; i++) {
		char error[KS_SAVED_ERROR] = "";
		struct ks_saved *saved = NULL;

		memcpy(copy, bytes.at, bytes.size);
		copy[any() % bytes.size] = (char)any();
		if (any() & 1)
			copy[any() % bytes.size] = (char)any();
		put_sum(copy, bytes.size);
		if (ks_saved_open(copy, bytes.size, &saved, error)) {
			assert_true(*error);
			continue;
		}
		good++;
		ks_saved_each(saved, look, saved);
		ks_saved_close(saved);
	}
	assert_true(good);
	free(bytes.at);
}

static void test_another_form_is_refused(void **state)
{
	struct bytes bytes = small_file();
	char error[KS_SAVED_ERROR] = "";
	struct ks_saved *saved;

	bytes.at[KS_SAVED_MAGIC_SIZE + 1] = KS_SAVED_FORM + 1;
	put_sum(bytes.at, bytes.size);
	assert_int_equal(ks_saved_open(bytes.at, bytes.size, &saved, error), -EBADMSG);
	assert_non_null(strstr(error, "form 2"));
	free(bytes.at);
}

/* An entry of a kind of tomorrow, before the end. */
static void test_unknown_kinds_are_left_out(void **state)
{
	static const char tomorrow[] = { 99, 0, 3, 'a', 'b', 'c' };
	struct bytes bytes = small_file();
	size_t end = bytes.size - KS_SAVED_CRC_SIZE - 9, size = bytes.size + sizeof(tomorrow);
	ks_auto_free char *copy = malloc(size);
	ks_auto_saved struct ks_saved *saved = NULL;

	assert_non_null(copy);
	memcpy(copy, bytes.at, end);
	memcpy(copy + end, tomorrow, sizeof(tomorrow));
	memcpy(copy + end + sizeof(tomorrow), bytes.at + end, bytes.size - end);
	copy[size - KS_SAVED_CRC_SIZE - 1]++; /* the number of entries */
	put_sum(copy, size);
	saved = bytes_open(&(struct bytes){ copy, size, 0 });
	assert_int_equal(ks_saved_unknown(saved), 1);
	free(bytes.at);
}

static void test_the_checksum_is_the_known_one(void **state)
{
	/* RFC 3720 B.4 */
	__u8 bytes[32];

	assert_int_equal(ks_saved_crc(0, "123456789", 9), 0xe3069283);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(ks_saved_crc(0, bytes, sizeof(bytes)), 0x62a8ab43);
	assert_int_equal(ks_saved_crc(ks_saved_crc(0, "1234567", 7), "89", 2), 0xe3069283);
}

static void test_the_time_between(void **state)
{
	struct ks_saved_moment from = saved_moment, to = saved_moment;

	to.boottime += 700;
	to.wall += 9000000; /* somebody set it */
	assert_int_equal(ks_saved_elapsed(&from, &to), 700);
	to.boot[0]++;
	to.boottime = 20000;
	to.wall = from.wall + 90000;
	assert_int_equal(ks_saved_elapsed(&from, &to), 90000);
	to.wall = from.wall - 1;
	assert_int_equal(ks_saved_elapsed(&from, &to), 20000);
	to.wall = from.wall + 5;
	assert_int_equal(ks_saved_elapsed(&from, &to), 20000);
	memset(from.boot, 0, sizeof(from.boot));
	memset(to.boot, 0, sizeof(to.boot));
	to.boottime = from.boottime + 1;
	assert_int_equal(ks_saved_elapsed(&from, &to), from.boottime + 1);
}

static void test_now(void **state)
{
	static const __u8 none[KS_SAVED_BOOT_ID];
	struct ks_saved_moment now, later;

	ks_saved_now(&now);
	ks_saved_now(&later);
	assert_true(now.wall > 1000000000000ULL && memcmp(now.boot, none, sizeof(none)));
	assert_true(ks_saved_elapsed(&now, &later) < 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_field_comes_back),
		cmocka_unit_test(test_a_field_that_is_missing_is_wrong),
		cmocka_unit_test(test_a_table_comes_back),
		cmocka_unit_test(test_dead_entries_are_left_out),
		cmocka_unit_test(test_a_deadline_ends_it),
		cmocka_unit_test(test_a_full_disk_is_an_error),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_a_right_checksum_is_not_enough),
		cmocka_unit_test(test_another_form_is_refused),
		cmocka_unit_test(test_unknown_kinds_are_left_out),
		cmocka_unit_test(test_the_checksum_is_the_known_one),
		cmocka_unit_test(test_the_time_between),
		cmocka_unit_test(test_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
