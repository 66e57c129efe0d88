/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clause `limit` of a rule that allows: read, printed, compiled (core/limit.h
 * says what it means).
 *
 *   limit 10/minute burst 5 per source      new flows
 *   limit 20 connections per source/24,64   at once, by IPv4 and IPv6 prefix
 *   limit 1M octets/second per flow         and packets/second
 *   limit 10/minute per source overload @bad for 1h end flows
 */
#include "policy/foreign.h"
#include "policy/limit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "core/protocol.h"
#include "core/table/record.h"
#include "policy/list.h"
#include "policy/rule.h"
#include "policy/sets.h"
#include "policy/value.h"
#include "text/names.h"
#include "text/plural.h"

#define NSEC_PER_SEC 1000000000ULL
#define IPV4_BITS 32U
#define IPV6_BITS 128U
#define BURST_SHARE 10U /* of a second's packets or octets: the burst that is not given */
#define BURST_DAYS_MAX 20U /* that a burst takes at its rate at most: tallies keep time in ms, modulo 2^32 */
#define SEC_PER_DAY (24U * 3600)

static const struct {
	const char *name;
	__u64 seconds;
} periods[] = { { "second", 1 }, { "minute", 60 }, { "hour", 3600 }, { "day", SEC_PER_DAY } };

static const char *const pers[] = {
	[KS_LIMIT_RULE] = "rule",
	[KS_LIMIT_SOURCE] = "source",
	[KS_LIMIT_DESTINATION] = "destination",
	[KS_LIMIT_FLOW] = "flow",
};

/* The units behind a number, and how many there may be. New flows have none: their rate is one word. */
static const struct {
	const char *name;
	__u64 max;
} units[] = {
	[KS_LIMIT_FLOWS] = { NULL, 1000000000ULL },
	[KS_LIMIT_CONNECTIONS] = { "connections", KS_LIMIT_STATES_MAX },
	[KS_LIMIT_PACKETS] = { "packets/second", 1000000000ULL },
	[KS_LIMIT_OCTETS] = { "octets/second", 1000000000000ULL },
};

#define AMOUNT_TEXT \
	"a rate of new flows such as 10/minute, or a number and 'connections', 'packets/second' or 'octets/second'"

/* --- reading --- */

/* A number of a unit. Of packets and octets it may have a letter behind it that multiplies it: 64k, 1M, 2G (10^3, 10^6, 10^9). */
static int read_amount(const char *text, size_t length, unsigned unit, __u64 *amount)
{
	static const struct {
		char letter;
		__u64 times;
	} letters[] = { { 'k', 1000 }, { 'M', 1000000 }, { 'G', 1000000000 } };
	char digits[24];
	__u64 times = 1, number;

	for (size_t i = 0; unit >= KS_LIMIT_PACKETS && length > 1 && i < KS_ARRAY_SIZE(letters); i++) {
		if (text[length - 1] == letters[i].letter) {
			times = letters[i].times;
			length--;
			break;
		}
	}
	if (!length || length >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, length);
	digits[length] = 0;
	if (ks_value_number(digits, 1, units[unit].max / times, &number))
		return -EINVAL;
	*amount = number * times;
	return 0;
}

static int bad_amount(struct ks_parser *p, const struct ks_token *token)
{
	return ks_parser_error(p, token, 0, "'%.60s' is no limit: expected " AMOUNT_TEXT, token->text);
}

#define LETTERS_TEXT ", with k, M or G for 10^3, 10^6 or 10^9"

static int bad_rate(struct ks_parser *p, const struct ks_token *token)
{
	if (token->text[0] < '0' || token->text[0] > '9')
		return bad_amount(p, token);
	return ks_parser_error(p, token, 0, "'%.60s' is out of bounds: expected 1 to %llu new flows in a time",
			       token->text, units[KS_LIMIT_FLOWS].max);
}

