/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /v1/mappings, and the filter of what is no flow; see records.h. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api.h"
#include "daemon/api/forms.h"
#include "daemon/api/records.h"
#include "engine/entries.h"
#include "text/json.h"
#include "text/names.h"
#include "text/scoped.h"

#define LISTED_BUCKETS 1024U /* in one call */

/* --- the filter --- */

/* A mapping as a flow without the other side: from the inner endpoint, or from the outer one. */
static bool match_mapping(const struct ks_filter *filter, const struct ks_flow_key *key, const struct ks_record *record)
{
	struct ks_tuple faces[2] = {
		{ .src = key->addr[0], .sport = key->port[0], .proto = key->proto, .family = key->family }
	};

	if (key->kind == KS_KIND_PERMIT)
		faces[0].dst = key->addr[1];
	faces[1] = faces[0];
	faces[1].src = record->mapping.addr;
	faces[1].sport = record->mapping.port;
	return ks_filter_match_ends(filter, faces, KS_ARRAY_SIZE(faces));
}

/* The key of an expectation has 0 for the port of who opens. */
static bool match_expectation(const struct ks_filter *filter, const struct ks_flow_key *key,
			      const struct ks_record *record)
{
	__u32 opener = key->port[0] != 0;
	struct ks_tuple faces[2] = { { .src = key->addr[opener],
				       .sport = key->port[opener],
				       .dst = key->addr[!opener],
				       .dport = key->port[!opener],
				       .proto = key->proto,
				       .family = key->family } };

	faces[1] = faces[0];
	faces[1].dst = record->expectation.to;
	faces[1].dport = record->expectation.port;
	return ks_filter_match_ends(filter, faces, KS_ARRAY_SIZE(faces));
}

bool ks_filter_match_record(const struct ks_filter *filter, const struct ks_flow_key *key, const struct ks_flow *entry)
{
	const struct ks_record *record = ks_record_of(entry);

	if (ks_filter_is_of_flows(filter) ||
	    !ks_filter_match_kind(filter, record->state, record->zone,
				  key->kind == KS_KIND_EXPECT ? record->expectation.rule : record->mapping.rule))
		return false;
	switch (key->kind) {
	case KS_KIND_MAPPING_OUT:
	case KS_KIND_MAPPING_IN:
	case KS_KIND_PERMIT:
		return match_mapping(filter, key, record);
	case KS_KIND_EXPECT:
		return match_expectation(filter, key, record);
	default:
		return false;
	}
}

/* --- who was killed --- */

static int end_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ks_killed_end));
}

int ks_killed_ends_add(struct ks_killed_ends *ends, const struct ks_flow_key *key)
{
	if (ends->count + 2 > ends->room) {
		size_t room = ends->room ? ends->room * 2 : 64;
		struct ks_killed_end *list = realloc(ends->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		ends->list = list;
		ends->room = room;
	}
	for (unsigned side = 0; side < 2; side++)
		ends->list[ends->count++] = (struct ks_killed_end){
			.addr = key->addr[side], .port = key->port[side], .proto = key->proto, .family = key->family
		};
	return 0;
}

void ks_killed_ends_sort(struct ks_killed_ends *ends)
{
	if (ends->count)
		qsort(ends->list, ends->count, sizeof(*ends->list), end_order);
}

bool ks_killed_ends_open(const struct ks_killed_ends *ends, const struct ks_flow_key *key, const struct ks_flow *entry)
{
	const struct ks_record *record = ks_record_of(entry);
	struct ks_killed_end inner = { .proto = key->proto, .family = key->family };

	if (!ends->count || record->state != KS_STATE_MAPPING || !(record->flags & KS_TARGET_EIF) ||
	    (key->kind != KS_KIND_MAPPING_IN && key->kind != KS_KIND_MAPPING_OUT))
		return false;
	inner.addr = key->kind == KS_KIND_MAPPING_IN ? record->mapping.addr : key->addr[0];
	inner.port = key->kind == KS_KIND_MAPPING_IN ? record->mapping.port : key->port[0];
	return bsearch(&inner, ends->list, ends->count, sizeof(inner), end_order) != NULL;
}

/* --- the list --- */

/* A peer that may send to the outer endpoint of a mapping. */
struct permit {
	struct ks_addr outer;
	__be16 port;
	__u8 proto, family;
	__u8 zero[4];
	struct ks_addr peer;
};

#define OUTER_SIZE offsetof(struct permit, peer)

struct mappings {
	const struct ks_daemon *daemon;
	struct ks_filter filter;
	struct permit *permits; /* sorted */
	size_t permit_count, permit_room;
	__u32 cursor; /* next bucket */
	__u64 now;
	FILE *out; /* into text */
	char *text;
	size_t size, sent;
};

static void mappings_destroy(void *state)
{
	struct mappings *mappings = state;

	if (mappings->out)
		fclose(mappings->out);
	free(mappings->text);
	free(mappings->permits);
	free(mappings);
}

KS_SCOPED(auto_mappings, struct mappings *, mappings_destroy)

static int permit_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct permit));
}

