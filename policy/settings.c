/* SPDX-License-Identifier: BSD-2-Clause */
/* Timeouts, limits and options: the table, reading it, printing it; see settings.h. */
#include "policy/settings.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/value.h"

#define TIMEOUT(state, text)                                                      \
	{ KS_SETTING_TIMEOUT,                                                     \
	  text,                                                                   \
	  offsetof(struct ks_config, timeout) + KS_STATE_##state * sizeof(__u32), \
	  0,                                                                      \
	  KS_TIMEOUT_MIN_MS,                                                      \
	  KS_TIMEOUT_MAX_MS,                                                      \
	  seconds_##state * 1000ULL }
#define CLASS_TIMEOUT(class, answered, text, seconds)                                                        \
	{ KS_SETTING_TIMEOUT,                                                                                \
	  text,                                                                                              \
	  offsetof(struct ks_config, class_timeout) + (KS_UDP_##class * 2 + (answered)) * sizeof(__u32),     \
	  0,                                                                                                 \
	  KS_TIMEOUT_MIN_MS,                                                                                 \
	  KS_TIMEOUT_MAX_MS,                                                                                 \
	  (seconds) * 1000ULL },
#define LIMIT(field, text, low, high, start) \
	{ KS_SETTING_LIMIT, text, offsetof(struct ks_config, field), 0, low, high, start }
#define OPTION(bit, text, start) { KS_SETTING_OPTION, text, offsetof(struct ks_config, options), bit, 0, 1, start }

#define X(state, seconds) seconds_##state = seconds,
enum { KS_TIMEOUT_DEFAULTS(X) };
#undef X

#define HALF_OPEN_MIN 16U
#define HALF_OPEN_SHARE 4U /* without a limit of its own: this part of the states */

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
	TIMEOUT(ALIAS, "nat.alias"),
	TIMEOUT(MAPPING, "nat.mapping"),
	TIMEOUT(EXPECTED, "helper.expected"),
	TIMEOUT(FRAGMENTS, "fragments"),
	TIMEOUT(HELPER, "helper.memory"),
	KS_CLASS_TIMEOUT_DEFAULTS(CLASS_TIMEOUT)
	LIMIT(limit_states, "states", KS_LIMIT_STATES_MIN, KS_LIMIT_STATES_MAX, KS_LIMIT_STATES_DEFAULT),
	LIMIT(limit_half_open, "half-open", HALF_OPEN_MIN, KS_LIMIT_STATES_MAX,
	      KS_LIMIT_STATES_DEFAULT / HALF_OPEN_SHARE),
	OPTION(KS_OPT_PICKUP, "pickup", 0),
	OPTION(KS_OPT_CHECKSUM, "checksum", 0),
	OPTION(KS_OPT_LOG_DROPS, "log-drops", 1),
};
const size_t ks_setting_count = KS_ARRAY_SIZE(ks_settings);

#define X(class, answered, name, seconds) +1
enum { CLASS_TIMEOUTS = 0 KS_CLASS_TIMEOUT_DEFAULTS(X) };
#undef X
_Static_assert(KS_ARRAY_SIZE(ks_settings) == KS_STATE_MAX - 1 + CLASS_TIMEOUTS + 2 + 3, "every state has a timeout");

const char *ks_setting_keyword(enum ks_setting_kind kind)
{
	static const char *const keywords[] = { "timeout", "limit", "option" };

	return keywords[kind];
}

static __u64 get(const struct ks_config *config, const struct ks_setting *setting)
{
	__u32 value;

	memcpy(&value, (const char *)config + setting->offset, sizeof(value));
	return setting->kind == KS_SETTING_OPTION ? !!(value & setting->bit) : value;
}

static void set(struct ks_config *config, const struct ks_setting *setting, __u64 value)
{
	__u32 field = (__u32)value;

	if (setting->kind == KS_SETTING_OPTION) {
		field = config->options & ~setting->bit;
		field |= value ? setting->bit : 0;
	}
	memcpy((char *)config + setting->offset, &field, sizeof(field));
}

void ks_config_init(struct ks_config *config)
{
	memset(config, 0, sizeof(*config));
	for (size_t i = 0; i < ks_setting_count; i++)
		set(config, &ks_settings[i], ks_settings[i].initial);
}

/* --- reading --- */

/* "tcp.syn-sent" is "tcp.syn_sent", but limits and options are spelt with '-'. */
static bool same_name(const struct ks_setting *setting, const char *word)
{
	const char *name = setting->name;

	for (; *name && *word; name++, word++) {
		if (*name != *word && !(strchr("-_", *name) && strchr("-_", *word)))
			return false;
	}
	return !*name && !*word;
}

static int unknown(struct ks_parser *p, enum ks_setting_kind kind, const struct ks_token *word)
{
	const char *names[KS_ARRAY_SIZE(ks_settings)];
	char list[2048] = "";
	size_t count = 0;

	for (size_t i = 0; i < ks_setting_count; i++) {
		if (ks_settings[i].kind != kind)
			continue;
		if (count)
			strcat(list, ", ");
		strcat(list, ks_settings[i].name);
		names[count++] = ks_settings[i].name;
	}
	return ks_parser_error(p, word, 0, "unknown %s '%.60s'%s: expected one of %s", ks_setting_keyword(kind),
			       word->text, ks_did_you_mean(p, "", word->text, names, count), list);
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
	default:
		return ks_parser_error(p, word, 0, "expected 'on' or 'off' for %s, found '%.60s'", setting->name,
				       word->text);
	}
}

