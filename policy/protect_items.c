/* SPDX-License-Identifier: BSD-2-Clause */
/* The items of `protect`: what each is and means, its default, its value in the text. */
#include <errno.h>
#include <string.h>

#include "core/port_scan.h"
#include "policy/list.h"
#include "policy/protect_internal.h"
#include "policy/value.h"

static int read_syn_flood(struct ks_parser *p, struct ks_ast_protect *said);
static int read_udp_flood(struct ks_parser *p, struct ks_ast_protect *said);
static int read_icmp_flood(struct ks_parser *p, struct ks_ast_protect *said);
static int read_port_scan(struct ks_parser *p, struct ks_ast_protect *said);
static int read_options(struct ks_parser *p, struct ks_ast_protect *said);
static void print_syn_flood(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out);
static void print_udp_flood(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out);
static void print_icmp_flood(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out);
static void print_port_scan(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out);
static void print_options(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out);

const struct ks_protect_word ks_protect_words[KS_PROTECT_MAX] = {
	[KS_PROTECT_SYN_FLOOD] = { "syn flood", KS_REASON_SYN_FLOOD, "a new TCP connection beyond that", read_syn_flood,
				   print_syn_flood },
	[KS_PROTECT_UDP_FLOOD] = { "udp flood", KS_REASON_UDP_FLOOD, "UDP beyond that, where nobody has answered",
				   read_udp_flood, print_udp_flood },
	[KS_PROTECT_ICMP_FLOOD] = { "icmp flood", KS_REASON_ICMP_FLOOD, "an ICMP query beyond that", read_icmp_flood,
				    print_icmp_flood },
	[KS_PROTECT_PORT_SCAN] = { "port scan", KS_REASON_PORT_SCAN, "a packet of a source that is refused at so many",
				   read_port_scan, print_port_scan },
	[KS_PROTECT_TRACE_ROUTE] = { "trace route", KS_REASON_TRACE_ROUTE,
				     "what would end here on its way to others, and UDP to ports 33434-33534 with a "
				     "hop limit up to 30" },
	[KS_PROTECT_IP_OPTIONS] = { "ip options", KS_REASON_IP_OPTION,
				    "a packet with one of these, unless it is of IGMP or MLD", read_options,
				    print_options },
	[KS_PROTECT_SYN_FRAGMENT] = { "syn fragment", KS_REASON_SYN_FRAGMENT, "a SYN in fragments" },
	[KS_PROTECT_ICMP_FRAGMENT] = { "icmp fragment", KS_REASON_ICMP_FRAGMENT,
				       "an ICMP message in fragments that nobody inside has asked for" },
	[KS_PROTECT_SMURF] = { "smurf", KS_REASON_SMURF, "an ICMP query to a broadcast or multicast address" },
	[KS_PROTECT_FRAGGLE] = { "fraggle", KS_REASON_FRAGGLE,
				 "UDP to port 7 or 19 of a broadcast or multicast address" },
	[KS_PROTECT_UNASSIGNED] = { "unassigned protocols", KS_REASON_UNASSIGNED_PROTOCOL,
				    "a protocol of number 148 to 255" },
};

/* The bits that so many destinations set on average in a map of KS_SCAN_BITS, where some meet. */
static __u16 scan_marks(__u32 ports)
{
	const __u64 one = 1ULL << 32; /* in fixed point */
	__u64 marks = 0;

	for (__u32 i = 0; i < ports; i++)
		marks += one - marks / KS_SCAN_BITS;
	return (__u16)((marks + one / 2) / one);
}

/* `udp flood` is off: it would let anybody who sends as much keep others out of a service. */
void ks_protect_defaults(struct ks_protection *protection)
{
	*protection = (struct ks_protection){
		.items = ((1U << KS_PROTECT_MAX) - 1) & ~(1U << KS_PROTECT_UDP_FLOOD),
		.ip_options = KS_IP_OPTIONS_ALL,
		.scan_ports = KS_SCAN_PORTS_DEFAULT,
		.scan_marks = scan_marks(KS_SCAN_PORTS_DEFAULT),
		.scan_window = KS_SCAN_WINDOW_DEFAULT_MS,
		.rate = { KS_SYN_FLOOD_DEFAULT, KS_UDP_FLOOD_DEFAULT, KS_ICMP_FLOOD_DEFAULT },
	};
}

/* Where SYNs are never challenged, a threshold could only keep newcomers out. */
void ks_protect_fit(struct ks_protection *protection, const struct ks_zone *zone)
{
	if (zone->challenge == KS_CHALLENGE_NEVER && !(protection->flags & KS_PROTECT_SYN_DROP))
		protection->items &= (__u16) ~(1U << KS_PROTECT_SYN_FLOOD);
}

const char *ks_protect_name(unsigned item)
{
	return item < KS_PROTECT_MAX ? ks_protect_words[item].name : "?";
}

const char *ks_protect_means(unsigned item)
{
	return item < KS_PROTECT_MAX ? ks_protect_words[item].means : "?";
}

