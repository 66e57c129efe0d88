/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A `forward` for each service that was reached by another address than its own: of the zone that asked, for the address and port
 * that it asked for. Sources are joined as those of other requests are; what was asked for, and where it went, stand for themselves.
 */
#include "suggest/forwards.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "text/names.h"
#include "text/plural.h"

void ks_forwards_fini(struct ks_forwards *forwards)
{
	free(forwards->list);
}

static bool is_same(const struct ks_forwarded *a, const struct ks_forwarded *b)
{
	return a->from == b->from && a->port == b->port && a->asked.proto == b->asked.proto &&
	       a->asked.dport == b->asked.dport && ks_addr_equal(&a->asked.dst, &b->asked.dst) &&
	       ks_addr_equal(&a->to, &b->to) && a->src.family == b->src.family && a->src.length == b->src.length &&
	       ks_addr_equal(&a->src.addr, &b->src.addr);
}

static int append(struct ks_forwards *forwards, const struct ks_forwarded *made)
{
	if (forwards->count == forwards->room) {
		const size_t room = forwards->room ? 2 * forwards->room : 16;
		struct ks_forwarded *list = realloc(forwards->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		forwards->list = list;
		forwards->room = room;
	}
	forwards->list[forwards->count++] = *made;
	return 1;
}

int ks_forwards_add(struct ks_forwards *forwards, const struct ks_suggest_wish *wish, const struct ks_request *request,
		    const struct ks_addr *to, __be16 port)
{
	struct ks_forwarded made = {
		.asked = request->tuple, .to = *to, .port = port, .from = request->from, .count = 1
	};

	if (!ks_proto_has_ports(request->tuple.proto) || !ks_suggest_zone(wish->zones, request->from))
		return 0;
	ks_suggest_source(wish, request, &made.src);
	for (size_t i = 0; i < forwards->count; i++) {
		if (is_same(&forwards->list[i], &made)) {
			forwards->list[i].count++;
			return 1;
		}
	}
	return forwards->count == KS_FORWARDS_MAX ? 0 : append(forwards, &made);
}

static void one_write(const struct ks_forwarded *one, const struct ks_policy *zones, FILE *out)
{
	const __u8 family = one->asked.family;
	char name[8], text[KS_ADDR_TEXT];

	fprintf(out, "forward from %s %s port %u", ks_policy_zone_name(zones, one->from),
		ks_proto_name(one->asked.proto, name, sizeof(name)), ks_be16(one->asked.dport));
	if (one->src.family)
		fprintf(out, " source %s/%u", ks_addr_text(&one->src.addr, family, text), one->src.length);
	fprintf(out, " destination %s", ks_addr_text(&one->asked.dst, family, text));
	fprintf(out, " to %s", ks_addr_text(&one->to, family, text));
	if (one->port != one->asked.dport)
		fprintf(out, " port %u", ks_be16(one->port));
	fprintf(out, "  # %llu connection%s\n", one->count, ks_plural(one->count));
}

void ks_forwards_write(const struct ks_forwards *forwards, const struct ks_policy *zones, FILE *out)
{
	for (size_t i = 0; i < forwards->count; i++)
		one_write(&forwards->list[i], zones, out);
}
