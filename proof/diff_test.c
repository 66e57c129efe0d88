/* SPDX-License-Identifier: BSD-2-Clause */
/* The test of a difference, for people to paste; see diff.h. */
#include <stdio.h>
#include <string.h>

#include "core/header/packet.h"
#include "proof/diff.h"
#include "text/names.h"

static bool passes(__u8 action)
{
	return action == KS_ALLOW || action == KS_BYPASS;
}

/* Returns true if the rule that translates takes whatever port is free. */
static bool has_random_port(const struct ks_deed *deed)
{
	const struct ks_rule *rule = ks_deed_rule(deed);
	bool is_random = false;

	for (__u32 i = 0; rule && i < rule->targets; i++)
		is_random |= deed->policy->targets[rule->target + i].flags & KS_TARGET_RANDOM;
	return is_random;
}

/*
 * The source of a packet as it leaves: "192.0.2.1:40000", "192.0.2.1:*" with whatever port. A port that has become another one was
 * chosen among those that were free.
 */
static const char *source_text(const struct ks_diff_outcome *outcome, const struct ks_tuple *came,
			       char text[KS_ENDPOINT_TEXT])
{
	const struct ks_tuple *sent = &outcome->sent;
	const bool has_ports = ks_proto_has_ports(sent->proto);

	ks_endpoint_text(&sent->src, sent->family, has_ports ? sent->sport : 0, text);
	if (has_ports && sent->sport && (sent->sport != came->sport || has_random_port(&outcome->deed)))
		strcpy(strrchr(text, ':') + 1, "*");
	return text;
}

/* Returns true if the packet leaves with an address that a court has lent: a test, which lends none, would not do so. */
static bool is_lent(const struct ks_diff_class *class)
{
	const struct ks_diff_outcome *after = &class->outcome[KS_DIFF_AFTER];
	const struct ks_tuple *sent = &after->sent, *tuple = &class->witness.tuple;

	return (!ks_addr_equal(&sent->src, &tuple->src) &&
		ks_witness_is_lent(after->deed.policy, &sent->src, sent->family)) ||
	       (!ks_addr_equal(&sent->dst, &tuple->dst) &&
		ks_witness_is_lent(after->deed.policy, &sent->dst, sent->family));
}

/* A packet may have quotes in it: those of a control group. */
static void name_write(FILE *out, const char *action, const char *packet)
{
	fprintf(out, "test \"%s ", action);
	for (const char *at = packet; *at; at++)
		fprintf(out, *at == '"' ? "\\%c" : "%c", *at);
	fputs("\" {\n", out);
}

void ks_diff_test_write(struct ks_diff_class *class)
{
	const struct ks_diff_outcome *after = &class->outcome[KS_DIFF_AFTER];
	const struct ks_rule_info *info = ks_deed_info(&after->deed);
	char src[KS_ENDPOINT_TEXT], dst[KS_ENDPOINT_TEXT], address[KS_ADDR_TEXT];
	FILE *out;

	class->is_lent = is_lent(class);
	if (class->is_lent)
		return;
	out = fmemopen(class->test, sizeof(class->test), "w");
	if (!out)
		return;
	name_write(out, ks_action_name(after->action), class->witness.text);
	for (__u64 in = ks_witness_members(&class->witness); in; in &= in - 1) {
		const struct ks_variable_set *set = &class->space->variables.set[__builtin_ctzll(in)];

		if (set->is_dynamic && ks_policy_dynamic(after->deed.policy, set->name))
			fprintf(out, "\tset %s add %s\n", set->name,
				ks_addr_text(set->dim == KS_DIM_SRC ? &class->witness.tuple.src
								    : &class->witness.tuple.dst,
					     class->witness.tuple.family, address));
	}
	fprintf(out, "\t%s => %s", class->witness.text, ks_action_name(after->action));
	if (passes(after->action) && class->differs & KS_DIFFERS_TRANSLATION)
		fprintf(out, " as %s > %s", source_text(after, &class->witness.tuple, src),
			ks_endpoint_text(&after->sent.dst, after->sent.family,
					 ks_proto_has_ports(after->sent.proto) ? after->sent.dport : 0, dst));
	else if (class->list == KS_LIST_FILTER && info)
		fprintf(out, " rule %u", info->place.line);
	else if (class->list == KS_LIST_FILTER)
		fputs(" rule default", out);
	fputs("\n}\n", out);
	fclose(out);
}