int ks_protect_item_of(unsigned reason)
{
	for (int item = 0; item < KS_PROTECT_MAX; item++) {
		if (ks_protect_words[item].reason == reason)
			return item;
	}
	return -1;
}

/* --- thresholds --- */

static int bad_rate(struct ks_parser *p, const struct ks_token *token)
{
	return ks_parser_error(p, token, 0,
			       "'%.60s' is no threshold: expected a number 1 to %u a second, such as 2000/second",
			       token->text, KS_FLOOD_RATE_MAX);
}

/* Reads "2000/second per destination"; without it the default stays. */
static int read_rate(struct ks_parser *p, __u32 *rate)
{
	struct ks_token token;
	char digits[16];
	const char *slash;
	__u64 number;

	if (!ks_parser_is(p, KS_TOKEN_WORD) || ks_parser_is_word(p, "drop"))
		return 0;
	token = *ks_parser_next(p);
	slash = strchr(token.text, '/');
	if (!slash || strcmp(slash, "/second") != 0 || slash - token.text >= (long)sizeof(digits))
		return bad_rate(p, &token);
	snprintf(digits, sizeof(digits), "%.*s", (int)(slash - token.text), token.text);
	if (ks_value_number(digits, 1, KS_FLOOD_RATE_MAX, &number))
		return bad_rate(p, &token);
	*rate = (__u32)number;
	if (!ks_parser_accept_word(p, "per"))
		return 0;
	if (!ks_parser_accept_word(p, "destination"))
		return ks_parser_error(
			p, ks_parser_peek(p), 0,
			"expected 'destination': thresholds are of each; the clause 'limit' of a rule can "
			"count sources");
	return 0;
}

static int read_syn_flood(struct ks_parser *p, struct ks_ast_protect *said)
{
	int err = read_rate(p, &said->protection.rate[KS_PROTECT_SYN_FLOOD]);

	if (!err && ks_parser_accept_word(p, "drop"))
		said->protection.flags |= KS_PROTECT_SYN_DROP;
	return err;
}

static int read_udp_flood(struct ks_parser *p, struct ks_ast_protect *said)
{
	said->protection.items |= 1U << KS_PROTECT_UDP_FLOOD;
	return read_rate(p, &said->protection.rate[KS_PROTECT_UDP_FLOOD]);
}

static int read_icmp_flood(struct ks_parser *p, struct ks_ast_protect *said)
{
	return read_rate(p, &said->protection.rate[KS_PROTECT_ICMP_FLOOD]);
}

static void print_rate(const struct ks_protection *protection, enum ks_protect_item item, FILE *out)
{
	fprintf(out, " %u/second per destination", protection->rate[item]);
}

static void print_syn_flood(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out)
{
	print_rate(protection, KS_PROTECT_SYN_FLOOD, out);
	fputs(protection->flags & KS_PROTECT_SYN_DROP ? " drop" : "", out);
}

static void print_udp_flood(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out)
{
	print_rate(protection, KS_PROTECT_UDP_FLOOD, out);
}

static void print_icmp_flood(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out)
{
	print_rate(protection, KS_PROTECT_ICMP_FLOOD, out);
}

bool ks_protect_same_value(const struct ks_protection *a, const struct ks_protection *b, unsigned item)
{
	switch (item) {
	case KS_PROTECT_SYN_FLOOD:
		return a->rate[item] == b->rate[item] && a->flags == b->flags;
	case KS_PROTECT_UDP_FLOOD:
	case KS_PROTECT_ICMP_FLOOD:
		return a->rate[item] == b->rate[item];
	case KS_PROTECT_PORT_SCAN:
		return a->scan_ports == b->scan_ports && a->scan_window == b->scan_window &&
		       a->scan_set == b->scan_set && a->scan_hold == b->scan_hold;
	case KS_PROTECT_IP_OPTIONS:
		return a->ip_options == b->ip_options;
	default:
		return true;
	}
}

/* --- port scan --- */

static int read_duration(struct ks_parser *p, __u64 low, __u64 high, __u64 *ms)
{
	char least[KS_DURATION_TEXT], most[KS_DURATION_TEXT];
	struct ks_token token;

	if (ks_parser_expect(p, KS_TOKEN_WORD, "a duration such as 5m", &token))
		return -EINVAL;
	if (ks_value_duration(token.text, ms) || *ms < low || *ms > high)
		return ks_parser_error(p, &token, 0, "'%.60s' is no duration for 'port scan': expected %s to %s",
				       token.text, ks_duration_text(low, least), ks_duration_text(high, most));
	return 0;
}

