/* SPDX-License-Identifier: BSD-2-Clause */
/* See words.h. */
#include "proof/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "policy/value.h"
#include "proof/condition.h"
#include "text/names.h"
#include "text/memory_file.h"

#define ITEMS_SHOWN 4U

struct text {
	char *buf;
	size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text->buf + text->length, text->size - text->length, format, args);
	va_end(args);
	if (length > 0)
		text->length = KS_MIN(text->length + (size_t)length, text->size - 1);
}

/* Writes zones; `peer` are those of the other end, because the box sends nothing to itself. */
static void put_zones(struct text *text, const struct ks_space *space, const char *word, __u64 zones, __u64 peer)
{
	const __u64 all = space->zones, self = 1ULL << KS_ZONE_SELF, others = all & ~zones;
	const bool many = (zones & (zones - 1)) != 0;
	const char *comma = "";

	if (!others || (others == self && peer == self))
		return;
	put(text, "%s%s", text->length ? " " : "", word);
	if (many && !(others & (others - 1))) {
		put(text, " not %s", ks_space_zone_name(space, (unsigned)__builtin_ctzll(others)));
		return;
	}
	put(text, many ? " { " : " ");
	for (; zones; zones &= zones - 1, comma = ", ")
		put(text, "%s%s", comma, ks_space_zone_name(space, (unsigned)__builtin_ctzll(zones)));
	put(text, "%s", many ? " }" : "");
}

/* Writes the protocols of a mask, separated by commas. */
static void put_list_of_protos(struct text *text, const __u64 protos[KS_PROTO_WORDS])
{
	const char *comma = "";
	char name[8];

	for (unsigned proto = 0; proto < 64 * KS_PROTO_WORDS; proto++) {
		if (!(protos[proto / 64] >> proto % 64 & 1))
			continue;
		put(text, "%s%s", comma, ks_proto_name(proto, name, sizeof(name)));
		comma = ", ";
	}
}

static unsigned count_protos(const __u64 protos[KS_PROTO_WORDS])
{
	unsigned count = 0;

	for (unsigned i = 0; i < KS_PROTO_WORDS; i++)
		count += (unsigned)__builtin_popcountll(protos[i]);
	return count;
}

static void put_protos(struct text *text, const struct ks_region *region)
{
	struct ks_region all;
	__u64 others[KS_PROTO_WORDS];
	const char *blank = text->length ? " " : "";
	unsigned count = count_protos(region->proto), left;

	ks_region_fill(&all, region->family, 0);
	for (unsigned i = 0; i < KS_PROTO_WORDS; i++)
		others[i] = all.proto[i] & ~region->proto[i];
	left = count_protos(others);
	if (!left)
		return;
	put(text, "%s", blank);
	if (count <= ITEMS_SHOWN) {
		put(text, "%s", count > 1 ? "{ " : "");
		put_list_of_protos(text, region->proto);
		put(text, "%s", count > 1 ? " }" : "");
	} else if (left <= 2 * ITEMS_SHOWN) {
		put(text, "protocols but ");
		put_list_of_protos(text, others);
	} else {
		put(text, "%u protocols", count);
	}
}

static void put_addresses(struct text *text, const struct ks_range *range, __u8 family)
{
	char buf[KS_ADDR_TEXT];
	struct ks_addr addr;
	int length = ks_range_prefix_length(range, family);

	ks_addr_from_value(range->lo, family, &addr);
	put(text, "%s", ks_addr_text(&addr, family, buf));
	if (length >= 0 && length < (family == KS_IPV4 ? 32 : 128))
		put(text, "/%d", length);
	if (length >= 0)
		return;
	ks_addr_from_value(range->hi, family, &addr);
	put(text, "-%s", ks_addr_text(&addr, family, buf));
}

static void put_icmp(struct text *text, const struct ks_range *range)
{
	unsigned lo = (unsigned)range->lo[1], hi = (unsigned)range->hi[1];

	put(text, "%u", lo >> KS_ICMP_TYPE_SHIFT);
	if ((lo & 0xff) || (hi & 0xff) != 0xff)
		put(text, " code %u", lo & 0xff);
	if (lo >> KS_ICMP_TYPE_SHIFT != hi >> KS_ICMP_TYPE_SHIFT)
		put(text, "-%u", hi >> KS_ICMP_TYPE_SHIFT);
	else if ((hi & 0xff) != 0xff && (lo & 0xff) != (hi & 0xff))
		put(text, "-%u", hi & 0xff);
}

static void put_range(struct text *text, const struct ks_range *range, int dim, __u8 family)
{
	if (dim <= KS_DIM_DST)
		put_addresses(text, range, family);
	else if (dim == KS_DIM_ICMP)
		put_icmp(text, range);
	else if (range->lo[1] == range->hi[1])
		put(text, "%llu", range->lo[1]);
	else
		put(text, "%llu-%llu", range->lo[1], range->hi[1]);
}

static const struct ks_range sources4[] = { { .hi = { 0, 0xdfffffffU } } }; /* all that are no groups */
static const struct ks_range sources6[] = { { .hi = { 0xfeffffffffffffffULL, ~0ULL } } };
static const struct ks_range ports_used[] = { { .lo = { 0, 1 }, .hi = { 0, KS_PORT_MAX } } };

