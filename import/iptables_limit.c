/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limit, hashlimit and connlimit of iptables(8). Ours count flows: those that a rule lets through, or with a rule that drops what
 * is beyond, those that come to the rules behind it.
 */
#include <errno.h>
#include <string.h>

#include "import/iptables.h"
#include "policy/value.h"

#define BURST_DEFAULT 5U
#define RATE_MAX 1000000000U
#define CONNECTIONS_MAX 16777216U
#define PART 32
#define PER_SOURCE " per source"
#define PER_DESTINATION " per destination"
#define DESTINATIONS "a limit of each network of destinations"

/* "10/minute", "10/min", "10" a second. */
static int rate_parse(const char *value, struct ks_import_limit *limit)
{
	static const char *const units[] = { "second", "minute", "hour", "day" };
	const char *slash = strchr(value, '/');
	char number[PART];

	snprintf(number, sizeof(number), "%.*s", slash ? (int)KS_MIN(slash - value, PART - 1) : PART - 1, value);
	if (ks_value_number(number, 1, RATE_MAX, &limit->amount))
		return -EINVAL;
	limit->unit = units[0];
	if (!slash)
		return 0;
	for (size_t i = 0; i < KS_ARRAY_SIZE(units); i++) {
		if (slash[1] && !strncmp(units[i], slash + 1, strlen(slash + 1))) {
			limit->unit = units[i];
			return 0;
		}
	}
	return -EINVAL;
}

static int rate_read(struct ks_iptables *ipt, const char *value, bool above)
{
	ipt->limited = true;
	ipt->above = above;
	if (rate_parse(value, &ipt->limit))
		ipt->limit_trouble = "this rate";
	else if (!ipt->limit.burst)
		ipt->limit.burst = BURST_DEFAULT;
	if (!ipt->limit.per)
		ipt->limit.per = "";
	return 1;
}

static int burst_read(struct ks_iptables *ipt, const char *value)
{
	if (ks_value_number(value, 1, RATE_MAX, &ipt->limit.burst))
		ipt->limit_trouble = "this burst";
	return 1;
}

/* Rates of pairs are as those of sources where the rule is about one port. */
static int mode_read(struct ks_iptables *ipt, const char *value)
{
	if (!strcmp(value, "srcip") || !strcmp(value, "srcip,dstport"))
		ipt->limit.per = PER_SOURCE;
	else if (!strcmp(value, "dstip"))
		ipt->limit.per = PER_DESTINATION;
	else
		ipt->limit_trouble = "a rate of each pair";
	return 1;
}

/* The bits of addresses that are counted as one; ours counts networks of 64 bits of IPv6 anyway. */
static int mask_read(struct ks_iptables *ipt, const char *value)
{
	const unsigned whole = ipt->family == KS_IPV4 ? 32 : 128;
	__u64 bits;

	if (ks_value_number(value, 0, whole, &bits) || bits == whole)
		return 1;
	if (!bits)
		ipt->limit.per = "";
	else if (ipt->limit.per && !strcmp(ipt->limit.per, PER_DESTINATION))
		ipt->limit_trouble = DESTINATIONS;
	else if (ipt->family == KS_IPV4)
		ipt->limit.per = ks_import_format(ipt->import, " per source/%u", (unsigned)bits);
	else if (bits < 64)
		ipt->limit.per = ks_import_format(ipt->import, " per source/32,%u", (unsigned)bits);
	return ipt->limit.per || bits >= 64 ? 1 : -ENOMEM;
}

static int connections_read(struct ks_iptables *ipt, const char *value, bool above)
{
	ipt->limited = true;
	ipt->above = above;
	if (ks_value_number(value, 1, CONNECTIONS_MAX, &ipt->limit.amount))
		ipt->limit_trouble = "this number of connections";
	ipt->limit.unit = NULL;
	if (!ipt->limit.per)
		ipt->limit.per = PER_SOURCE;
	return 1;
}

/* The mask, which iptables-save prints before this word, stays: with 0 all destinations are counted as one. */
static void destinations_read(struct ks_iptables *ipt)
{
	const char *per = ipt->limit.per;

	if (!per || !strcmp(per, PER_SOURCE))
		ipt->limit.per = PER_DESTINATION;
	else if (*per)
		ipt->limit_trouble = DESTINATIONS;
}

