/* SPDX-License-Identifier: BSD-2-Clause */
/* See effect.h. */
#include "proof/effect.h"

#include <string.h>

#include "text/names.h"

unsigned ks_deed_action(const struct ks_deed *deed)
{
	const struct ks_rule *rule = ks_deed_rule(deed);

	if (rule)
		return rule->action;
	return deed->passes ? KS_ALLOW : KS_DENY;
}

static bool same_targets(const struct ks_deed *a, const struct ks_deed *b)
{
	const struct ks_rule *x = ks_deed_rule(a), *y = ks_deed_rule(b);
	unsigned count_x = x ? x->targets : 0, count_y = y ? y->targets : 0;

	if (count_x != count_y)
		return false;
	return !count_x || !memcmp(a->policy->targets + x->target, b->policy->targets + y->target,
				   count_x * sizeof(struct ks_target));
}

/* The first limit of an entry's rule, and how many there are. */
static const struct ks_limit *limits_of(const struct ks_deed *deed, __u32 *count)
{
	const struct ks_rule *rule = ks_deed_rule(deed);
	const struct ks_limit *limits = deed->policy->limits, *first = NULL;

	*count = 0;
	for (__u32 i = 0; rule && rule->flags & KS_RULE_LIMITED && i < deed->policy->config.limits; i++) {
		if (limits[i].rule != rule->id)
			continue;
		first = first ? first : &limits[i];
		++*count;
	}
	return first;
}

/* The name of a run-time set by its number and 1, "" for none. */
static const char *set_name(const struct ks_deed *deed, __u32 number)
{
	for (size_t i = 0; number && i < deed->policy->set_info_count; i++) {
		const struct ks_set_info *info = &deed->policy->set_infos[i];

		if (info->dynamic && info->number + 1 == number)
			return info->name;
	}
	return "";
}

static bool same_limits(const struct ks_deed *a, const struct ks_deed *b)
{
	__u32 count_a, count_b;
	const struct ks_limit *x = limits_of(a, &count_a), *y = limits_of(b, &count_b);

	if (count_a != count_b)
		return false;
	for (__u32 i = 0; i < count_a; i++) {
		struct ks_limit one = x[i], other = y[i];

		one.rule = other.rule = 0;
		if (strcmp(set_name(a, one.overload), set_name(b, other.overload)) != 0)
			return false;
		one.overload = other.overload = 0;
		if (memcmp(&one, &other, sizeof(one)))
			return false;
	}
	return true;
}

/* The effects of an entry's rule, NULL if it has none. */
static const struct ks_effects *effects_of(const struct ks_deed *deed)
{
	const struct ks_rule *rule = ks_deed_rule(deed);

	return rule && rule->effects ? &deed->policy->effects[rule->id] : NULL;
}

static bool same_timeout(const struct ks_deed *a, const struct ks_deed *b)
{
	const struct ks_effects *x = effects_of(a), *y = effects_of(b);

	return (x ? x->timeout : 0) == (y ? y->timeout : 0);
}

/* Returns true if both add the same addresses to sets of the same names, for as long. */
static bool same_sets(const struct ks_deed *a, const struct ks_deed *b)
{
	static const struct ks_effects none;
	const struct ks_effects *x = effects_of(a), *y = effects_of(b);

	x = x ? x : &none;
	y = y ? y : &none;
	for (int end = 0; end < KS_EFFECT_ENDS; end++) {
		if (x->add[end].hold != y->add[end].hold ||
		    strcmp(set_name(a, x->add[end].set), set_name(b, y->add[end].set)) != 0)
			return false;
	}
	return true;
}

