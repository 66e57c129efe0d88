/* SPDX-License-Identifier: BSD-2-Clause */
/* Differences between homes; see compare.h. Fields are tables: name, offset, size. */
#include "tests/bpf/compare.h"

#include "engine/entries.h"
#include "engine/translation.h"

#include "text/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOMENT_MS 5000U

struct field {
	const char *name;
	size_t offset, size;
};

#define FIELD(type, member) { #member, offsetof(struct type, member), sizeof(((struct type *)0)->member) }

static const struct field inspection_fields[] = {
	FIELD(ks_inspection, verdict.action),
	FIELD(ks_inspection, verdict.reason),
	FIELD(ks_inspection, verdict.class),
	FIELD(ks_inspection, verdict.state),
	FIELD(ks_inspection, dir),
	FIELD(ks_inspection, flow.found),
	FIELD(ks_inspection, verdict.log),
	FIELD(ks_inspection, verdict.staged),
	FIELD(ks_inspection, verdict.staged_log),
	FIELD(ks_inspection, verdict.rule),
	FIELD(ks_inspection, verdict.rule_index),
	FIELD(ks_inspection, verdict.compare.have),
	FIELD(ks_inspection, verdict.compare.lo),
	FIELD(ks_inspection, verdict.compare.hi),
	FIELD(ks_inspection, home.from),
	FIELD(ks_inspection, to),
	FIELD(ks_inspection, pkt.tuple),
	FIELD(ks_inspection, pkt.wire_len),
	FIELD(ks_inspection, pkt.head_len),
	FIELD(ks_inspection, pkt.l3_off),
	FIELD(ks_inspection, pkt.l4_off),
	FIELD(ks_inspection, pkt.payload_off),
	FIELD(ks_inspection, pkt.flags),
	FIELD(ks_inspection, pkt.link),
	FIELD(ks_inspection, pkt.l3_len),
	FIELD(ks_inspection, pkt.payload_len),
	FIELD(ks_inspection, pkt.seq),
	FIELD(ks_inspection, pkt.ack),
	FIELD(ks_inspection, pkt.sack),
	FIELD(ks_inspection, pkt.window),
	FIELD(ks_inspection, pkt.tcp_flags),
	FIELD(ks_inspection, pkt.wscale),
	FIELD(ks_inspection, pkt.tcp_opts),
	FIELD(ks_inspection, pkt.icmp_type),
	FIELD(ks_inspection, pkt.icmp_code),
	FIELD(ks_inspection, pkt.hop_limit),
	FIELD(ks_inspection, translate),
	FIELD(ks_inspection, mark_mask),
	FIELD(ks_inspection, by_alias),
	FIELD(ks_inspection, opening.replaces),
};

static const struct field flow_fields[] = {
	FIELD(ks_flow, state),		FIELD(ks_flow, flags),		FIELD(ks_flow, zone[0]),
	FIELD(ks_flow, zone[1]),	FIELD(ks_flow, timeout),	FIELD(ks_flow, rule),
	FIELD(ks_flow, packets_low[0]), FIELD(ks_flow, packets_low[1]), FIELD(ks_flow, volume[0]),
	FIELD(ks_flow, volume[1]),	FIELD(ks_flow, end[0]),		FIELD(ks_flow, end[1]),
	FIELD(ks_flow, ack[0]),		FIELD(ks_flow, ack[1]),		FIELD(ks_flow, max_end[0]),
	FIELD(ks_flow, max_end[1]),	FIELD(ks_flow, max_win[0]),	FIELD(ks_flow, max_win[1]),
	FIELD(ks_flow, scale[0]),	FIELD(ks_flow, scale[1]),	FIELD(ks_flow, tcp_flags[0]),
	FIELD(ks_flow, tcp_flags[1]),	FIELD(ks_flow, helper),		FIELD(ks_flow, class_limits),
};

static const struct field record_fields[] = {
	FIELD(ks_flow, state),
	FIELD(ks_flow, zone[0]),
	FIELD(ks_flow, zone[1]),
	FIELD(ks_flow, timeout),
};