/* Reads "10/minute". */
static int read_rate(struct ks_parser *p, const struct ks_token *token, const char *slash, struct ks_ast_limit *limit)
{
	limit->unit = KS_LIMIT_FLOWS;
	if (read_amount(token->text, (size_t)(slash - token->text), KS_LIMIT_FLOWS, &limit->amount))
		return bad_rate(p, token);
	for (size_t i = 0; i < KS_ARRAY_SIZE(periods); i++) {
		if (strcmp(slash + 1, periods[i].name) == 0) {
			limit->period = (__u8)i;
			return 0;
		}
	}
	if (slash[1] >= '0' && slash[1] <= '9')
		return ks_parser_error(p, token, (size_t)(slash + 1 - token->text),
				       "a rate is so many in one second, minute, hour or day: expected one such as "
				       "36/minute, with 'burst 3' behind it for how many may come at once");
	if (ks_foreign_period(slash + 1))
		return ks_parser_error(p, token, (size_t)(slash + 1 - token->text),
				       "unknown time '%.60s': expected '%s'", slash + 1, ks_foreign_period(slash + 1));
	return ks_parser_error(p, token, (size_t)(slash + 1 - token->text),
			       "unknown time '%.60s': expected second, minute, hour or day", slash + 1);
}

/* Reads the unit behind a number. */
static int read_unit(struct ks_parser *p, const struct ks_token *amount, struct ks_ast_limit *limit)
{
	struct ks_token token;

	if (ks_parser_expect(p, KS_TOKEN_WORD, "'connections', 'packets/second' or 'octets/second'", &token))
		return -EINVAL;
	for (unsigned unit = KS_LIMIT_CONNECTIONS; unit < KS_LIMIT_UNITS; unit++) {
		if (strcmp(token.text, units[unit].name) != 0)
			continue;
		limit->unit = (__u8)unit;
		if (!read_amount(amount->text, amount->length, unit, &limit->amount))
			return 0;
		return ks_parser_error(p, amount, 0, "'%.60s' is out of bounds: expected 1 to %llu %s%s", amount->text,
				       units[unit].max, units[unit].name,
				       unit == KS_LIMIT_CONNECTIONS ? "" : LETTERS_TEXT);
	}
	if (strcmp(token.text, "per") == 0 || strcmp(token.text, "a") == 0 || strcmp(token.text, "/") == 0)
		return ks_parser_error(p, &token, 0, "a rate has no blanks: expected one such as '%.20s/minute'",
				       amount->text);
	return ks_parser_error(p, &token, 0,
			       "unknown unit '%.60s' of a limit: expected 'connections', 'packets/second' or "
			       "'octets/second'; new flows are limited by a rate such as 10/minute",
			       token.text);
}

static int parse_amount(struct ks_parser *p, struct ks_ast_limit *limit)
{
	struct ks_token token;
	const char *slash;
	int err = ks_parser_expect(p, KS_TOKEN_WORD, AMOUNT_TEXT, &token);

	if (err)
		return err;
	slash = strchr(token.text, '/');
	if (slash)
		return read_rate(p, &token, slash, limit);
	if (token.text[0] < '0' || token.text[0] > '9')
		return bad_amount(p, &token);
	return read_unit(p, &token, limit);
}

static int bad_burst(struct ks_parser *p, const struct ks_token *token, unsigned unit)
{
	static const char *const what[] = { [KS_LIMIT_FLOWS] = "new flows",
					    [KS_LIMIT_PACKETS] = "packets" LETTERS_TEXT,
					    [KS_LIMIT_OCTETS] = "octets" LETTERS_TEXT };

	return ks_parser_error(p, token, 0, "'%.60s' is no burst: expected 1 to %llu %s", token->text, units[unit].max,
			       what[unit]);
}

