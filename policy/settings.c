/* SPDX-License-Identifier: BSD-2-Clause */
/* Timeouts, limits and options: the table, reading it, printing it; see settings.h. */
#include "policy/settings.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/settings_value.h"
#include "policy/value.h"

/* clang-format off */
#define FIELD(name) .offset = offsetof(struct ks_config, name)
#define SLOT(name, at) .offset = offsetof(struct ks_config, name) + (at) * sizeof(__u32), .size = sizeof(__u32)
#define TIMEOUT_BOUNDS .min = KS_TIMEOUT_MIN_MS, .max = KS_TIMEOUT_MAX_MS
#define TIMEOUT(state, text)                                                                                          \
	{ KS_SETTING_TIMEOUT, text, SLOT(timeout, KS_STATE_##state), TIMEOUT_BOUNDS,                                  \
	  .initial = seconds_##state * 1000ULL }
#define CLASS_TIMEOUT(class, answered, text, seconds)                                                                 \
	{ KS_SETTING_TIMEOUT, text, SLOT(class_timeout, KS_UDP_##class * 2 + (answered)), TIMEOUT_BOUNDS,             \
	  .initial = (seconds) * 1000ULL },
#define LIMIT(field, text, low, high, start)                                                                          \
	{ KS_SETTING_LIMIT, text, FIELD(field), .size = sizeof(__u32), .min = low, .max = high, .initial = start }
#define KIND_LIMIT(kind, other, text, start)                                                                          \
	{ KS_SETTING_LIMIT, text, SLOT(limit_kind, KS_KIND_##kind), .min = KS_LIMIT_KIND_MIN,                         \
	  .max = KS_LIMIT_KIND_MAX, .initial = start,                                                                 \
	  .twin = offsetof(struct ks_config, limit_kind) + KS_KIND_##other * sizeof(__u32) }
#define SHARES_OF(limit, field, text, low, high)                                                                      \
	{ KS_SETTING_SHARES, text, FIELD(field), .size = sizeof(__u32), .min = 1, .max = 100,                         \
	  .initial = SHARES(low, high), .base = offsetof(struct ks_config, limit) }
#define OPTION(mask, text, start)                                                                                     \
	{ KS_SETTING_OPTION, text, FIELD(options), .bit = mask, .max = 1, .initial = start, .size = sizeof(__u32) }
#define AGE(seconds) ((seconds) * (__u64)KS_MSEC_PER_SEC)
#define SCRUB(mask, text) { KS_SETTING_OPTION, text, FIELD(scrub), .bit = mask, .max = 1, .size = sizeof(__u16) }
#define NUMBER(field, mask, text, low, high, width)                                                                   \
	{ KS_SETTING_NUMBER, text, FIELD(field), .bit = mask, .min = low, .max = high, .size = sizeof(width) }
/* clang-format on */

#define X(state, seconds) seconds_##state = seconds,
enum { KS_TIMEOUT_DEFAULTS(X) };
#undef X

#define HALF_OPEN_MIN 16U
#define HALF_OPEN_SHARE 4U /* the default limit is this part of the states */
#define SOURCE_STATES_MIN 32U
#define SOURCE_SHARE 4U /* the default limit is all states but this part */

static const char *const xdp_words[KS_XDP_MODES] = { "off", "auto", "always" };
static const char *const schedule_end_words[KS_SCHEDULE_ENDS] = { "keep", "end" };
static const char *const short_words[KS_SHORT_MODES] = { "off", "auto", "on" };

const struct ks_setting ks_settings[] = {
	TIMEOUT(TCP_SYN_SENT, "tcp.syn_sent"),
	TIMEOUT(TCP_SYN_RECV, "tcp.syn_recv"),
	TIMEOUT(TCP_ESTABLISHED, "tcp.established"),
	TIMEOUT(TCP_FIN_WAIT, "tcp.fin_wait"),
	TIMEOUT(TCP_CLOSE_WAIT, "tcp.close_wait"),
	TIMEOUT(TCP_LAST_ACK, "tcp.last_ack"),
	TIMEOUT(TCP_TIME_WAIT, "tcp.time_wait"),
	TIMEOUT(TCP_CLOSE, "tcp.close"),
	TIMEOUT(UDP_SINGLE, "udp.single"),
	TIMEOUT(UDP_STREAM, "udp.stream"),
	TIMEOUT(ICMP_REQUEST, "icmp.request"),
	TIMEOUT(ICMP_REPLIED, "icmp.replied"),
	TIMEOUT(OTHER_SINGLE, "other.single"),
	TIMEOUT(OTHER_STREAM, "other.stream"),
	TIMEOUT(SCTP_COOKIE_WAIT, "sctp.cookie_wait"),
	TIMEOUT(SCTP_COOKIE_ECHOED, "sctp.cookie_echoed"),
	TIMEOUT(SCTP_ESTABLISHED, "sctp.established"),
	TIMEOUT(SCTP_SHUTDOWN_SENT, "sctp.shutdown_sent"),
	TIMEOUT(SCTP_SHUTDOWN_ACK_SENT, "sctp.shutdown_ack_sent"),
	TIMEOUT(SCTP_CLOSED, "sctp.closed"),
	TIMEOUT(SCTP_HEARTBEAT, "sctp.heartbeat"),
	TIMEOUT(DCCP_REQUEST, "dccp.request"),
	TIMEOUT(DCCP_RESPOND, "dccp.respond"),
	TIMEOUT(DCCP_PARTOPEN, "dccp.partopen"),
	TIMEOUT(DCCP_OPEN, "dccp.open"),
	TIMEOUT(DCCP_CLOSEREQ, "dccp.closereq"),
	TIMEOUT(DCCP_CLOSING, "dccp.closing"),
	TIMEOUT(DCCP_TIMEWAIT, "dccp.timewait"),
	TIMEOUT(TAKEN_UP, "taken_up"),
	TIMEOUT(ALIAS, "nat.alias"),
	TIMEOUT(MAPPING, "nat.mapping"),
	TIMEOUT(EXPECTED, "helper.expected"),
	TIMEOUT(FRAGMENTS, "fragments"),
	TIMEOUT(HELPER, "helper.memory"),
	TIMEOUT(ASKED, "group.answer"),
	KS_CLASS_TIMEOUT_DEFAULTS(CLASS_TIMEOUT)
		LIMIT(limit_states, "states", KS_LIMIT_STATES_MIN, KS_LIMIT_STATES_MAX, KS_LIMIT_STATES_DEFAULT),
	LIMIT(limit_half_open, "half-open", HALF_OPEN_MIN, KS_LIMIT_STATES_MAX,
	      KS_LIMIT_STATES_DEFAULT / HALF_OPEN_SHARE),
	LIMIT(limit_source_states, "states-per-source", SOURCE_STATES_MIN, KS_LIMIT_STATES_MAX,
	      KS_LIMIT_STATES_DEFAULT *(SOURCE_SHARE - 1) / SOURCE_SHARE),
	KIND_LIMIT(MAPPING_OUT, MAPPING_IN, "mappings", KS_LIMIT_MAPPINGS_DEFAULT),
	LIMIT(limit_host_mappings, "mappings-per-host", KS_LIMIT_KIND_MIN, KS_LIMIT_HOST_MAPPINGS_MAX,
	      KS_LIMIT_HOST_MAPPINGS_DEFAULT),
	LIMIT(limit_log, "log", KS_LIMIT_LOG_MIN, KS_LIMIT_LOG_MAX, KS_LIMIT_LOG_DEFAULT),
	LIMIT(limit_log_source, "log-per-source", KS_LIMIT_LOG_MIN, KS_LIMIT_LOG_MAX, KS_LIMIT_LOG_SOURCE_DEFAULT),
	LIMIT(limit_answers, "answers", KS_LIMIT_ANSWERS_MIN, KS_LIMIT_ANSWERS_MAX, KS_LIMIT_ANSWERS_DEFAULT),
	LIMIT(limit_answers_source, "answers-per-source", KS_LIMIT_ANSWERS_MIN, KS_LIMIT_ANSWERS_MAX,
	      KS_LIMIT_ANSWERS_SOURCE_DEFAULT),
	KIND_LIMIT(PERMIT, PERMIT, "permits", KS_LIMIT_PERMITS_DEFAULT),
	KIND_LIMIT(EXPECT, EXPECT, "expectations", KS_LIMIT_EXPECTATIONS_DEFAULT),
	KIND_LIMIT(FRAGMENT, QUOTED, "fragments", KS_LIMIT_FRAGMENTS_DEFAULT),
	KIND_LIMIT(HELPER_ORIGINAL, HELPER_REPLY, "helpers", KS_LIMIT_HELPERS_DEFAULT),
	KIND_LIMIT(QUESTION, QUESTION, "questions", KS_LIMIT_QUESTIONS_DEFAULT),
	KIND_LIMIT(TALLY, PACE, "tallies", KS_LIMIT_TALLIES_DEFAULT),
	SHARES_OF(limit_states, adaptive_low, "adaptive", KS_ADAPTIVE_LOW_DEFAULT, KS_ADAPTIVE_HIGH_DEFAULT),
	SHARES_OF(limit_half_open, challenge_low, "challenge", KS_CHALLENGE_LOW_DEFAULT, KS_CHALLENGE_HIGH_DEFAULT),
	OPTION(KS_OPT_PICKUP, "pickup", 0),
	OPTION(KS_OPT_CHECKSUM, "checksum", 0),
	OPTION(KS_OPT_STATE_CHECKSUM, "state-checksum", 1),
	OPTION(KS_OPT_LOG_DROPS, "log-drops", 1),
	OPTION(KS_OPT_SOURCE_ROUTES, "source-routes", 0),
	OPTION(KS_OPT_ASYMMETRIC, "asymmetric", 0),
	OPTION(KS_OPT_SIMULTANEOUS, "simultaneous-open", 0),
	OPTION(KS_OPT_OTHER_PROTOCOLS, "other-protocols", 0),
	OPTION(KS_OPT_EXPRESS, "express", 0),
	{ KS_SETTING_SPAN, "settle", FIELD(settle), .size = sizeof(__u32), .min = KS_SETTLE_MIN_MS,
	  .max = KS_SETTLE_MAX_MS, .initial = KS_SETTLE_DEFAULT_MS },
	SCRUB(KS_SCRUB_RANDOM_ID, "scrub-id"),
	SCRUB(KS_SCRUB_NO_DF, "scrub-df"),
	NUMBER(min_ttl, KS_SCRUB_TTL, "scrub-ttl", 1, 255, __u8),
	NUMBER(max_mss, KS_SCRUB_MSS, "mss", KS_MSS_MIN, KS_MSS_MAX, __u16),
	{ KS_SETTING_SIZE, "journal", FIELD(journal), .size = sizeof(__u32), .min = KS_JOURNAL_MIN,
	  .max = KS_JOURNAL_MAX, .initial = KS_JOURNAL_DEFAULT },
	{ KS_SETTING_AGE, "journal-age", FIELD(journal_age), .size = sizeof(__u32), .min = AGE(KS_JOURNAL_AGE_MIN),
	  .max = AGE(KS_JOURNAL_AGE_MAX), .initial = AGE(KS_JOURNAL_AGE_DEFAULT) },
	{ KS_SETTING_CHOICE, "xdp", FIELD(xdp), .size = sizeof(__u8), .max = KS_XDP_MODES - 1, .words = xdp_words },
	{ KS_SETTING_CHOICE, "short-way", FIELD(short_way), .size = sizeof(__u8), .max = KS_SHORT_MODES - 1,
	  .initial = KS_SHORT_AUTO, .words = short_words },
	{ KS_SETTING_CHOICE, "schedule-end", FIELD(schedule_end), .size = sizeof(__u8), .max = KS_SCHEDULE_ENDS - 1,
	  .words = schedule_end_words },
};
const size_t ks_setting_count = KS_ARRAY_SIZE(ks_settings);

#define X(class, answered, name, seconds) +1
enum { CLASS_TIMEOUTS = 0 KS_CLASS_TIMEOUT_DEFAULTS(X) };
#undef X
_Static_assert(KS_ARRAY_SIZE(ks_settings) == KS_STATE_MAX - 1 + CLASS_TIMEOUTS + 16 + 19, "every state has a timeout");

const char *ks_setting_keyword(enum ks_setting_kind kind)
{
	static const char *const keywords[] = { "timeout", "limit",  "limit",  "option", "option",
						"option",  "option", "option", "option" };

	return keywords[kind];
}

static bool same_keyword(enum ks_setting_kind a, enum ks_setting_kind b)
{
	return strcmp(ks_setting_keyword(a), ks_setting_keyword(b)) == 0;
}

/* --- fields: unsigned numbers of 8, 16 or 32 bits --- */

static __u32 load_field(const struct ks_config *config, size_t offset, size_t size)
{
	const char *at = (const char *)config + offset;
	__u32 value;
	__u16 half;

	if (size == sizeof(__u8))
		return *(const __u8 *)at;
	if (size == sizeof(half)) {
		memcpy(&half, at, sizeof(half));
		return half;
	}
	memcpy(&value, at, sizeof(value));
	return value;
}

static void store_field(struct ks_config *config, size_t offset, size_t size, __u32 value)
{
	char *at = (char *)config + offset;
	__u16 half = (__u16)value;

	if (size == sizeof(__u8))
		*(__u8 *)at = (__u8)value;
	else if (size == sizeof(half))
		memcpy(at, &half, sizeof(half));
	else
		memcpy(at, &value, sizeof(value));
}

/* The least percentage that gives this many flows: the one that was written, or an equivalent one. */
static __u32 share_of(__u32 flows, __u32 limit)
{
	return (__u32)(((__u64)flows * 100 + limit - 1) / limit);
}

static __u32 flows_of(__u32 share, __u32 limit)
{
	return (__u32)((__u64)share * limit / 100);
}

/* Where the upper one of two shares lies. */
static size_t upper_offset(const struct ks_setting *setting)
{
	return setting->offset + sizeof(__u32);
}

static __u32 base_of(const struct ks_config *config, const struct ks_setting *setting)
{
	return load_field(config, setting->base, sizeof(__u32));
}

__u32 ks_setting_share(const struct ks_config *config, const struct ks_setting *setting, bool upper)
{
	return load_field(config, upper ? upper_offset(setting) : setting->offset, sizeof(__u32));
}

__u64 ks_setting_value(const struct ks_config *config, const struct ks_setting *setting)
{
	__u32 value = load_field(config, setting->offset, setting->size);

	if (setting->kind == KS_SETTING_OPTION)
		return !!(value & setting->bit);
	if (setting->kind == KS_SETTING_SHARES)
		return SHARES(share_of(value, base_of(config, setting)),
			      share_of(ks_setting_share(config, setting, true), base_of(config, setting)));
	return setting->kind == KS_SETTING_AGE ? AGE(value) : value;
}

static void set_setting(struct ks_config *config, const struct ks_setting *setting, __u64 value)
{
	__u32 field = (__u32)value;

	if (setting->kind == KS_SETTING_OPTION) {
		field = load_field(config, setting->offset, setting->size) & ~setting->bit;
		field |= value ? setting->bit : 0;
	}
	if (setting->kind == KS_SETTING_SHARES) { /* a percentage until ks_settings_check() knows the limit */
		field = (__u32)(value >> SHARE_LOW_SHIFT);
		store_field(config, upper_offset(setting), sizeof(__u32), value & SHARE_HIGH_MASK);
	}
	if (setting->kind == KS_SETTING_AGE)
		field = (__u32)(value / KS_MSEC_PER_SEC);
	if (setting->kind == KS_SETTING_NUMBER)
		config->scrub = (__u16)((config->scrub & ~setting->bit) | (value ? setting->bit : 0));
	store_field(config, setting->offset, setting->size, field);
	if (setting->twin)
		store_field(config, setting->twin, setting->size, field);
}

void ks_config_init(struct ks_config *config)
{
	memset(config, 0, sizeof(*config));
	for (size_t i = 0; i < ks_setting_count; i++)
		set_setting(config, &ks_settings[i], ks_settings[i].initial);
}

/* --- reading --- */

/* "tcp.syn-sent" is "tcp.syn_sent", but limits and options are spelt with '-'. */
static bool is_setting_name(const struct ks_setting *setting, const char *word)
{
	const char *name = setting->name;

	for (; *name && *word; name++, word++) {
		if (*name != *word && !(strchr("-_", *name) && strchr("-_", *word)))
			return false;
	}
	return !*name && !*word;
}

static int unknown_setting(struct ks_parser *p, enum ks_setting_kind kind, const struct ks_token *word)
{
	const char *names[KS_ARRAY_SIZE(ks_settings)];
	char list[2048] = "";
	size_t count = 0, used = 0;

	for (size_t i = 0; i < ks_setting_count; i++) {
		if (!same_keyword(ks_settings[i].kind, kind))
			continue;
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", count ? ", " : "",
					 ks_settings[i].name);
		used = KS_MIN(used, sizeof(list) - 1);
		names[count++] = ks_settings[i].name;
	}
	return ks_parser_error(p, word, 0, "unknown %s '%.60s'%s: expected one of %s", ks_setting_keyword(kind),
			       word->text, ks_did_you_mean(p, "", word->text, names, count), list);
}

static int bad_word(struct ks_parser *p, const struct ks_setting *setting, const struct ks_token *word)
{
	char list[64] = "";
	size_t used = 0;

	for (size_t i = 0; i <= setting->max; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s'%s'",
					 !i		     ? ""
					 : i == setting->max ? " or "
							     : ", ",
					 setting->words[i]);
	return ks_parser_error(p, word, 0, "expected %s for %s, found '%.60s'", list, setting->name, word->text);
}

static int bad_value(struct ks_parser *p, const struct ks_setting *setting, const struct ks_token *word)
{
	char low[KS_DURATION_TEXT], high[KS_DURATION_TEXT];

	switch (setting->kind) {
	case KS_SETTING_TIMEOUT:
		return ks_parser_error(p, word, 0,
				       "'%.60s' is no timeout: expected a duration such as 30s, 10m or 1h30m, %s "
				       "to %s",
				       word->text, ks_duration_text(setting->min, low),
				       ks_duration_text(setting->max, high));
	case KS_SETTING_LIMIT:
		return ks_parser_error(p, word, 0, "'%.60s' is no limit for %s: expected a number %llu to %llu",
				       word->text, setting->name, setting->min, setting->max);
	case KS_SETTING_SHARES:
		return ks_parser_error(p, word, 0,
				       "'%.60s' is no limit for %s: expected two shares of the %s, the lower first, "
				       "such as %llu%%-%llu%%, or 'off'",
				       word->text, setting->name,
				       setting->base == offsetof(struct ks_config, limit_states) ? "states"
												 : "half-open ones",
				       setting->initial >> SHARE_LOW_SHIFT, setting->initial & SHARE_HIGH_MASK);
	case KS_SETTING_SPAN:
		return ks_parser_error(p, word, 0,
				       "'%.60s' is no value for %s: expected a duration such as 2m, %s to %s, or 'off'",
				       word->text, setting->name, ks_duration_text(setting->min, low),
				       ks_duration_text(setting->max, high));
	case KS_SETTING_NUMBER:
		return ks_parser_error(p, word, 0,
				       "'%.60s' is no value for %s: expected a number %llu to %llu, or 'off'",
				       word->text, setting->name, setting->min, setting->max);
	case KS_SETTING_SIZE:
		return ks_parser_error(p, word, 0,
				       "'%.60s' is no value for %s: expected a size %lluM to %lluG, or 'off'",
				       word->text, setting->name, setting->min, setting->max / MIB_PER_GIB);
	case KS_SETTING_AGE:
		return ks_parser_error(
			p, word, 0, "'%.60s' is no value for %s: expected a duration such as 30d, %s to %s", word->text,
			setting->name, ks_duration_text(setting->min, low), ks_duration_text(setting->max, high));
	case KS_SETTING_CHOICE:
		return bad_word(p, setting, word);
	default:
		return ks_parser_error(p, word, 0, "expected 'on' or 'off' for %s, found '%.60s'", setting->name,
				       word->text);
	}
}

static int parse_setting(struct ks_parser *p, enum ks_setting_kind kind)
{
	static const char *const wanted[] = {
		"a timeout such as tcp.established",
		"a limit such as 'states'", [KS_SETTING_OPTION] = "an option such as 'pickup'"
	};
	static const char *const values[] = { "a duration such as 1h30m",
					      "a number",
					      "two shares such as 60%-90%",
					      "'on' or 'off'",
					      "a duration such as 2m, or 'off'",
					      "a number, or 'off'",
					      "a size such as 512M, or 'off'",
					      "a duration such as 30d",
					      "one of its words" };
	struct ks_token word, text;
	struct ks_place *first;
	size_t i = 0;
	__u64 value;

	if (ks_parser_expect(p, KS_TOKEN_WORD, wanted[kind], &word))
		return -EINVAL;
	while (i < ks_setting_count &&
	       !(same_keyword(ks_settings[i].kind, kind) && is_setting_name(&ks_settings[i], word.text)))
		i++;
	if (i == ks_setting_count)
		return unknown_setting(p, kind, &word);
	if (ks_parser_expect(p, KS_TOKEN_WORD, values[ks_settings[i].kind], &text))
		return -EINVAL;
	if (ks_setting_read(&ks_settings[i], text.text, &value))
		return bad_value(p, &ks_settings[i], &text);
	first = &p->ast->settings[i];
	if (first->line)
		return ks_parser_error(p, &word, 0, "%s %s is already set at %s:%u:%u", ks_setting_keyword(kind),
				       ks_settings[i].name, first->file, first->line, first->column);
	*first = word.place;
	set_setting(&p->policy->config, &ks_settings[i], value);
	return 0;
}

int ks_parse_settings(struct ks_parser *p, const char *keyword)
{
	enum ks_setting_kind kind = KS_SETTING_TIMEOUT;
	int err;

	while (strcmp(ks_setting_keyword(kind), keyword) != 0)
		kind++;
	do {
		err = parse_setting(p, kind);
	} while (!err && ks_parser_accept(p, KS_TOKEN_COMMA));
	return err;
}

/* The default of a limit that is a part of the states; 0 for all other settings. */
static __u32 part_of_states(const struct ks_config *config, const struct ks_setting *setting)
{
	if (setting->offset == offsetof(struct ks_config, limit_half_open))
		return config->limit_states / HALF_OPEN_SHARE;
	if (setting->offset == offsetof(struct ks_config, limit_source_states))
		return (__u32)((__u64)config->limit_states * (SOURCE_SHARE - 1) / SOURCE_SHARE);
	return 0;
}

/*
 * Notes which timeouts differ from their defaults: those stand for translated flows, too (core/track/track.c). One that is set to
 * its default is none of them, because the normal form of a policy leaves it out.
 */
static void note_timeouts_set(struct ks_config *config)
{
	const size_t states = offsetof(struct ks_config, timeout), classes = offsetof(struct ks_config, class_timeout);

	for (size_t i = 0; i < ks_setting_count; i++) {
		const struct ks_setting *setting = &ks_settings[i];

		if (setting->kind != KS_SETTING_TIMEOUT || ks_setting_value(config, setting) == setting->initial)
			continue;
		if (setting->offset >= classes)
			config->class_timeouts_set |= 1U << (setting->offset - classes) / sizeof(__u32);
		else
			config->timeouts_set |= 1ULL
						<< ((setting->offset - states) / sizeof(__u32) & (KS_STATE_SLOTS - 1));
	}
}

/* Makes numbers of flows of the percentages. */
static void count_shares(struct ks_config *config)
{
	for (size_t i = 0; i < ks_setting_count; i++) {
		const struct ks_setting *setting = &ks_settings[i];
		__u32 limit;

		if (setting->kind != KS_SETTING_SHARES)
			continue;
		limit = base_of(config, setting);
		store_field(config, setting->offset, sizeof(__u32),
			    flows_of(ks_setting_share(config, setting, false), limit));
		store_field(config, upper_offset(setting), sizeof(__u32),
			    flows_of(ks_setting_share(config, setting, true), limit));
	}
}

/* Such limits are parts of the states where the policy does not set them. */
static void check_parts(struct ks_parser *p)
{
	struct ks_config *config = &p->policy->config;

	for (size_t i = 0; i < ks_setting_count; i++) {
		__u32 part = part_of_states(config, &ks_settings[i]), set;

		if (!part)
			continue;
		set = load_field(config, ks_settings[i].offset, sizeof(__u32));
		if (!p->ast->settings[i].line)
			store_field(config, ks_settings[i].offset, sizeof(__u32), part);
		else if (set > config->limit_states)
			ks_parser_error_at(p, &p->ast->settings[i],
					   "limit %s %u is above limit states %u: expected it below",
					   ks_settings[i].name, set, config->limit_states);
	}
}

void ks_settings_check(struct ks_parser *p)
{
	note_timeouts_set(&p->policy->config);
	check_parts(p);
	count_shares(&p->policy->config);
}

/* --- printing --- */

static void print_value(const struct ks_setting *setting, __u64 value, FILE *out)
{
	char buf[KS_DURATION_TEXT];

	if (setting->kind == KS_SETTING_TIMEOUT || setting->kind == KS_SETTING_AGE ||
	    (setting->kind == KS_SETTING_SPAN && value))
		fprintf(out, "%s %s", setting->name, ks_duration_text(value, buf));
	else if (setting->kind == KS_SETTING_SHARES && value)
		fprintf(out, "%s %llu%%-%llu%%", setting->name, value >> SHARE_LOW_SHIFT, value & SHARE_HIGH_MASK);
	else if (setting->kind == KS_SETTING_LIMIT || (setting->kind == KS_SETTING_NUMBER && value))
		fprintf(out, "%s %llu", setting->name, value);
	else if (setting->kind == KS_SETTING_SIZE && value)
		fprintf(out, "%s %llu%c", setting->name, value % MIB_PER_GIB ? value : value / MIB_PER_GIB,
			value % MIB_PER_GIB ? 'M' : 'G');
	else if (setting->kind == KS_SETTING_CHOICE)
		fprintf(out, "%s %s", setting->name, setting->words[value]);
	else
		fprintf(out, "%s %s", setting->name, value ? "on" : "off");
}

/* The value in a policy that does not mention the setting. */
static __u64 default_value(const struct ks_config *config, const struct ks_setting *setting)
{
	__u32 base = base_of(config, setting), part = part_of_states(config, setting);

	if (part)
		return part;
	if (setting->kind == KS_SETTING_SHARES) /* rounded as ks_setting_value() will round them */
		return SHARES(share_of(flows_of((__u32)(setting->initial >> SHARE_LOW_SHIFT), base), base),
			      share_of(flows_of(setting->initial & SHARE_HIGH_MASK, base), base));
	return setting->initial;
}

/* Prints the settings of a keyword on one line. */
static void print_group(const struct ks_config *config, enum ks_setting_kind group, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < ks_setting_count; i++) {
		__u64 value = ks_setting_value(config, &ks_settings[i]);

		if (!same_keyword(ks_settings[i].kind, group) || value == default_value(config, &ks_settings[i]))
			continue;
		if (any)
			fputs(", ", out);
		else
			fprintf(out, "%s ", ks_setting_keyword(group));
		print_value(&ks_settings[i], value, out);
		any = true;
	}
	if (any)
		fputc('\n', out);
}

void ks_settings_print(const struct ks_config *config, FILE *out)
{
	print_group(config, KS_SETTING_TIMEOUT, out);
	print_group(config, KS_SETTING_LIMIT, out);
	print_group(config, KS_SETTING_OPTION, out);
}