bool ks_region_is_whole(const struct ks_region *region, enum ks_dim dim)
{
	const struct ks_spans used = { ports_used, 1 },
			      sources = { region->family == KS_IPV4 ? sources4 : sources6, 1 };

	if (ks_spans_equal(&region->dim[dim], ks_spans_all(dim, region->family)))
		return true;
	if (dim == KS_DIM_SRC)
		return ks_spans_equal(&region->dim[dim], &sources);
	return (dim == KS_DIM_SPORT || dim == KS_DIM_DPORT) && ks_spans_equal(&region->dim[dim], &used);
}

static void put_dim(struct text *text, const struct ks_region *region, int dim)
{
	static const char *const words[] = { [KS_DIM_SRC] = "source",
					     [KS_DIM_DST] = "destination",
					     [KS_DIM_SPORT] = "source port",
					     [KS_DIM_DPORT] = "port",
					     [KS_DIM_ICMP] = "type" };
	const struct ks_spans *spans = &region->dim[dim];

	if (ks_region_is_whole(region, (enum ks_dim)dim))
		return;
	put(text, "%s%s%s", text->length ? " " : "", words[dim], spans->count > 1 ? " { " : " ");
	for (__u32 i = 0; i < KS_MIN(spans->count, ITEMS_SHOWN); i++) {
		put(text, "%s", i ? ", " : "");
		put_range(text, &spans->list[i], dim, region->family);
	}
	if (spans->count > ITEMS_SHOWN)
		put(text, " and %u more ranges", spans->count - ITEMS_SHOWN);
	put(text, "%s", spans->count > 1 ? " }" : "");
}

static void put_variables(struct text *text, const struct ks_space *space, const struct ks_region *region)
{
	for (unsigned i = 0; i < space->variables.count; i++) {
		const struct ks_variable_set *set = &space->variables.set[i];
		bool in = region->in >> i & 1, out = region->out >> i & 1;
		char buf[KS_CONDITION_TEXT];

		if (in && out)
			continue;
		if (set->is_condition) {
			put(text, "%s%s", text->length ? " " : "", ks_condition_text(set, in, buf));
			continue;
		}
		put(text, "%s%s %s", text->length ? " " : "", set->dim == KS_DIM_SRC ? "source" : "destination",
		    in ? "" : "not ");
		put(text, set->is_dynamic ? "@%s" : set->is_own ? "address of %s" : "what follows zone %s", set->name);
	}
}

/* The protocols of a region, those of messages of either family for both. */
static void protos_of(const struct ks_region *region, __u64 protos[KS_PROTO_WORDS])
{
	const __u64 icmp = region->proto[0] & (1ULL << KS_PROTO_ICMP | 1ULL << KS_PROTO_ICMPV6);

	memcpy(protos, region->proto, sizeof(region->proto));
	if (icmp)
		protos[0] |= 1ULL << KS_PROTO_ICMP | 1ULL << KS_PROTO_ICMPV6;
}

bool ks_regions_are_twins(const struct ks_region *a, const struct ks_region *b)
{
	__u64 protos_a[KS_PROTO_WORDS], protos_b[KS_PROTO_WORDS];

	protos_of(a, protos_a);
	protos_of(b, protos_b);
	return a->family != b->family && a->from == b->from && a->to == b->to && a->in == b->in && a->out == b->out &&
	       !memcmp(protos_a, protos_b, sizeof(protos_a)) && ks_region_is_whole(a, KS_DIM_SRC) &&
	       ks_region_is_whole(b, KS_DIM_SRC) && ks_region_is_whole(a, KS_DIM_DST) &&
	       ks_region_is_whole(b, KS_DIM_DST) && ks_spans_equal(&a->dim[KS_DIM_SPORT], &b->dim[KS_DIM_SPORT]) &&
	       ks_spans_equal(&a->dim[KS_DIM_DPORT], &b->dim[KS_DIM_DPORT]) &&
	       ks_spans_equal(&a->dim[KS_DIM_ICMP], &b->dim[KS_DIM_ICMP]);
}

const char *ks_region_text(const struct ks_space *space, const struct ks_region *region, bool both,
			   char buf[KS_REGION_TEXT])
{
	struct text text = { .buf = buf, .size = KS_REGION_TEXT };

	buf[0] = '\0';
	put_zones(&text, space, "from", region->from, region->to);
	put_zones(&text, space, "to", region->to, region->from);
	if (!both)
		put(&text, "%sfamily ipv%u", text.length ? " " : "", region->family);
	put_protos(&text, region);
	for (int dim = KS_DIMS - 1; dim >= 0; dim--)
		put_dim(&text, region, dim);
	put_variables(&text, space, region);
	if (!text.length)
		put(&text, "every packet");
	return buf;
}

unsigned ks_regions_print(const struct ks_space *space, const struct ks_region *list, unsigned count, FILE *out)
{
	char buf[KS_REGION_TEXT];
	unsigned printed = 0;

	for (unsigned i = 0; i < count; i++) {
		bool twin = false, told = false;

		for (unsigned j = 0; j < count; j++) {
			if (!ks_regions_are_twins(&list[i], &list[j]))
				continue;
			twin = true;
			told |= j < i;
		}
		if (!told)
			fprintf(out, "%s%s", printed++ ? "; " : "", ks_region_text(space, &list[i], twin, buf));
	}
	return printed;
}

char *ks_regions_text(const struct ks_space *space, const struct ks_region *list, unsigned count)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };

	if (ks_memory_file_open(&file))
		return NULL;
	ks_regions_print(space, list, count, file.out);
	return ks_memory_file_take(&file);
}