int ks_iptables_limit(struct ks_iptables *ipt, const char *option, bool negated)
{
	static const char *const ours[] = {
		"--limit",
		"--limit-burst",
		"--hashlimit",
		"--hashlimit-upto",
		"--hashlimit-above",
		"--hashlimit-burst",
		"--hashlimit-mode",
		"--hashlimit-srcmask",
		"--connlimit-upto",
		"--connlimit-above",
		"--connlimit-mask",
		"--hashlimit-name",
		"--hashlimit-htable-expire",
		"--hashlimit-htable-size",
		"--hashlimit-htable-max",
		"--hashlimit-htable-gcinterval",
	};
	const char *value;
	size_t which = 0;

	if (!strcmp(option, "--connlimit-saddr"))
		return 1;
	if (!strcmp(option, "--connlimit-daddr")) {
		destinations_read(ipt);
		return 1;
	}
	while (which < KS_ARRAY_SIZE(ours) && strcmp(ours[which], option) != 0)
		which++;
	if (which == KS_ARRAY_SIZE(ours))
		return 0;
	value = ks_words_take(&ipt->words);
	if (!value)
		return ks_import_fail(ipt->import, "line %u: nothing stands behind '%.40s'", ipt->import->line, option);
	if (!ipt->limit_text)
		ipt->limit_text = ks_import_format(ipt->import, "%s %.60s", option, value);
	if (which == 0 || which == 2 || which == 3 || which == 4)
		return rate_read(ipt, value, (which == 4) != negated);
	if (which == 1 || which == 5)
		return burst_read(ipt, value);
	if (which == 6)
		return mode_read(ipt, value);
	if (which == 7 || which == 10)
		return mask_read(ipt, value);
	if (which == 11)
		ipt->limit_name = value;
	return which == 8 || which == 9 ? connections_read(ipt, value, (which == 9) != negated) : 1;
}

/* Returns true if a limit of ours does what this one does with the target that the rule has. */
static bool limit_fits(const struct ks_iptables *ipt)
{
	const enum ks_verdict_kind kind = ipt->draft.rule.kind;

	if (ipt->limit_trouble)
		return false;
	if (ipt->above)
		return kind == KS_IMPORT_DROP || kind == KS_IMPORT_REJECT;
	return kind == KS_IMPORT_ACCEPT;
}

static bool limits_equal(const struct ks_import_limit *a, const struct ks_import_limit *b)
{
	return a->amount == b->amount && a->burst == b->burst && a->unit == b->unit && !strcmp(a->per, b->per);
}

/* Rules that give hashlimit the same name count together. Returns 0 with the limit of the rule, -EINVAL or -ENOMEM. */
static int limit_share(struct ks_iptables *ipt, struct ks_import_limit **limit)
{
	struct ks_iptables_named *named = ipt->named;

	while (named && ipt->limit_name && strcmp(named->name, ipt->limit_name) != 0)
		named = named->next;
	if (named && ipt->limit_name) {
		*limit = named->limit;
		return limits_equal(named->limit, &ipt->limit) ? 0 : -EINVAL;
	}
	*limit = ks_pool_alloc(&ipt->import->pool, sizeof(**limit));
	named = ks_pool_alloc(&ipt->import->pool, sizeof(*named));
	if (!*limit || !named)
		return -ENOMEM;
	**limit = ipt->limit;
	if (ipt->limit_name) {
		*named = (struct ks_iptables_named){ .next = ipt->named, .name = ipt->limit_name, .limit = *limit };
		ipt->named = named;
	}
	return 0;
}

int ks_iptables_limit_end(struct ks_iptables *ipt)
{
	struct ks_import_limit *limit;
	int err;

	if (!ipt->limited || ipt->draft.rule.kind == KS_IMPORT_LOG)
		return 0;
	if (!limit_fits(ipt))
		return ks_draft_unsaid(&ipt->draft, ipt->limit_text, false);
	err = limit_share(ipt, &limit);
	if (err)
		return err == -EINVAL ? ks_draft_unsaid(&ipt->draft, ipt->limit_text, false) : err;
	ipt->draft.rule.limit = limit;
	ipt->draft.rule.over = ipt->above;
	return 0;
}
