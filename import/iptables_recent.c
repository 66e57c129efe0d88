/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The module recent of iptables(8). Rules put the sources of packets into a list, and others ask how often a source came in the last
 * seconds: where both are about the same packets, and the latter drop, that is a limit per source. What else is asked of a list is a
 * condition that nothing of ours says.
 *
 * A source may have N flows in any time of so many seconds: a part of them at once, and the others by the rate. Where the list keeps
 * count of the tries that it refuses (--update), a source that never pauses gets nothing there, and the rate here.
 */
#include <errno.h>
#include <string.h>

#include "import/iptables.h"
#include "policy/value.h"

#define COUNT_MAX 255U
#define SECONDS_MAX 604800U
#define TEXT_MAX 160
#define LIMIT_HINT " (a limit per source with 'overload @set' does so here)"

static const char *const valued[] = { "--name", "--mask", "--seconds", "--hitcount" };
static const char *const alone[] = { "--set",  "--rcheck",  "--update", "--remove",
				     "--reap", "--rsource", "--rdest",	"--rttl" };

static bool is_among(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(words[i], word))
			return true;
	}
	return false;
}

/* --- the packets that a rule is about --- */

static bool skips(const struct ks_words_line *words, unsigned *at)
{
	const char *word = words->word[*at], *next = *at + 1 < words->count ? words->word[*at + 1] : "";
	const bool module = !strcmp(word, "-m") || !strcmp(word, "--match");

	if (module && (!strcmp(next, "recent") || !strcmp(next, "comment")))
		++*at;
	else if (!strcmp(word, "--comment") || is_among(word, valued, KS_ARRAY_SIZE(valued)))
		++*at;
	else if (!is_among(word, alone, KS_ARRAY_SIZE(alone)))
		return false;
	return true;
}

/* The chain and all conditions but those of recent, as text: rules that have the same are about the same packets. */
static const char *packets_of(const struct ks_iptables *ipt)
{
	const struct ks_words_line *words = &ipt->words;
	char *text = ks_pool_alloc(&ipt->import->pool, strlen(ipt->import->text) + strlen(ipt->table) + 2), *out = text;

	if (!text)
		return NULL;
	out = stpcpy(out, ipt->table);
	for (unsigned i = ipt->begin; i < words->count && strcmp(words->word[i], "-j") != 0; i++) {
		if (i > ipt->begin && skips(words, &i))
			continue;
		*out++ = ' ';
		out = stpcpy(out, words->word[i]);
	}
	return text;
}

/* --- words --- */

static void option_take(struct ks_iptables_recent *recent, const char *option, const char *value)
{
	if (!strcmp(option, "--name"))
		recent->name = value;
	else if (!strcmp(option, "--mask"))
		recent->mask = value;
	else if (!strcmp(option, "--seconds"))
		recent->odd |= ks_value_number(value, 1, SECONDS_MAX, &recent->seconds) != 0;
	else if (!strcmp(option, "--hitcount"))
		recent->odd |= ks_value_number(value, 1, COUNT_MAX, &recent->hits) != 0;
	else if (!strcmp(option, "--rcheck") || !strcmp(option, "--update"))
		recent->asks = true;
	else if (!strcmp(option, "--set"))
		recent->adds = true;
	else if (strcmp(option, "--rsource") != 0)
		recent->asks = recent->odd = true;
}

int ks_iptables_recent(struct ks_iptables *ipt, const char *option, bool negated)
{
	struct ks_iptables_recent *recent = &ipt->recent;
	const char *value = NULL;
	bool takes = is_among(option, valued, KS_ARRAY_SIZE(valued));

	if (strcmp(ipt->module, "recent") != 0 || (!takes && !is_among(option, alone, KS_ARRAY_SIZE(alone))))
		return 0;
	if (takes)
		value = ks_words_take(&ipt->words);
	if (takes && !value)
		return ks_import_fail(ipt->import, "line %u: nothing stands behind '%.40s'", ipt->import->line, option);
	recent->asks |= negated;
	recent->odd |= negated;
	if (!recent->name)
		recent->name = "DEFAULT";
	option_take(recent, option, value);
	recent->text = ks_import_format(ipt->import, "%.*s %s%s%.60s", TEXT_MAX, recent->text ? recent->text : "recent",
					option, value ? " " : "", value ? value : "");
	return recent->text ? 1 : -ENOMEM;
}

