/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "keep state (...)" of pf.conf(5). Limits of sources become limits of the rule. Times after which states end are not read: ours have
 * their own.
 */
#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "import/pf.h"
#include "policy/value.h"

#define CONNECTIONS_MAX 16777216U
#define SECONDS_MAX 86400U
#define TABLE_TEXT 128
#define PER_SOURCE " per source"

/* The options while they are read. */
struct options {
	__u64 states, source_states, connections; /* 0: no limit */
	__u64 rate, seconds; /* so many connections of a source in so many seconds */
	const struct ks_named_spans *table; /* for those that exceed a limit */
	bool flushes, global, unknown;
};

static int number_take(struct ks_pf_reader *reader, __u64 *number)
{
	const char *word = ks_words_take(reader->words);

	return word ? ks_value_number(word, 1, CONNECTIONS_MAX, number) : -EINVAL;
}

/* "15/5": 15 in 5 seconds. */
static int rate_take(struct ks_pf_reader *reader, struct options *options)
{
	const char *rest = ks_words_take(reader->words);
	char part[32];

	if (!rest)
		return -EINVAL;
	ks_word_part(&rest, '/', part, sizeof(part));
	if (!rest || ks_value_number(part, 1, CONNECTIONS_MAX, &options->rate))
		return -EINVAL;
	return ks_value_number(rest, 1, SECONDS_MAX, &options->seconds);
}

/* "<brutes> flush global" */
static int overload_take(struct ks_pf_reader *reader, struct options *options)
{
	const char *name = ks_pf_comes(reader, "<") ? ks_words_take(reader->words) : NULL;
	struct ks_named_spans *set;
	int err;

	if (!name || !ks_pf_comes(reader, ">") || strlen(name) >= KS_IMPORT_NAME - 2)
		return -EINVAL;
	err = ks_import_dynamic(reader->pf->import, name, &set);
	options->table = set;
	options->flushes = !err && ks_pf_comes(reader, "flush");
	if (options->flushes)
		ks_pf_comes(reader, "global");
	return err;
}

/* Options that bound nothing, and the times of states, which have a dot in their names. */
static bool is_harmless(struct ks_pf_reader *reader, const char *word)
{
	static const char *const flags[] = { "no-sync", "pflow", "if-bound", "floating", "sloppy", "allow-related" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(flags); i++) {
		if (!strcmp(flags[i], word))
			return true;
	}
	if (!strchr(word, '.') && strcmp(word, "interval") != 0 && strcmp(word, "frag") != 0)
		return false;
	ks_words_take(reader->words);
	return true;
}

static int option_read(struct ks_pf_reader *reader, const char *word, struct options *options)
{
	if (!strcmp(word, "max"))
		return number_take(reader, &options->states);
	if (!strcmp(word, "max-src-states"))
		return number_take(reader, &options->source_states);
	if (!strcmp(word, "max-src-conn"))
		return number_take(reader, &options->connections);
	if (!strcmp(word, "max-src-conn-rate"))
		return rate_take(reader, options);
	if (!strcmp(word, "overload"))
		return overload_take(reader, options);
	if (!strcmp(word, "source-track")) {
		options->global |= !ks_pf_comes(reader, "rule");
		ks_pf_comes(reader, "global");
		return 0;
	}
	return is_harmless(reader, word) ? 0 : -EINVAL;
}

/* Reads up to the parenthesis that closes them. */
static int options_read(struct ks_pf_reader *reader, struct options *options)
{
	int err = 0;

	while (!ks_pf_comes(reader, ")")) {
		const char *word = ks_words_take(reader->words);

		if (!word)
			return ks_import_fail(reader->pf->import, "line %u ends too early", reader->pf->import->line);
		err = option_read(reader, word, options);
		if (err == -ENOMEM)
			return err;
		options->unknown |= err != 0;
	}
	return 0;
}

/* --- what they become --- */

/* The name of whose flows they are, and what happens to who has too many. */
static const char *per_source(struct ks_pf_reader *reader, const struct options *options)
{
	if (!options->table)
		return PER_SOURCE;
	return ks_import_format(reader->pf->import, PER_SOURCE " overload @%s%s", options->table->name,
				options->flushes ? " end flows" : "");
}

static int limit_add(struct ks_pf_reader *reader, const struct ks_import_limit *limit)
{
	struct ks_import_limit *made = ks_pool_alloc(&reader->pf->import->pool, sizeof(*made));

	if (!made || !limit->per)
		return -ENOMEM;
	*made = *limit;
	made->also = reader->rule->limit;
	reader->rule->limit = made;
	return 0;
}

static int connections_add(struct ks_pf_reader *reader, __u64 amount, const char *per)
{
	return amount ? limit_add(reader, &(struct ks_import_limit){ .amount = amount, .per = per }) : 0;
}

/* No more in any such time: a half of them at once, and the rest by the rate. */
static int rate_add(struct ks_pf_reader *reader, const struct options *options)
{
	static const struct {
		const char *unit;
		__u64 seconds;
	} units[] = { { "second", 1 }, { "minute", 60 }, { "hour", 3600 }, { "day", 86400 } };
	const __u64 burst = (options->rate + 1) / 2, rest = options->rate - burst;
	struct ks_import_limit limit = { .burst = burst, .per = per_source(reader, options) };

	for (size_t i = 0;
	     i < KS_ARRAY_SIZE(units) && (!limit.amount || rest * units[i - 1].seconds % options->seconds); i++) {
		limit.amount = rest * units[i].seconds / options->seconds;
		limit.unit = units[i].unit;
	}
	if (!limit.amount)
		return ks_pf_unsaid(reader, "max-src-conn-rate", "", false);
	return limit_add(reader, &limit);
}

