/* SPDX-License-Identifier: BSD-2-Clause */
/* See words.h. */
#include "suggest/words.h"

#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "policy/icmp.h"
#include "policy/service.h"
#include "policy/value.h"
#include "text/names.h"

/* A list of items, in braces if there are several. */
struct items {
	FILE *out;
	unsigned count, written;
};

static void items_begin(struct items *items, FILE *out, unsigned count)
{
	*items = (struct items){ .out = out, .count = count };
	fputs(count > 1 ? " { " : " ", out);
}

/* To be called before each item. */
static void items_next(struct items *items)
{
	fputs(items->written++ ? ", " : "", items->out);
}

static void items_end(const struct items *items)
{
	fputs(items->count > 1 ? " }" : "", items->out);
}

static void print_zones(const struct ks_policy *zones, const char *word, __u64 mask, FILE *out)
{
	struct items items;

	fprintf(out, " %s", word);
	items_begin(&items, out, (unsigned)__builtin_popcountll(mask));
	for (; mask; mask &= mask - 1) {
		items_next(&items);
		fputs(ks_policy_zone_name(zones, (unsigned)__builtin_ctzll(mask)), out);
	}
	items_end(&items);
}

static void print_protos(const struct ks_region *region, FILE *out)
{
	struct items items;
	const char *word;
	unsigned count = 0;
	char name[8];

	for (unsigned i = 0; i < KS_PROTO_WORDS; i++)
		count += (unsigned)__builtin_popcountll(region->proto[i]);
	for (unsigned proto = 0; proto < 64 * KS_PROTO_WORDS && count == 1; proto++) {
		if (!ks_region_has_proto(region, proto))
			continue;
		word = ks_proto_name(proto, name, sizeof(name));
		fprintf(out, word[0] >= '0' && word[0] <= '9' ? " proto %s" : " %s", word);
	}
	if (count == 1)
		return;
	items_begin(&items, out, count);
	for (unsigned proto = 0; proto < 64 * KS_PROTO_WORDS; proto++) {
		if (!ks_region_has_proto(region, proto))
			continue;
		items_next(&items);
		fputs(ks_proto_name(proto, name, sizeof(name)), out);
	}
	items_end(&items);
}

/* The service that is exactly these ports for all protocols of the rule, NULL if there is none. */
static const char *service_of(const struct ks_region *region, const struct ks_range *range)
{
	const char *const *names;
	size_t count;

	names = ks_service_names(&count);
	for (size_t i = 0; i < count; i++) {
		const struct ks_service *service = ks_service(ks_service_find(names[i]));
		bool fits = service->low == range->lo[1] && service->high == range->hi[1];

		for (unsigned proto = 0; proto < 64 * KS_PROTO_WORDS && fits; proto++)
			fits = !ks_region_has_proto(region, proto) || ks_service_has_proto(service, proto);
		if (fits)
			return service->name;
	}
	return NULL;
}

static void print_ports(const struct ks_region *region, FILE *out)
{
	const struct ks_spans *spans = &region->dim[KS_DIM_DPORT];
	struct items items;

	fputs(" port", out);
	items_begin(&items, out, spans->count);
	for (__u32 i = 0; i < spans->count; i++) {
		const struct ks_range *range = &spans->list[i];
		const char *service = service_of(region, range);

		items_next(&items);
		if (service)
			fputs(service, out);
		else if (range->lo[1] == range->hi[1])
			fprintf(out, "%llu", range->lo[1]);
		else
			fprintf(out, "%llu-%llu", range->lo[1], range->hi[1]);
	}
	items_end(&items);
}

/* The name of a type with all of its codes, NULL if it has none. */
static const char *type_name(unsigned proto, unsigned type)
{
	const char *const *names;
	size_t count;
	__s32 found, code;

	names = ks_icmp_names(&count);
	for (size_t i = 0; i < count; i++) {
		if (!ks_icmp_lookup(proto, names[i], &found, &code) && found == (__s32)type && code < 0)
			return names[i];
	}
	return NULL;
}