static int parse_burst(struct ks_parser *p, struct ks_ast_limit *limit)
{
	struct ks_token word = *ks_parser_last(p), token;

	if (limit->unit == KS_LIMIT_CONNECTIONS)
		return ks_parser_error(
			p, &word, 0,
			"'burst' cannot stand with connections: expected it with a rate such as 10/minute");
	if (ks_parser_expect(p, KS_TOKEN_WORD, "a number that may come at once, such as 5", &token))
		return -EINVAL;
	if (read_amount(token.text, token.length, limit->unit, &limit->burst))
		return bad_burst(p, &token, limit->unit);
	return 0;
}

/* Reads a prefix length of a family. */
static int read_bits(struct ks_parser *p, const struct ks_token *token, const char *text, unsigned max, __u8 *bits)
{
	__u64 number;

	if (ks_value_number(text, 0, max, &number))
		return ks_parser_error(p, token, (size_t)(text - token->text),
				       "'%.60s' is no prefix length of IPv%u: expected 0 to %u; the one of IPv6 stands "
				       "behind the one of IPv4, as in source/24,64",
				       text, max == IPV4_BITS ? 4 : 6, max);
	*bits = (__u8)number;
	return 0;
}

static int parse_bits(struct ks_parser *p, const struct ks_token *token, const char *text, struct ks_ast_limit *limit)
{
	struct ks_token second;
	int err = read_bits(p, token, text, IPV4_BITS, &limit->bits[0]);

	if (err || !ks_parser_accept(p, KS_TOKEN_COMMA))
		return err;
	if (ks_parser_expect(p, KS_TOKEN_WORD, "a prefix length of IPv6 such as 64", &second))
		return -EINVAL;
	return read_bits(p, &second, second.text, IPV6_BITS, &limit->bits[1]);
}

static int parse_per(struct ks_parser *p, struct ks_ast_limit *limit)
{
	struct ks_token token;
	size_t length;
	__u8 per = 0;

	if (ks_parser_expect(p, KS_TOKEN_WORD, "'source', 'destination', 'rule' or 'flow'", &token))
		return -EINVAL;
	length = strcspn(token.text, "/");
	while (per < KS_LIMIT_PERS && (strlen(pers[per]) != length || strncmp(token.text, pers[per], length) != 0))
		per++;
	if (per == KS_LIMIT_PERS || (token.text[length] && per != KS_LIMIT_SOURCE && per != KS_LIMIT_DESTINATION))
		return ks_parser_error(
			p, &token, 0,
			"'%.60s' cannot have a limit: expected source, destination, rule or flow; a source "
			"or destination may have prefix lengths, as in source/24,64",
			token.text);
	if (per == KS_LIMIT_FLOW && limit->unit < KS_LIMIT_PACKETS)
		return ks_parser_error(p, &token, 0,
				       "a flow can have no limit of flows: expected source, destination or rule, or a "
				       "limit of packets or octets");
	limit->per = per;
	return token.text[length] ? parse_bits(p, &token, token.text + length + 1, limit) : 0;
}

int ks_parse_hold(struct ks_parser *p, __u64 *hold)
{
	char low[KS_DURATION_TEXT], high[KS_DURATION_TEXT];
	struct ks_token token;
	__u64 ms;

	if (ks_parser_expect(p, KS_TOKEN_WORD, "a duration such as 1h", &token))
		return -EINVAL;
	if (ks_value_duration(token.text, &ms) || ms < KS_DYNAMIC_TIMEOUT_MIN_MS || ms > KS_DYNAMIC_TIMEOUT_MAX_MS)
		return ks_parser_error(
			p, &token, 0, "'%.60s' is no time in a set: expected a duration such as 10m or 1h30m, %s to %s",
			token.text, ks_duration_text(KS_DYNAMIC_TIMEOUT_MIN_MS, low),
			ks_duration_text(KS_DYNAMIC_TIMEOUT_MAX_MS, high));
	*hold = ms;
	return 0;
}

