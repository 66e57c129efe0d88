/* SPDX-License-Identifier: BSD-2-Clause */
/* Statements of nft rules that set something: nft(8), "payload statement" and "meta statement". */
#include <errno.h>
#include <string.h>

#include "import/nft.h"

#define MSS_MIN 536
#define MSS_MAX 65495

/* --- values --- */

static bool is_mark(const json_t *value)
{
	const char *key = json_string_value(json_object_get(json_object_get(value, "meta"), "key"));

	return key && !strcmp(key, "mark");
}

/* A number of 32 bits; false for anything else. */
static bool bits_of(const json_t *value, __u32 *bits)
{
	const json_int_t number = json_integer_value(value);

	*bits = (__u32)number;
	return json_is_integer(value) && number >= 0 && number <= (json_int_t)KS_FIELD_ALL;
}

/* "0x1", "meta mark & 0xf0", "meta mark | 0x1", and both. Anything else is a value that is not in the text. */
static struct ks_field_change mark_change(const json_t *value)
{
	struct ks_field_change change = { .field = KS_FIELD_MARK, .mask = KS_FIELD_ALL };
	const json_t *more = json_object_get(value, "|"), *rest = more ? json_array_get(more, 0) : value;
	const json_t *less = json_object_get(rest, "&");
	__u32 kept = KS_FIELD_ALL;

	if (bits_of(value, &change.value))
		return change;
	change.lost = (!more && !less) || (more && !bits_of(json_array_get(more, 1), &change.value)) ||
		      (less && !bits_of(json_array_get(less, 1), &kept)) ||
		      !is_mark(less ? json_array_get(less, 0) : rest);
	if (!change.lost)
		change.mask = ~kept | change.value;
	return change;
}

/* cs1, af11 and their like (RFC 2474, 2597, 3246). */
int ks_nft_dscp(const char *name)
{
	if (!strncmp(name, "cs", 2) && name[2] >= '0' && name[2] <= '7' && !name[3])
		return (name[2] - '0') * 8;
	if (!strncmp(name, "af", 2) && name[2] >= '1' && name[2] <= '4' && name[3] >= '1' && name[3] <= '3' && !name[4])
		return (name[2] - '0') * 8 + (name[3] - '0') * 2;
	return !strcmp(name, "ef")			    ? 46
	       : !strcmp(name, "va")			    ? 44
	       : !strcmp(name, "df") || !strcmp(name, "be") ? 0
							    : -1;
}

static struct ks_field_change dscp_change(const json_t *value)
{
	struct ks_field_change change = { .field = KS_FIELD_DSCP, .mask = KS_FIELD_DSCP_BITS };
	const int named = json_is_string(value) ? ks_nft_dscp(json_string_value(value)) : -1;

	if (named >= 0)
		change.value = (__u32)named;
	else
		change.lost = !bits_of(value, &change.value) || change.value > KS_FIELD_DSCP_BITS;
	return change;
}

/* --- changes --- */

/* Further conditions of the rule about what it has changed have met the packet as it was before. */
static int test_end(struct ks_draft *draft, const struct ks_field_change *change)
{
	if (!draft->rule.test.asks || draft->rule.test.field != change->field)
		return 0;
	draft->rule.test.asks = false;
	return ks_draft_unsaid(draft, "a condition about what the rule itself changes", false);
}

int ks_nft_changes_end(struct ks_nft *nft, struct ks_draft *draft)
{
	struct ks_draft made = *draft;
	int err = 0;

	if (!draft->rule.changes)
		return 0;
	made.rule.kind = KS_IMPORT_ALTER;
	made.rule.limit = NULL;
	if (draft->rule.limit)
		err = ks_draft_unsaid(&made, "a limit in front of this", false);
	err = err ? err : ks_draft_end(&made, nft->chain);
	for (unsigned i = 0; !err && i < draft->rule.changes; i++)
		err = test_end(draft, &draft->rule.change[i]);
	draft->rule.changes = 0;
	return err;
}

static int change_add(struct ks_nft *nft, struct ks_draft *draft, const struct ks_field_change *change)
{
	int err = draft->rule.changes == KS_FIELDS ? ks_nft_changes_end(nft, draft) : 0;

	nft->import->alters[change->field] = true;
	if (!err)
		draft->rule.change[draft->rule.changes++] = *change;
	return err;
}

/* --- what is set --- */

static int mss_set(struct ks_nft *nft, const struct ks_draft *draft, const json_t *value)
{
	const char *route = json_string_value(json_object_get(json_object_get(value, "rt"), "key"));
	const json_int_t mss = route && !strcmp(route, "mtu") ? KS_IMPORT_MSS_MTU : json_integer_value(value);

	if (mss != KS_IMPORT_MSS_MTU && (mss < MSS_MIN || mss > MSS_MAX))
		return ks_import_note(nft->import, "this is no MSS here");
	ks_import_match_mss(nft->import, &draft->match[0], (unsigned)mss);
	return 0;
}

/* A field of a header. Addresses and ports are other packets for the rules behind. */
static int payload_set(struct ks_nft *nft, struct ks_draft *draft, const json_t *payload, const json_t *value)
{
	static const char *const ends[] = { "saddr", "daddr", "sport", "dport" };
	const char *field = json_string_value(json_object_get(payload, "field"));
	const char *proto = json_string_value(json_object_get(payload, "protocol"));
	struct ks_field_change change;

	if (proto && (!strcmp(proto, "ip") || !strcmp(proto, "ip6")))
		ks_draft_family(draft, proto[2] ? KS_IPV6 : KS_IPV4);
	if (field && !strcmp(field, "dscp")) {
		change = dscp_change(value);
		return change_add(nft, draft, &change);
	}
	for (size_t i = 0; field && i < KS_ARRAY_SIZE(ends); i++) {
		if (!strcmp(ends[i], field)) {
			int err = ks_nft_refuse(nft, draft, "a new address or port without a connection");

			return err ? err : 1;
		}
	}
	return ks_import_note(nft->import, "nothing here does this");
}

int ks_nft_mangle(struct ks_nft *nft, struct ks_draft *draft, const json_t *mangle)
{
	const json_t *key = json_object_get(mangle, "key"), *value = json_object_get(mangle, "value");
	struct ks_field_change change;

	if (json_object_get(key, "tcp option"))
		return mss_set(nft, draft, value);
	if (json_object_get(key, "payload"))
		return payload_set(nft, draft, json_object_get(key, "payload"), value);
	if (json_object_get(key, "ct"))
		return ks_import_note(nft->import,
				      "connections have no marks here: 'set reply mark' marks their answers");
	if (!is_mark(key) && value)
		return ks_import_note(nft->import, "nothing here does this");
	change = mark_change(value);
	return change_add(nft, draft, &change);
}