static unsigned long long field_number(const void *object, const struct field *field)
{
	unsigned long long number = 0;

	memcpy(&number, (const char *)object + field->offset, field->size < 8 ? field->size : 8);
	return number;
}

static bool fields_differ(const void *a, const void *b, const struct field *fields, size_t count, const char *of,
			  char *text)
{
	for (size_t i = 0; i < count; i++) {
		const struct field *field = &fields[i];

		if (memcmp((const char *)a + field->offset, (const char *)b + field->offset, field->size) == 0)
			continue;
		snprintf(text, DIFFERENCE_TEXT, "%s%s: %llu and %llu", of, field->name, field_number(a, field),
			 field_number(b, field));
		return true;
	}
	return false;
}

/* The slot of an alias depends on the home's secret, its existence does not. */
static bool aliases_differ(const struct ks_flow *a, const struct ks_flow *b, const char *of, char *text)
{
	for (int dir = 0; dir < 2; dir++) {
		if (!a->alias[dir] == !b->alias[dir])
			continue;
		snprintf(text, DIFFERENCE_TEXT, "%salias[%d]: %s", of, dir,
			 a->alias[dir] ? "one and none" : "none and one");
		return true;
	}
	return false;
}

static bool flows_differ(const struct ks_flow *a, const struct ks_flow *b, const char *of, char *text)
{
	return fields_differ(a, b, flow_fields, KS_ARRAY_SIZE(flow_fields), of, text) || aliases_differ(a, b, of, text);
}

/* The key of an entry that is no flow says almost all of it. */
static bool records_differ(const struct ks_flow *a, const struct ks_flow *b, const char *of, char *text)
{
	return fields_differ(a, b, record_fields, KS_ARRAY_SIZE(record_fields), of, text);
}

/* The key is only set once a flow was looked for, and the flow copies belong to it. */
static bool has_flow(const struct ks_inspection *insp)
{
	return insp->flow.found || insp->verdict.state != KS_STATE_NONE;
}

static bool outputs_differ(const struct ks_passage *a, const struct ks_passage *b, char text[DIFFERENCE_TEXT])
{
	__u32 length = KS_MIN(a->output_len, KS_PASSAGE_OUTPUT_MAX);

	if (a->resumed != b->resumed) {
		snprintf(text, DIFFERENCE_TEXT, "fragments that go on: %u and %u", a->resumed, b->resumed);
		return true;
	}
	if (a->output_len != b->output_len) {
		snprintf(text, DIFFERENCE_TEXT, "the length of the packet that leaves: %u and %u", a->output_len,
			 b->output_len);
		return true;
	}
	for (__u32 i = 0; i < length; i++) {
		if (a->output[i] == b->output[i])
			continue;
		snprintf(text, DIFFERENCE_TEXT, "byte %u of the packet that leaves: %02x and %02x", i, a->output[i],
			 b->output[i]);
		return true;
	}
	return false;
}

bool passages_differ(const struct ks_passage *a, const struct ks_passage *b, char text[DIFFERENCE_TEXT])
{
	if (fields_differ(&a->insp, &b->insp, inspection_fields, KS_ARRAY_SIZE(inspection_fields), "", text))
		return true;
	if (has_flow(&a->insp)) {
		if (memcmp(&a->insp.flow.key, &b->insp.flow.key, sizeof(a->insp.flow.key)) != 0) {
			snprintf(text, DIFFERENCE_TEXT, "the flow's key");
			return true;
		}
		if (a->insp.flow.found &&
		    flows_differ(&a->insp.flow.before, &b->insp.flow.before, "flow before: ", text))
			return true;
		if (flows_differ(&a->insp.flow.after, &b->insp.flow.after, "flow after: ", text))
			return true;
	}
	if (outputs_differ(a, b, text))
		return true;
	if (a->insp.verdict.action != KS_REJECT)
		return false;
	if (a->answer_len != b->answer_len || memcmp(a->answer, b->answer, a->answer_len) != 0) {
		snprintf(text, DIFFERENCE_TEXT, "the answer, of %u and %u bytes", a->answer_len, b->answer_len);
		return true;
	}
	return false;
}