/* Reads "@set for 1h end flows" behind `overload`. */
static int parse_overload(struct ks_parser *p, struct ks_ast_limit *limit)
{
	struct ks_token word = *ks_parser_last(p), token;
	int err = 0;

	if (limit->per != KS_LIMIT_SOURCE)
		return ks_parser_error(
			p, &word, 0,
			"only a limit per source tells whom to put into a set: expected 'per source' before "
			"'overload'");
	if (ks_parser_expect(p, KS_TOKEN_WORD, "a set such as @bad", &token))
		return -EINVAL;
	if (token.text[0] != '@')
		return ks_parser_error(p, &token, 0, "'%.60s' is no set: expected %s%.60s", token.text,
				       ks_ast_find_set(p->ast, token.text) ? "@" : "one such as @",
				       ks_ast_find_set(p->ast, token.text) ? token.text : "bad");
	if (ks_check_name(p, &token, token.text + 1, "set"))
		return -EINVAL;
	limit->overload = (struct ks_name){ .text = token.text + 1, .place = token.place };
	if (ks_parser_accept_word(p, "for"))
		err = ks_parse_hold(p, &limit->hold);
	if (err || !ks_parser_accept_word(p, "end"))
		return err;
	if (!ks_parser_accept_word(p, "flows"))
		return ks_parser_error(p, ks_parser_next(p), 0, "expected 'flows' behind 'end'");
	limit->ends = true;
	return 0;
}

/* The burst of a limit in the text, or the one that stands for it. */
static __u64 burst_of(const struct ks_ast_limit *limit)
{
	static const __u64 least[] = { [KS_LIMIT_FLOWS] = KS_LIMIT_BURST_DEFAULT,
				       [KS_LIMIT_PACKETS] = KS_LIMIT_BURST_DEFAULT,
				       [KS_LIMIT_OCTETS] = KS_LIMIT_OCTETS_BURST_MIN };
	__u64 share = limit->unit == KS_LIMIT_FLOWS ? 0 : limit->amount / BURST_SHARE;

	return limit->burst ? limit->burst : KS_MAX(least[limit->unit], share);
}

/* The time, ns, that a burst takes at the limit's rate. */
static __u64 burst_time(const struct ks_ast_limit *limit)
{
	unsigned __int128 time =
		(unsigned __int128)burst_of(limit) * periods[limit->period].seconds * NSEC_PER_SEC / limit->amount;

	return (__u64)KS_MIN(time, (unsigned __int128)BURST_DAYS_MAX * SEC_PER_DAY * NSEC_PER_SEC);
}

/* How many limits of the rule count the same, for the same, as this one. */
static __u8 count_alike(const struct ks_ast_rule *rule, size_t end, const struct ks_ast_limit *limit)
{
	__u8 alike = 0;

	for (size_t i = 0; i < end; i++) {
		if (rule->limits[i].unit == limit->unit && rule->limits[i].per == limit->per)
			alike++;
	}
	return alike;
}

static int keep_limit(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_ast_limit *limit)
{
	struct ks_ast_limit *list;

	if (rule->limit_count >= KS_LIMITS_PER_RULE)
		return ks_parser_error_at(p, &limit->place, "a rule has at most %u limits", KS_LIMITS_PER_RULE);
	if (limit->per == KS_LIMIT_FLOW && count_alike(rule, rule->limit_count, limit))
		return ks_parser_error_at(p, &limit->place, "a flow has one limit of %s: expected it once",
					  limit->unit == KS_LIMIT_PACKETS ? "packets" : "octets");
	list = ks_arena_grow(p->scratch, rule->limits, rule->limit_count, sizeof(*list));
	if (!list)
		return ks_parser_no_memory(p);
	rule->limits = list;
	list[rule->limit_count++] = *limit;
	return 0;
}