/* Reads "20 ports in 5m". */
static int read_scan_threshold(struct ks_parser *p, struct ks_protection *protection)
{
	struct ks_token token = *ks_parser_next(p);
	__u64 number, window;

	if (ks_value_number(token.text, KS_SCAN_PORTS_MIN, KS_SCAN_PORTS_MAX, &number))
		return ks_parser_error(p, &token, 0,
				       "'%.60s' is no number of ports: expected %u to %u, as in 'port scan 20 ports in "
				       "5m'",
				       token.text, KS_SCAN_PORTS_MIN, KS_SCAN_PORTS_MAX);
	if (!ks_parser_accept_word(p, "ports") || !ks_parser_accept_word(p, "in"))
		return ks_parser_error(p, ks_parser_peek(p), 0,
				       "expected 'ports in' and a duration, as in '20 ports in 5m'");
	if (read_duration(p, KS_SCAN_WINDOW_MIN_MS, KS_SCAN_WINDOW_MAX_MS, &window))
		return -EINVAL;
	protection->scan_ports = (__u16)number;
	protection->scan_marks = scan_marks((__u32)number);
	protection->scan_window = (__u32)window;
	return 0;
}

/* Reads "@name". */
static int read_set(struct ks_parser *p, const char *what, struct ks_name *set)
{
	struct ks_token token;

	if (ks_parser_expect(p, KS_TOKEN_WORD, what, &token))
		return -EINVAL;
	if (token.text[0] != '@')
		return ks_parser_error(p, &token, 0, "'%.60s' is no set: expected %s", token.text, what);
	*set = (struct ks_name){ .text = token.text + 1, .place = token.place };
	return 0;
}

static int read_port_scan(struct ks_parser *p, struct ks_ast_protect *said)
{
	int err = 0;

	if (ks_parser_is(p, KS_TOKEN_WORD) && !ks_parser_is_word(p, "into"))
		err = read_scan_threshold(p, &said->protection);
	if (err || !ks_parser_accept_word(p, "into"))
		return err;
	err = read_set(p, "a dynamic set such as @scanners", &said->into);
	if (!err && ks_parser_accept_word(p, "for"))
		err = read_duration(p, KS_DYNAMIC_TIMEOUT_MIN_MS, KS_DYNAMIC_TIMEOUT_MAX_MS,
				    &said->protection.scan_hold);
	if (!err && ks_parser_accept_word(p, "except"))
		err = read_set(p, "a set such as @trusted", &said->except);
	return err;
}

static void print_port_scan(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out)
{
	char buf[KS_DURATION_TEXT];

	fprintf(out, " %u ports in %s", protection->scan_ports, ks_duration_text(protection->scan_window, buf));
	if (zone->scan_into)
		fprintf(out, " into @%s", zone->scan_into);
	if (protection->scan_hold)
		fprintf(out, " for %s", ks_duration_text(protection->scan_hold, buf));
	if (zone->scan_except)
		fprintf(out, " except @%s", zone->scan_except);
}

/* --- ip options --- */

static const char *const option_names[] = {
#define X(id, name) name,
	KS_IP_OPTIONS(X)
#undef X
};

const char *ks_ip_option_name(unsigned option)
{
	return option < KS_IP_OPTION_MAX ? option_names[option] : "?";
}

static int one_option(struct ks_parser *p, void *arg)
{
	const struct ks_token token = *ks_parser_last(p);
	__u8 *options = arg;

	for (unsigned i = 0; i < KS_IP_OPTION_MAX; i++) {
		if (strcmp(token.text, option_names[i]) != 0)
			continue;
		*options |= (__u8)(1U << i);
		return 0;
	}
	return ks_parser_error(p, &token, 0,
			       "unknown IP option '%.60s'%s: expected record-route, timestamp, security, source-route, "
			       "stream-id, router-alert, other or hop-by-hop",
			       token.text, ks_did_you_mean(p, "", token.text, option_names, KS_IP_OPTION_MAX));
}

int ks_parse_ip_options(struct ks_parser *p, const char *what, __u8 *options)
{
	struct ks_place place = ks_parser_peek(p)->place;
	int err;

	*options = 0;
	err = ks_parse_list(p, what, one_option, options);
	if (!err && !*options)
		return ks_parser_error_at(p, &place, "this list is empty: expected IP options such as record-route");
	return err;
}

/* Reads which options are refused; without a list all are. */
static int read_options(struct ks_parser *p, struct ks_ast_protect *said)
{
	const struct ks_token *next = ks_parser_peek(p);

	said->protection.ip_options = KS_IP_OPTIONS_ALL;
	if (next->kind != KS_TOKEN_WORD && next->kind != KS_TOKEN_LBRACE)
		return 0;
	return ks_parse_ip_options(p, "an IP option such as record-route", &said->protection.ip_options);
}

void ks_print_ip_options(__u8 options, FILE *out)
{
	const char *separator = "";

	for (unsigned i = 0; i < KS_IP_OPTION_MAX; i++) {
		if (!(options >> i & 1))
			continue;
		fprintf(out, "%s%s", separator, option_names[i]);
		separator = ", ";
	}
}

static void print_options(const struct ks_protection *protection, const struct ks_zone *zone, FILE *out)
{
	fputs(" { ", out);
	ks_print_ip_options(protection->ip_options, out);
	fputs(" }", out);
}