static int flow_add(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct flow_list *list = arg;

	/* The homes have clocks of their own: a short-lived entry may have expired by one and not by another. */
	if (key->kind == KS_KIND_FRAGMENT && flow->timeout <= MOMENT_MS)
		return 0;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		void *grown = realloc(list->flows, room * sizeof(*list->flows));

		if (!grown)
			return -ENOMEM;
		list->flows = grown;
		list->room = room;
	}
	list->flows[list->count].key = *key;
	list->flows[list->count++].flow = *flow;
	return 0;
}

static int flow_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ks_flow_key));
}

int flow_list_take(struct flow_list *list, const struct ks_home *home)
{
	int err;

	list->count = 0;
	err = home->ops->each_entry(home->self, flow_add, list);
	if (!err && list->count)
		qsort(list->flows, list->count, sizeof(*list->flows), flow_order);
	return err;
}

void flow_list_fini(struct flow_list *list)
{
	free(list->flows);
	*list = (struct flow_list){ 0 };
}

/* Describes an entry that only one of both has. */
static void lonely_describe(const struct flow_list *list, size_t at, const char *which, char text[DIFFERENCE_TEXT])
{
	const struct listed_flow *entry = &list->flows[at];
	char proto[8], ends[2][KS_ENDPOINT_TEXT];

	for (int i = 0; i < 2; i++)
		ks_endpoint_text(&entry->key.addr[i], entry->key.family, entry->key.port[i], ends[i]);
	snprintf(text, DIFFERENCE_TEXT, "only the %s has %s of kind %u, %s, between %s and %s", which,
		 ks_state_name(entry->flow.state), entry->key.kind,
		 ks_proto_name(entry->key.proto, proto, sizeof(proto)), ends[0], ends[1]);
}

bool flow_lists_differ(const struct flow_list *a, const struct flow_list *b, char text[DIFFERENCE_TEXT])
{
	size_t common = KS_MIN(a->count, b->count);

	for (size_t i = 0; i < common; i++) {
		int order = memcmp(&a->flows[i].key, &b->flows[i].key, sizeof(a->flows[i].key));

		if (order) {
			lonely_describe(order < 0 ? a : b, i, order < 0 ? "first" : "second", text);
			return true;
		}
		if (ks_flow_is_shown(&a->flows[i].key, &a->flows[i].flow)
			    ? flows_differ(&a->flows[i].flow, &b->flows[i].flow, "flow in the table: ", text)
			    : records_differ(&a->flows[i].flow, &b->flows[i].flow, "entry in the table: ", text))
			return true;
	}
	if (a->count == b->count)
		return false;
	lonely_describe(a->count > b->count ? a : b, common, a->count > b->count ? "first" : "second", text);
	return true;
}

void event_list_add(const struct ks_flow_event *event, void *arg)
{
	struct event_list *list = arg;

	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		void *grown = realloc(list->events, room * sizeof(*list->events));

		if (!grown) {
			list->no_memory = true;
			return;
		}
		list->events = grown;
		list->room = room;
	}
	list->events[list->count++] = *event;
}

static int event_order(const void *a, const void *b)
{
	const struct ks_flow_event *one = a, *other = b;
	int order = memcmp(&one->key, &other->key, sizeof(one->key));

	/* A flow may begin more than once in a test: its times are those of the test's clock. */
	if (!order)
		order = (one->flow.created > other->flow.created) - (one->flow.created < other->flow.created);
	if (!order)
		order = (one->flow.seen > other->flow.seen) - (one->flow.seen < other->flow.seen);
	return order ? order : one->kind - other->kind;
}

/* Returns true for a flow that has expired, and whose end nobody has told yet. */
static bool is_to_be_swept(const struct ks_slot *slot, __u64 now)
{
	return ks_flow_is_shown(&slot->key, &slot->flow) && !ks_state_is_closed(slot->flow.state) &&
	       ks_flow_is_expired(&slot->flow, now);
}