int ks_parse_limit(struct ks_parser *p, struct ks_ast_rule *rule)
{
	struct ks_ast_limit limit = { .place = ks_parser_last(p)->place,
				      .bits = { KS_LIMIT_SOURCE_BITS4, KS_LIMIT_SOURCE_BITS6 } };
	bool allows = rule->statement == KS_STATEMENT_FORWARD || rule->statement == KS_STATEMENT_REDIRECT ||
		      (rule->statement == KS_STATEMENT_RULE && rule->action == KS_ALLOW);
	int err;

	if (!allows)
		return ks_parser_error_at(p, &limit.place,
					  "only what a rule allows has limits: expected it in 'allow', 'forward' or "
					  "'redirect'");
	err = parse_amount(p, &limit);
	if (!err && ks_parser_accept_word(p, "burst"))
		err = parse_burst(p, &limit);
	if (!err && ks_parser_accept_word(p, "per"))
		err = parse_per(p, &limit);
	if (!err && ks_parser_accept_word(p, "overload"))
		err = parse_overload(p, &limit);
	if (!err && ks_parser_accept_word(p, "burst"))
		err = ks_parser_error(p, ks_parser_last(p), 0,
				      "'burst' stands before 'per': expected it behind the rate, as in limit 10/minute "
				      "burst 5 per source");
	return err ? err : keep_limit(p, rule, &limit);
}

/* --- printing --- */

static void print_amount(unsigned unit, __u64 amount, FILE *out)
{
	static const char letters[] = " kMG";
	size_t times = 0;

	while (unit >= KS_LIMIT_PACKETS && times < 3 && amount % 1000 == 0) {
		amount /= 1000;
		times++;
	}
	fprintf(out, "%llu", amount);
	if (times)
		fputc(letters[times], out);
}

static void print_per(unsigned per, const __u8 bits[2], FILE *out)
{
	if (per == KS_LIMIT_RULE)
		return;
	fprintf(out, " per %s", pers[per]);
	if (per == KS_LIMIT_FLOW || (bits[0] == KS_LIMIT_SOURCE_BITS4 && bits[1] == KS_LIMIT_SOURCE_BITS6))
		return;
	fprintf(out, "/%u", bits[0]);
	if (bits[1] != KS_LIMIT_SOURCE_BITS6)
		fprintf(out, ",%u", bits[1]);
}

/* Prints "10/minute burst 8", "20 connections", "1M octets/second". */
static void print_rate(const struct ks_ast_limit *limit, FILE *out)
{
	if (limit->unit == KS_LIMIT_FLOWS) {
		fprintf(out, "%llu/%s", limit->amount, periods[limit->period].name);
	} else {
		print_amount(limit->unit, limit->amount, out);
		fprintf(out, " %s", units[limit->unit].name);
	}
	if (limit->burst &&
	    limit->burst != burst_of(&(struct ks_ast_limit){ .unit = limit->unit, .amount = limit->amount })) {
		fputs(" burst ", out);
		print_amount(limit->unit, limit->burst, out);
	}
}

static void print_overload(const struct ks_ast_limit *limit, FILE *out)
{
	char text[KS_DURATION_TEXT];

	if (!limit->overload.text)
		return;
	fprintf(out, " overload @%s", limit->overload.text);
	if (limit->hold)
		fprintf(out, " for %s", ks_duration_text(limit->hold, text));
	if (limit->ends)
		fputs(" end flows", out);
}

void ks_limits_print(const struct ks_ast_rule *rule, bool amounts, FILE *out)
{
	for (size_t i = 0; i < rule->limit_count; i++) {
		const struct ks_ast_limit *limit = &rule->limits[i];

		fputs(" limit ", out);
		if (amounts)
			print_rate(limit, out);
		else
			fputs(units[limit->unit].name ? units[limit->unit].name : "flows", out);
		print_per(limit->per, limit->bits, out);
		if (amounts)
			print_overload(limit, out);
	}
}