/* --- limits --- */

/* Remembers who uses a list. The second reading knows all of them. */
static int use_add(struct ks_iptables *ipt, const char *packets)
{
	struct ks_import_recent *made;

	made = ks_pool_alloc(&ipt->import->pool, sizeof(*made));
	if (!made)
		return -ENOMEM;
	*made = (struct ks_import_recent){ .next = ipt->import->recents,
					   .name = ks_import_copy(ipt->import, ipt->recent.name,
								  strlen(ipt->recent.name)),
					   .packets = packets,
					   .adds = ipt->recent.adds };
	ipt->import->recents = made;
	return made->name ? 0 : -ENOMEM;
}

/* Returns true if a list has the packets of this rule, and of no other. */
static bool is_of_these(const struct ks_iptables *ipt, const char *packets)
{
	bool adds = false;

	for (const struct ks_import_recent *use = ipt->import->recents; use; use = use->next) {
		if (strcmp(use->name, ipt->recent.name) != 0)
			continue;
		if (strcmp(use->packets, packets) != 0)
			return false;
		adds |= use->adds;
	}
	return adds;
}

/* The bits of a mask; -1 for one that is no prefix. */
static int mask_bits(const char *mask, __u8 family)
{
	const int whole = family == KS_IPV4 ? 32 : 128;
	struct ks_addr addr;
	__u64 value[2];
	__u8 is;
	int bits = 0;

	if (!mask)
		return whole;
	if (ks_value_addr(mask, &addr, &is) || is != family)
		return -1;
	ks_addr_to_value(&addr, family, value);
	if (family == KS_IPV4)
		value[0] = value[1] << 32;
	while (bits < whole && value[bits / 64] >> (63 - bits % 64) & 1)
		bits++;
	for (int i = bits; i < whole; i++) {
		if (value[i / 64] >> (63 - i % 64) & 1)
			return -1;
	}
	return bits;
}

/* Those whom the limit counts: an address, or a network; ours counts networks of 64 bits of IPv6 anyway. */
static const char *per_of(struct ks_iptables *ipt)
{
	const int bits = mask_bits(ipt->recent.mask, ipt->family);

	if (bits <= 0)
		return NULL;
	if (ipt->family == KS_IPV4)
		return bits == 32 ? " per source" : ks_import_format(ipt->import, " per source/%d", bits);
	return bits >= 64 ? " per source" : ks_import_format(ipt->import, " per source/32,%d", bits);
}

/* The smallest time in which the rate is one at least. */
static void rate_find(const struct ks_iptables_recent *recent, struct ks_import_limit *limit)
{
	static const struct {
		const char *name;
		__u64 seconds;
	} units[] = { { "minute", 60 }, { "hour", 3600 }, { "day", 86400 } };
	const __u64 flows = recent->hits - 1, later = flows / 2;

	limit->burst = flows - later;
	for (size_t i = 0; i < KS_ARRAY_SIZE(units); i++) {
		limit->unit = units[i].name;
		/* without later ones the time between two is longer than that */
		limit->amount =
			later ? later * units[i].seconds / recent->seconds : (units[i].seconds - 1) / recent->seconds;
		if (limit->amount)
			return;
	}
}

int ks_iptables_recent_end(struct ks_iptables *ipt)
{
	struct ks_iptables_recent *recent = &ipt->recent;
	const enum ks_verdict_kind kind = ipt->draft.rule.kind;
	const char *packets = recent->name ? packets_of(ipt) : "", *per = NULL;
	int err;

	if (!recent->name)
		return 0;
	err = packets ? use_add(ipt, packets) : -ENOMEM;
	if (err || !recent->asks)
		return err;
	if (!recent->odd && !recent->adds && recent->seconds && recent->hits > 1 && !ipt->limited &&
	    (kind == KS_IMPORT_DROP || kind == KS_IMPORT_REJECT) && is_of_these(ipt, packets))
		per = per_of(ipt);
	if (!per)
		return ks_draft_unsaid(&ipt->draft, ks_import_format(ipt->import, "%s" LIMIT_HINT, recent->text),
				       false);
	ipt->limit = (struct ks_import_limit){ .per = per };
	rate_find(recent, &ipt->limit);
	ipt->limit_text = recent->text;
	ipt->limited = ipt->above = true;
	return 0;
}