static void print_types(const struct ks_region *region, FILE *out)
{
	const unsigned proto = region->family == KS_IPV4 ? KS_PROTO_ICMP : KS_PROTO_ICMPV6;
	const struct ks_spans *spans = &region->dim[KS_DIM_ICMP];
	struct items items;
	unsigned count = 0;

	for (__u32 i = 0; i < spans->count; i++)
		count += (unsigned)(spans->list[i].hi[1] - spans->list[i].lo[1] + 1) >> KS_ICMP_TYPE_SHIFT;
	fputs(" type", out);
	items_begin(&items, out, count);
	for (__u32 i = 0; i < spans->count; i++) {
		unsigned last = (unsigned)spans->list[i].hi[1] >> KS_ICMP_TYPE_SHIFT;

		for (unsigned type = (unsigned)spans->list[i].lo[1] >> KS_ICMP_TYPE_SHIFT; type <= last; type++) {
			const char *name = type_name(proto, type);

			items_next(&items);
			if (name)
				fputs(name, out);
			else
				fprintf(out, "%u", type);
		}
	}
	items_end(&items);
}

static bool is_whole(const struct ks_region *region, int dim)
{
	return ks_spans_equal(&region->dim[dim], ks_spans_all((enum ks_dim)dim, region->family));
}

static void print_addresses(const char *word, const struct ks_region *region, const struct ks_region *twin, int dim,
			    FILE *out)
{
	const struct ks_region *regions[] = { region, twin };
	struct items items;
	char text[KS_RANGE_TEXT];

	if (is_whole(region, dim))
		return;
	fprintf(out, " %s", word);
	items_begin(&items, out, region->dim[dim].count + (twin ? twin->dim[dim].count : 0));
	for (unsigned i = 0; i < 2 && regions[i]; i++) {
		for (__u32 j = 0; j < regions[i]->dim[dim].count; j++) {
			items_next(&items);
			ks_range_text(&regions[i]->dim[dim].list[j], regions[i]->family, text, sizeof(text));
			fputs(text, out);
		}
	}
	items_end(&items);
}

/*
 * Returns true if two rules are one, with addresses of both families: an end is anybody in both, or in none. Messages of ICMP
 * have a protocol in each family.
 */
static bool are_twins(const struct ks_region *a, const struct ks_region *b)
{
	if (a->family == b->family || a->from != b->from || a->to != b->to ||
	    is_whole(a, KS_DIM_SRC) != is_whole(b, KS_DIM_SRC) || is_whole(a, KS_DIM_DST) != is_whole(b, KS_DIM_DST) ||
	    !is_whole(a, KS_DIM_ICMP) || !is_whole(b, KS_DIM_ICMP))
		return false;
	for (int i = 0; i < KS_PROTO_WORDS; i++) {
		if (a->proto[i] != b->proto[i])
			return false;
	}
	return ks_spans_equal(&a->dim[KS_DIM_DPORT], &b->dim[KS_DIM_DPORT]);
}

static struct ks_suggested *twin_find(struct ks_suggested_list *rules, size_t at)
{
	for (size_t i = at + 1; i < rules->count; i++) {
		if (!rules->list[i].is_printed && are_twins(&rules->list[at].region, &rules->list[i].region))
			return &rules->list[i];
	}
	return NULL;
}

void ks_suggested_print(const struct ks_policy *zones, struct ks_suggested_list *rules, size_t at,
			struct ks_suggested **twin, FILE *out)
{
	const struct ks_region *region = &rules->list[at].region, *other;
	const bool has_types = !is_whole(region, KS_DIM_ICMP);

	*twin = twin_find(rules, at);
	other = *twin ? &(*twin)->region : NULL;
	print_zones(zones, "from", region->from, out);
	print_zones(zones, "to", region->to, out);
	if (!other && !has_types && is_whole(region, KS_DIM_SRC) && is_whole(region, KS_DIM_DST))
		fputs(region->family == KS_IPV4 ? " family ipv4" : " family ipv6", out);
	print_protos(region, out);
	if (has_types)
		print_types(region, out);
	if (!is_whole(region, KS_DIM_DPORT))
		print_ports(region, out);
	print_addresses("source", region, other, KS_DIM_SRC, out);
	print_addresses("destination", region, other, KS_DIM_DST, out);
}