void ks_limit_print(const struct ks_limit *limit, FILE *out)
{
	size_t period = 0;

	while (limit->unit == KS_LIMIT_FLOWS && period + 1 < KS_ARRAY_SIZE(periods) &&
	       periods[period].seconds * NSEC_PER_SEC != limit->period)
		period++;
	if (limit->unit == KS_LIMIT_FLOWS) {
		fprintf(out, "%llu new flow%s/%s", limit->amount, ks_plural(limit->amount), periods[period].name);
	} else {
		print_amount(limit->unit, limit->amount, out);
		fprintf(out, " %s", units[limit->unit].name);
	}
	print_per(limit->per, limit->bits, out);
}

/* --- checking --- */

/* Complains about a protocol whose sources may be forged: then others come into the set. */
static void check_proven(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	char buf[8];

	for (size_t i = 0; i < rule->proto_count; i++) {
		if (ks_proto_has_handshake(rule->protos[i]))
			return;
	}
	if (rule->proto_count)
		ks_parser_error_at(p, &rule->protos_place,
				   "a limit of %s cannot put its source into a set, because the source may be forged: "
				   "expected a protocol with a handshake, tcp, sctp or dccp",
				   ks_proto_name(rule->protos[0], buf, sizeof(buf)));
}

void ks_check_filled(struct ks_parser *p, const struct ks_name *name)
{
	struct ks_item item = { .set = name->text, .place = name->place };
	struct ks_ast_set *set = ks_ast_find_set(p->ast, name->text);

	if (!set || set->ports) {
		ks_items_check(p, &(struct ks_items){ .list = &item, .count = 1 }, false);
		return;
	}
	set->filled = true;
	if (set->host_count)
		ks_parser_error_at(
			p, &name->place,
			"set '@%s' has host names, and holds what they resolve to: expected another dynamic set",
			name->text);
	else if (!set->dynamic && !set->broken)
		ks_parser_error_at(p, &name->place,
				   "set '@%s' cannot change while the policy is in force: expected a dynamic one, set "
				   "%s { } dynamic",
				   name->text, name->text);
}

void ks_check_limits(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	bool overloads = false;

	for (size_t i = 0; i < rule->limit_count; i++) {
		if (!rule->limits[i].overload.text)
			continue;
		overloads = true;
		ks_check_filled(p, &rule->limits[i].overload);
	}
	if (overloads)
		check_proven(p, rule);
}

/* --- compiling --- */

__u8 ks_filled_number(const struct ks_ast *ast, const struct ks_name *name)
{
	const struct ks_ast_set *set = name->text ? ks_ast_find_set(ast, name->text) : NULL;

	return set ? (__u8)(set->number + 1) : 0;
}

int ks_compile_limits(struct ks_compiler *c, const struct ks_ast_rule *rule, __u32 id)
{
	struct ks_config *config = &c->policy->config;

	if (config->limits + rule->limit_count > KS_LIMITS_MAX)
		return ks_parser_error_at(c->p, &rule->limits->place, "the policy's rules have more than %u limits",
					  KS_LIMITS_MAX);
	if (ks_compile_reserve(&c->policy->limits, &c->limit_room, config->limits, rule->limit_count,
			       sizeof(struct ks_limit)))
		return ks_parser_no_memory(c->p);
	for (size_t i = 0; i < rule->limit_count; i++) {
		const struct ks_ast_limit *limit = &rule->limits[i];
		bool is_rate = limit->unit != KS_LIMIT_CONNECTIONS;

		c->policy->limits[config->limits++] = (struct ks_limit){
			.amount = limit->amount,
			.period = is_rate ? periods[limit->period].seconds * NSEC_PER_SEC : 0,
			.burst = is_rate ? burst_time(limit) : 0,
			.rule = id,
			.unit = limit->unit,
			.per = limit->per,
			.bits = { limit->bits[0], limit->bits[1] },
			.at = count_alike(rule, i, limit),
			.order = (__u8)i,
			.hold = limit->hold,
			.overload = ks_filled_number(c->p->ast, &limit->overload),
			.ends = limit->ends,
		};
	}
	return 0;
}
