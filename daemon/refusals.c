/* SPDX-License-Identifier: BSD-2-Clause */
/* See refusals.h. */
#include <stdio.h>

#include "daemon/refusals.h"
#include "text/plural.h"

#define TELL_INTERVAL_NS (60 * KS_NSEC_PER_SEC)

static const struct {
	enum ks_reason reason;
	const char *what;
} kinds[] = {
	{ KS_REASON_TABLE_FULL, "the state table is full: new flows are refused" },
	{ KS_REASON_TALLIES_FULL, "limits of rules cannot count more sources: their new flows are refused" },
	{ KS_REASON_SOURCE_LIMIT, "a source holds its share of the state table: its new flows are refused" },
	{ KS_REASON_FRAGMENT_LIMIT, "datagrams in fragments were refused: too many holes, or no room" },
	{ KS_REASON_NO_PORT, "no free port for translation: new flows are refused" },
	{ KS_REASON_FOREIGN_NAT,
	  "another program (nftables, iptables) translates addresses between guarded interfaces: "
	  "leave these alone by `ignore`" },
	{ KS_REASON_UNGUARDED, "packets came by an interface that is neither guarded nor ignored, and were dropped" },
	{ KS_REASON_NO_ADDRESS, "no address for translation: new flows are refused" },
};

_Static_assert(KS_ARRAY_SIZE(kinds) == KS_REFUSALS_KINDS, "a counter for each");

/* Writes the setting of the policy that is the bound, to follow the sentence. */
static void bound_print(enum ks_reason reason, const struct ks_config *config, char *text, size_t size)
{
	if (reason == KS_REASON_TABLE_FULL)
		snprintf(text, size, " (limit states %u)", config->limit_states);
	if (reason == KS_REASON_TALLIES_FULL)
		snprintf(text, size, " (limit tallies %u)", config->limit_kind[KS_KIND_TALLY]);
	if (reason == KS_REASON_SOURCE_LIMIT)
		snprintf(text, size, " (limit states-per-source %u)", config->limit_source_states);
}

void ks_refusals_init(struct ks_refusals *refusals, const struct ks_count counts[KS_REASON_MAX])
{
	*refusals = (struct ks_refusals){ 0 };
	for (unsigned i = 0; i < KS_ARRAY_SIZE(kinds); i++)
		refusals->kind[i].told = counts[kinds[i].reason].packets;
}

void ks_refusals_tell(struct ks_refusals *refusals, const struct ks_count counts[KS_REASON_MAX],
		      const struct ks_config *config, __u64 now, void (*say)(const char *line))
{
	for (unsigned i = 0; i < KS_ARRAY_SIZE(kinds); i++) {
		__u64 packets = counts[kinds[i].reason].packets, news = packets - refusals->kind[i].told;
		char bound[48] = "", line[256];

		if (!news || (refusals->kind[i].when && now - refusals->kind[i].when < TELL_INTERVAL_NS))
			continue;
		bound_print(kinds[i].reason, config, bound, sizeof(bound));
		snprintf(line, sizeof(line), "%s%s: %llu packet%s", kinds[i].what, bound, news, ks_plural(news));
		say(line);
		refusals->kind[i].told = packets;
		refusals->kind[i].when = now;
	}
}