static int permit_keep(const struct ks_flow_key *key, const struct ks_flow *entry, void *arg)
{
	struct mappings *mappings = arg;

	if (key->kind != KS_KIND_PERMIT || entry->state != KS_STATE_MAPPING)
		return 0;
	if (mappings->permit_count == mappings->permit_room) {
		size_t room = mappings->permit_room ? mappings->permit_room * 2 : 64;
		struct permit *permits = realloc(mappings->permits, room * sizeof(*permits));

		if (!permits)
			return -ENOMEM;
		mappings->permits = permits;
		mappings->permit_room = room;
	}
	mappings->permits[mappings->permit_count++] = (struct permit){ .outer = key->addr[0],
								       .port = key->port[0],
								       .proto = key->proto,
								       .family = key->family,
								       .peer = key->addr[1] };
	return 0;
}

static json_t *addr_json(const struct ks_addr *addr, unsigned family)
{
	char text[KS_ADDR_TEXT];

	return json_string(ks_addr_text(addr, family, text));
}

/* The first permit that is not below the outer endpoint. */
static size_t permit_find(const struct mappings *mappings, const struct permit *outer)
{
	size_t low = 0, high = mappings->permit_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(&mappings->permits[middle], outer, OUTER_SIZE) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static json_t *permits_json(const struct mappings *mappings, const struct ks_flow_key *key)
{
	const struct permit outer = {
		.outer = key->addr[0], .port = key->port[0], .proto = key->proto, .family = key->family
	};
	json_t *list = json_array();

	for (size_t i = permit_find(mappings, &outer);
	     i < mappings->permit_count && !memcmp(&mappings->permits[i], &outer, OUTER_SIZE); i++)
		ks_json_append(&list, addr_json(&mappings->permits[i].peer, key->family));
	return list;
}

static const char *filtering_name(__u8 flags)
{
	if (flags & KS_TARGET_EIF)
		return "endpoint-independent";
	return flags & KS_TARGET_ADF ? "address-dependent" : "address-and-port-dependent";
}

static json_t *mapping_json(const struct mappings *mappings, const struct ks_flow_key *key,
			    const struct ks_record *record)
{
	const struct ks_policy *policy = mappings->daemon->policy;
	__u32 idle = ks_flow_clock(mappings->now) - record->seen;
	char proto[8];

	idle = (__s32)idle < 0 ? 0 : idle;
	return json_pack("{s:s, s:s, s:o, s:i, s:o, s:i, s:s, s:s, s:s, s:o, s:I, s:I, s:o}", "kind", "mapping",
			 "proto", ks_proto_name(key->proto, proto, sizeof(proto)), "inner",
			 addr_json(&record->mapping.addr, key->family), "inner_port", ks_be16(record->mapping.port),
			 "outer", addr_json(&key->addr[0], key->family), "outer_port", ks_be16(key->port[0]), "inside",
			 ks_policy_zone_name(policy, record->zone[0]), "outside",
			 ks_policy_zone_name(policy, record->zone[1]), "filtering", filtering_name(record->flags),
			 "permits", permits_json(mappings, key), "idle_ms", (json_int_t)idle, "left_ms",
			 (json_int_t)(record->timeout > idle ? record->timeout - idle : 0), "rule",
			 ks_rule_json(policy, record->mapping.rule));
}

/* Returns true if the control connection of an expectation is still open: else it admits nobody. */
static bool control_is_open(const struct ks_kernel *kernel, const struct ks_expectation *expectation)
{
	struct ks_flow_ref ref = ks_slot_at(expectation->control);
	struct ks_slot copy;

	return ref.bucket < ks_kernel_shape(kernel)->buckets &&
	       ks_slot_copy(&ks_kernel_table(kernel)[ref.bucket].slot[ref.slot & KS_BUCKET_SLOT_MASK], &copy) &&
	       copy.key.kind == KS_KIND_FLOW && copy.flow.state != KS_STATE_NONE && copy.flow.state != KS_STATE_ALIAS &&
	       !ks_state_is_closed(copy.flow.state) && copy.flow.created == expectation->control_created;
}

/* The opener is null where anybody may open, of a port that nobody was named for. Its own port is any. */
static json_t *expectation_json(const struct mappings *mappings, const struct ks_flow_key *key,
				const struct ks_record *record)
{
	const struct ks_policy *policy = mappings->daemon->policy;
	const struct ks_expectation *expectation = &record->expectation;
	__u32 idle = ks_flow_clock(mappings->now) - record->seen, opener = key->port[0] != 0;
	bool anybody = !(key->addr[opener].d[0] | key->addr[opener].d[1]);
	char proto[8];

	idle = (__s32)idle < 0 ? 0 : idle;
	return json_pack("{s:s, s:s, s:o, s:o, s:i, s:o, s:i, s:s, s:s, s:b, s:I, s:o}", "kind", "expectation", "proto",
			 ks_proto_name(key->proto, proto, sizeof(proto)), "opener",
			 anybody ? json_null() : addr_json(&key->addr[opener], key->family), "destination",
			 addr_json(&key->addr[!opener], key->family), "destination_port", ks_be16(key->port[!opener]),
			 "inner", addr_json(&expectation->to, key->family), "inner_port", ks_be16(expectation->port),
			 "from", ks_policy_zone_name(policy, record->zone[0]), "to",
			 ks_policy_zone_name(policy, record->zone[1]), "refused", !!(record->flags & KS_EXPECT_REFUSED),
			 "left_ms", (json_int_t)(record->timeout > idle ? record->timeout - idle : 0), "rule",
			 ks_rule_json(policy, expectation->rule));
}

/* A mapping or an expectation that counts, as an object. Returns NULL with *is_listed false for anything else. */
static json_t *listed_json(const struct mappings *mappings, const struct ks_flow_key *key, const struct ks_flow *entry,
			   bool *is_listed)
{
	const struct ks_record *record = ks_record_of(entry);

	*is_listed = true;
	if (key->kind == KS_KIND_MAPPING_IN && entry->state == KS_STATE_MAPPING)
		return mapping_json(mappings, key, record);
	if (key->kind == KS_KIND_EXPECT && entry->state == KS_STATE_EXPECTED &&
	    control_is_open(mappings->daemon->kernel, &record->expectation))
		return expectation_json(mappings, key, record);
	*is_listed = false;
	return NULL;
}

static int print_record(const struct ks_flow_key *key, const struct ks_flow *entry, void *arg)
{
	struct mappings *mappings = arg;
	ks_auto_json json_t *object = NULL;
	bool is_listed;

	if (!ks_filter_match_record(&mappings->filter, key, entry))
		return 0;
	object = listed_json(mappings, key, entry, &is_listed);
	if (!is_listed)
		return 0;
	if (!object || json_dumpf(object, mappings->out, JSON_COMPACT | JSON_PRESERVE_ORDER))
		return -ENOMEM;
	fputc('\n', mappings->out);
	return 0;
}

/* Fills the text with the next mappings. Returns 0, -ENODATA at the end of the table, or -ENOMEM. */
static int mappings_fill(struct mappings *mappings)
{
	const struct ks_kernel *kernel = mappings->daemon->kernel;
	__u32 end = ks_kernel_shape(kernel)->buckets;
	int err = 0;

	if (fseek(mappings->out, 0, SEEK_SET))
		return -ENOMEM;
	mappings->now = ks_kernel_now(kernel);
	mappings->sent = 0;
	while (!err && ftell(mappings->out) == 0) {
		__u32 count = mappings->cursor < end ? KS_MIN(end - mappings->cursor, LISTED_BUCKETS) : 0;

		if (!count)
			return -ENODATA;
		err = ks_entries_each(ks_kernel_table(kernel) + mappings->cursor, count, mappings->now, print_record,
				      mappings);
		mappings->cursor += count;
	}
	return err ?: fflush(mappings->out) || ferror(mappings->out) ? -ENOMEM : 0;
}

static ssize_t mappings_read(void *state, uint64_t position, char *buf, size_t max)
{
	struct mappings *mappings = state;
	int err = mappings->sent == mappings->size ? mappings_fill(mappings) : 0;
	size_t n;

	if (err)
		return err == -ENODATA ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
	n = KS_MIN(mappings->size - mappings->sent, max);
	memcpy(buf, mappings->text + mappings->sent, n);
	mappings->sent += n;
	return (ssize_t)n;
}

enum MHD_Result ks_api_mappings(struct ks_request *request)
{
	ks_scoped(auto_mappings) struct mappings *mappings = calloc(1, sizeof(*mappings));
	const struct ks_kernel *kernel = request->daemon->kernel;
	enum MHD_Result result = MHD_NO;

	if (!mappings)
		return MHD_NO;
	mappings->daemon = request->daemon;
	mappings->out = open_memstream(&mappings->text, &mappings->size);
	if (!mappings->out || !ks_api_filter(request, KS_FILTER_FLOWS, NULL, &mappings->filter, &result))
		return result;
	if (ks_entries_each(ks_kernel_table(kernel), ks_kernel_shape(kernel)->buckets, ks_kernel_now(kernel),
			    permit_keep, mappings))
		return ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
	if (mappings->permit_count)
		qsort(mappings->permits, mappings->permit_count, sizeof(*mappings->permits), permit_order);
	return ks_api_stream(request, "application/x-ndjson", mappings_read, TAKE(mappings), mappings_destroy);
}