static int read_value(const struct ks_setting *setting, const char *text, __u64 *value)
{
	int err = 0;

	switch (setting->kind) {
	case KS_SETTING_TIMEOUT:
		err = ks_value_duration(text, value);
		break;
	case KS_SETTING_LIMIT:
		return ks_value_number(text, setting->min, setting->max, value);
	default:
		*value = strcmp(text, "on") == 0;
		return *value || strcmp(text, "off") == 0 ? 0 : -EINVAL;
	}
	return err || *value < setting->min || *value > setting->max ? -EINVAL : 0;
}

static int parse_setting(struct ks_parser *p, enum ks_setting_kind kind)
{
	static const char *const wanted[] = { "a timeout such as tcp.established", "a limit: 'states' or 'half-open'",
					      "an option: 'pickup', 'checksum' or 'log-drops'" };
	static const char *const values[] = { "a duration such as 1h30m", "a number", "'on' or 'off'" };
	struct ks_token word, text;
	struct ks_place *first;
	size_t i = 0;
	__u64 value;

	if (ks_parser_expect(p, KS_TOKEN_WORD, wanted[kind], &word))
		return -EINVAL;
	while (i < ks_setting_count && !(ks_settings[i].kind == kind && same_name(&ks_settings[i], word.text)))
		i++;
	if (i == ks_setting_count)
		return unknown(p, kind, &word);
	if (ks_parser_expect(p, KS_TOKEN_WORD, values[kind], &text))
		return -EINVAL;
	if (read_value(&ks_settings[i], text.text, &value))
		return bad_value(p, &ks_settings[i], &text);
	first = &p->ast->settings[i];
	if (first->line)
		return ks_parser_error(p, &word, 0, "%s %s is already set at %s:%u:%u", ks_setting_keyword(kind),
				       ks_settings[i].name, first->file, first->line, first->column);
	*first = word.place;
	set(&p->policy->config, &ks_settings[i], value);
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

static const struct ks_place *given(const struct ks_parser *p, size_t offset)
{
	for (size_t i = 0; i < ks_setting_count; i++) {
		if (ks_settings[i].offset == offset)
			return &p->ast->settings[i];
	}
	return NULL;
}

void ks_settings_check(struct ks_parser *p)
{
	const struct ks_place *place = given(p, offsetof(struct ks_config, limit_half_open));
	struct ks_config *config = &p->policy->config;

	if (!place->line)
		config->limit_half_open = config->limit_states / HALF_OPEN_SHARE;
	else if (config->limit_half_open > config->limit_states)
		ks_parser_error_at(p, place, "limit half-open %u is above limit states %u: expected it below",
				   config->limit_half_open, config->limit_states);
}

/* --- printing --- */

static void print_value(const struct ks_setting *setting, __u64 value, FILE *out)
{
	char buf[KS_DURATION_TEXT];

	if (setting->kind == KS_SETTING_TIMEOUT)
		fprintf(out, "%s %s", setting->name, ks_duration_text(value, buf));
	else if (setting->kind == KS_SETTING_LIMIT)
		fprintf(out, "%s %llu", setting->name, value);
	else
		fprintf(out, "%s %s", setting->name, value ? "on" : "off");
}

/* What a policy has that does not say anything about this setting. */
static __u64 initial(const struct ks_config *config, const struct ks_setting *setting)
{
	if (setting->offset == offsetof(struct ks_config, limit_half_open))
		return config->limit_states / HALF_OPEN_SHARE;
	return setting->initial;
}

void ks_settings_print(const struct ks_config *config, FILE *out)
{
	for (int kind = KS_SETTING_TIMEOUT; kind <= KS_SETTING_OPTION; kind++) {
		bool any = false;

		for (size_t i = 0; i < ks_setting_count; i++) {
			__u64 value = get(config, &ks_settings[i]);

			if ((int)ks_settings[i].kind != kind || value == initial(config, &ks_settings[i]))
				continue;
			if (any)
				fputs(", ", out);
			else
				fprintf(out, "%s ", ks_setting_keyword(kind));
			print_value(&ks_settings[i], value, out);
			any = true;
		}
		if (any)
			fputc('\n', out);
	}
}