/* Returns true if the rule is about TCP alone, of which connections are counted as they are there. */
static bool is_tcp(const struct ks_draft *draft)
{
	for (unsigned i = 0; i < draft->matches; i++) {
		for (unsigned family = 0; family < 2; family++) {
			const __u64 *proto = draft->match[i].of[family].proto;

			if (draft->match[i].has[family] &&
			    (proto[0] & ~(1ULL << KS_PROTO_TCP) || proto[1] || proto[2] || proto[3]))
				return false;
		}
	}
	return true;
}

static int limits_make(struct ks_pf_reader *reader, const struct options *options)
{
	int err;

	if (!is_tcp(&reader->made->draft) &&
	    (options->states || options->source_states || options->connections || options->rate))
		return ks_pf_unsaid(reader, "limits of states other than TCP's", "", false);
	if (options->source_states && options->global)
		return ks_pf_unsaid(reader, "states of a source by several rules", "", false);
	if (reader->rule->limit || reader->made->draft.rule.kind != KS_IMPORT_ACCEPT)
		return 0;
	err = connections_add(reader, options->states, "");
	err = err ? err : connections_add(reader, options->source_states, PER_SOURCE);
	err = err ? err : connections_add(reader, options->connections, per_source(reader, options));
	return err || !options->rate ? err : rate_add(reader, options);
}

int ks_pf_state(struct ks_pf_reader *reader)
{
	struct options options = { 0 };
	int err;

	ks_pf_comes(reader, "state");
	if (!ks_pf_comes(reader, "("))
		return 0;
	err = options_read(reader, &options);
	if (!err && options.unknown)
		return ks_pf_unsaid(reader, "options of keep state", "", false);
	return err ? err : limits_make(reader, &options);
}

/* --- new addresses and ports --- */

/* "port 8080", "port 1024:65535", "port 6000:*" */
static void ports_take(struct ks_pf_reader *reader)
{
	struct ks_import_target *target = &reader->made->target;
	const char *word = ks_words_take(reader->words), *rest = word;
	__u64 low, high;
	char part[16];

	if (!word)
		return;
	ks_word_part(&rest, ':', part, sizeof(part));
	high = low = 0;
	if (ks_value_number(part, 1, KS_PORT_MAX, &low) ||
	    (rest && strcmp(rest, "*") != 0 && ks_value_number(rest, low, KS_PORT_MAX, &high))) {
		reader->made->draft.rule.trouble = "its new port is no port";
		return;
	}
	target->port = (__u16)low;
	target->port_last = (__u16)KS_MAX(low, high);
	target->each = rest && !high;
}

/* How one of several addresses is chosen. */
static void choice_skip(struct ks_pf_reader *reader)
{
	static const char *const words[] = { "round-robin", "random",	    "bitmask",	  "sticky-address",
					     "static-port", "least-states", "source-hash" };
	size_t i = 0;

	while (i < KS_ARRAY_SIZE(words)) {
		const char *next = ks_words_peek(reader->words);

		if (!ks_pf_comes(reader, words[i])) {
			i++;
			continue;
		}
		if (!strcmp(next, "source-hash") && ks_words_peek(reader->words) &&
		    !strncmp(ks_words_peek(reader->words), "0x", 2))
			ks_words_take(reader->words);
		i = 0;
	}
}

/* "{ 203.0.113.3, 203.0.113.4 }" as ours has it, or one address; NULL for all that is none. */
static const char *addresses_take(struct ks_pf_reader *reader, struct ks_import_target *target)
{
	const char *text = NULL;
	struct ks_range range;
	__u8 family;

	while (ks_words_peek(reader->words) && strcmp(ks_words_peek(reader->words), "}") != 0) {
		const char *word = ks_words_take(reader->words);

		if (ks_value_range(word, &range, &family) || (text && family != target->family))
			return NULL;
		if (!text)
			target->range = range;
		target->range.hi[0] = range.hi[0]; /* no single one, if there are several */
		target->range.hi[1] = range.hi[1];
		target->family = family;
		text = text ? ks_import_format(reader->pf->import, "%.400s, %.80s", text, word) : word;
		if (!text)
			return NULL;
	}
	return text && strchr(text, ',') ? ks_import_format(reader->pf->import, "{ %.480s }", text) : text;
}

int ks_pf_target(struct ks_pf_reader *reader)
{
	struct ks_pf_draft *made = reader->made;
	const char *word = ks_words_peek(reader->words);
	const unsigned from = reader->words->at;

	if (!word)
		return ks_import_fail(reader->pf->import, "line %u ends too early", reader->pf->import->line);
	if (ks_pf_comes(reader, "{"))
		made->target.address = addresses_take(reader, &made->target);
	else if (!ks_value_range(word, &made->target.range, &made->target.family))
		made->target.address = word;
	else if (!strcmp(word, "<"))
		made->draft.rule.trouble = "its new address is one of a table";
	reader->words->at = from;
	ks_pf_list_skip(reader);
	if (ks_pf_comes(reader, "port"))
		ports_take(reader);
	choice_skip(reader);
	return 0;
}