static void add_unswept(struct event_list *list, const struct ks_home *home)
{
	struct ks_review_table table;

	home->ops->table(home->self, &table);
	for (__u32 i = 0; i < table.count * KS_BUCKET_SLOTS; i++) {
		struct ks_flow_event event = { .kind = KS_EVENT_END, .why = KS_END_EXPIRED };
		struct ks_slot slot;

		if (!ks_slot_copy(&table.buckets[i / KS_BUCKET_SLOTS].slot[i % KS_BUCKET_SLOTS], &slot) ||
		    !is_to_be_swept(&slot, table.now))
			continue;
		event.key = slot.key;
		event.flow = slot.flow;
		ks_flow_event_note(table.buckets, table.count, &event);
		event_list_add(&event, list);
	}
}

void event_list_complete(struct event_list *list, const struct ks_home *home)
{
	size_t kept = 0;

	add_unswept(list, home);
	if (home->ops->tell_flows(home->self, NULL, NULL))
		list->no_memory = true;
	if (list->count)
		qsort(list->events, list->count, sizeof(*list->events), event_order);
	for (size_t i = 0; i < list->count; i++) {
		if (kept && list->events[i].why == KS_END_EXPIRED && list->events[kept - 1].why == KS_END_EXPIRED &&
		    !event_order(&list->events[i], &list->events[kept - 1]))
			continue;
		list->events[kept++] = list->events[i];
	}
	list->count = kept;
}

void event_list_fini(struct event_list *list)
{
	free(list->events);
	*list = (struct event_list){ 0 };
}

static const char *const kind_names[KS_EVENT_KINDS] = { "a packet", "a begin", "an establishment", "an end" };

static void event_describe(const struct ks_flow_event *event, char text[DIFFERENCE_TEXT])
{
	char proto[8], ends[2][KS_ENDPOINT_TEXT];

	for (int i = 0; i < 2; i++)
		ks_endpoint_text(&event->key.addr[i], event->key.family, event->key.port[i], ends[i]);
	snprintf(text, DIFFERENCE_TEXT, "%s (%s) of %s, %s, between %s and %s, seen at %u", kind_names[event->kind],
		 ks_end_name(event->why), ks_proto_name(event->key.proto, proto, sizeof(proto)),
		 ks_state_name(event->flow.state), ends[0], ends[1], event->flow.seen);
}

/* The aliases of a dead flow may be another's before its end is told: that depends on when the table is swept. */
static bool aliases_agree(const struct ks_flow_event *a, const struct ks_flow_event *b)
{
	return a->why == KS_END_EXPIRED || (a->aliases == b->aliases && !memcmp(a->alias, b->alias, sizeof(a->alias)));
}

static bool events_differ(const struct ks_flow_event *a, const struct ks_flow_event *b, char text[DIFFERENCE_TEXT])
{
	char said[2][DIFFERENCE_TEXT];

	if (!memcmp(&a->key, &b->key, sizeof(a->key)) && a->kind == b->kind && a->why == b->why && aliases_agree(a, b))
		return flows_differ(&a->flow, &b->flow, "flow of an event: ", text);
	event_describe(a, said[0]);
	event_describe(b, said[1]);
	snprintf(text, DIFFERENCE_TEXT, "events: %.110s and %.110s", said[0], said[1]);
	return true;
}

bool event_lists_differ(const struct event_list *a, const struct event_list *b, char text[DIFFERENCE_TEXT])
{
	size_t common = KS_MIN(a->count, b->count);
	char said[DIFFERENCE_TEXT];

	for (size_t i = 0; i < common; i++) {
		if (events_differ(&a->events[i], &b->events[i], text))
			return true;
	}
	if (a->count == b->count)
		return false;
	event_describe(a->count > b->count ? &a->events[common] : &b->events[common], said);
	snprintf(text, DIFFERENCE_TEXT, "only the %s tells %.200s", a->count > b->count ? "first" : "second", said);
	return true;
}