/* Returns true if both change the same in passing packets. */
static bool same_changes(const struct ks_deed *a, const struct ks_deed *b)
{
	static const struct ks_effects none;
	const struct ks_effects *of_a = effects_of(a), *of_b = effects_of(b);
	struct ks_effects x = of_a ? *of_a : none, y = of_b ? *of_b : none;

	x.timeout = y.timeout = 0;
	x.flags &= ~(__u32)KS_EFFECT_TIMEOUT;
	y.flags &= ~(__u32)KS_EFFECT_TIMEOUT;
	memset(x.add, 0, sizeof(x.add));
	memset(y.add, 0, sizeof(y.add));
	return !memcmp(&x, &y, sizeof(x));
}

static bool logs(const struct ks_deed *deed)
{
	const struct ks_rule *rule = ks_deed_rule(deed);

	return rule && rule->flags & KS_RULE_LOG;
}

static const char *label_of(const struct ks_deed *deed)
{
	const struct ks_rule_info *info = ks_deed_info(deed);

	return info && info->label ? info->label : "";
}

static unsigned helper_of(const struct ks_deed *deed)
{
	const struct ks_rule *rule = ks_deed_rule(deed);

	return rule ? rule->helper : 0;
}

unsigned ks_deeds_differ(const struct ks_deed *a, const struct ks_deed *b)
{
	unsigned differs = 0;

	if (a->list == KS_LIST_FILTER && ks_deed_action(a) != ks_deed_action(b))
		differs |= KS_DIFFERS_VERDICT;
	if (!same_targets(a, b))
		differs |= KS_DIFFERS_TRANSLATION;
	if (logs(a) != logs(b) || (logs(a) && strcmp(label_of(a), label_of(b)) != 0))
		differs |= KS_DIFFERS_LOG;
	if (!same_limits(a, b))
		differs |= KS_DIFFERS_LIMITS;
	if (helper_of(a) != helper_of(b))
		differs |= KS_DIFFERS_HELPER;
	if (!same_timeout(a, b))
		differs |= KS_DIFFERS_TIMEOUT;
	if (!same_sets(a, b))
		differs |= KS_DIFFERS_SETS;
	if (!same_changes(a, b))
		differs |= KS_DIFFERS_PACKETS;
	return differs;
}

const char *ks_differs_text(unsigned differs, char buf[KS_DIFFERS_TEXT])
{
	static const char *const words[] = { "verdict", "translation", "log",  "limits",
					     "helper",	"timeout",     "sets", "packets" };
	const char *comma = "";

	buf[0] = '\0';
	for (unsigned i = 0; i < KS_ARRAY_SIZE(words); i++) {
		if (!(differs >> i & 1))
			continue;
		strcat(strcat(buf, comma), words[i]);
		comma = ", ";
	}
	return buf;
}

static const struct {
	const char *verb, *verbs;
} statements[] = {
	[KS_STATEMENT_FORWARD] = { "forward", "forwards" },
	[KS_STATEMENT_REDIRECT] = { "redirect", "redirects" },
	[KS_STATEMENT_NAT] = { "translate", "translates" },
	[KS_STATEMENT_BINAT] = { "translate", "translates" },
	[KS_STATEMENT_NPTV6] = { "translate", "translates" },
	[KS_STATEMENT_HELPER] = { "give a helper to", "gives a helper to" },
};

static const struct {
	const char *verb, *verbs;
} actions[] = {
	[KS_ALLOW] = { "allow", "allows" },
	[KS_DENY] = { "deny", "denies" },
	[KS_REJECT] = { "reject", "rejects" },
	[KS_BYPASS] = { "bypass", "bypasses" },
};

const char *ks_deed_verb(const struct ks_deed *deed)
{
	const struct ks_rule_info *info = ks_deed_info(deed);

	return info && info->statement != KS_STATEMENT_RULE ? statements[info->statement].verb
							    : actions[ks_deed_action(deed)].verb;
}

const char *ks_deed_verbs(const struct ks_deed *deed)
{
	const struct ks_rule_info *info = ks_deed_info(deed);

	return info && info->statement != KS_STATEMENT_RULE ? statements[info->statement].verbs
							    : actions[ks_deed_action(deed)].verbs;
}
