/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Complaints about what a policy lacks. They belong to no line of the text, and only `keepstate check` and the daemon ask
 * for them: policies for tests and replay need neither zones nor such rules.
 */
#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "policy/diag.h"

#define SELF (1ULL << KS_ZONE_SELF)

static bool lets_pass(const struct ks_rule *entry)
{
	return entry->action == KS_ALLOW || entry->action == KS_BYPASS;
}

/* Returns true if it lets the box itself open a connection. */
static bool asks(const struct ks_policy *policy, const struct ks_rule *entry)
{
	return lets_pass(entry) && entry->from_zones & SELF;
}

/* Returns true if it lets somebody open a TCP connection to the box: by its own address, or redirected to it. */
static bool lets_in(const struct ks_policy *policy, const struct ks_rule *entry)
{
	const struct ks_rule_info *info = ks_policy_rule(policy, entry->id);
	bool to_self = info->statement == KS_STATEMENT_REDIRECT ||
		       (info->statement == KS_STATEMENT_RULE && entry->to_zones & SELF);

	return lets_pass(entry) && to_self && entry->from_zones & ~SELF &&
	       (entry->flags & KS_RULE_ANY_PROTO || entry->proto == KS_PROTO_TCP);
}

static bool any_entry(const struct ks_policy *policy, bool (*is)(const struct ks_policy *, const struct ks_rule *))
{
	for (__u32 i = 0; i < policy->config.rules; i++) {
		if (is(policy, &policy->rules[i]))
			return true;
	}
	return false;
}

static struct ks_place beginning_of(const struct ks_policy *policy)
{
	return (struct ks_place){ .file = strcmp(policy->path, "-") == 0 ? "stdin" : policy->path,
				  .line = 1,
				  .column = 1 };
}

int ks_policy_require_zones(const struct ks_policy *policy, struct ks_diags *diags)
{
	struct ks_complaints complaints = { .diags = diags };
	const struct ks_place place = beginning_of(policy);

	if (policy->zone_count)
		return 0;
	ks_complain(&complaints, &place, false,
		    "the policy has no zone, so it can allow nothing to anybody: expected 'zone NAME { INTERFACE }' "
		    "for each "
		    "side that the box is connected to");
	return complaints.no_memory ? -ENOMEM : -EINVAL;
}

int ks_policy_advise(const struct ks_policy *policy, struct ks_diags *diags)
{
	struct ks_complaints complaints = { .diags = diags };
	const struct ks_place place = beginning_of(policy);

	if (!any_entry(policy, asks))
		ks_complain(
			&complaints, &place, true,
			"no rule allows anything from self: the box itself can ask nothing, neither DNS nor DHCP nor "
			"updates; expected a rule such as 'allow from self'");
	if (!any_entry(policy, lets_in))
		ks_complain(&complaints, &place, true,
			    "no rule allows a TCP connection to self: nobody can administer the box over a guarded "
			    "interface; expected a rule such as 'allow from lan to self tcp port 22'");
	return complaints.no_memory ? -ENOMEM : 0;
}
