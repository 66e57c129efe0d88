/* SPDX-License-Identifier: BSD-2-Clause */
/* See event_text.h. */
#include "cli/event_text.h"

#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "cli/state_text.h"
#include "explain/json.h"

static void rule_print(const json_t *rule)
{
	const char *file = ks_member_text(rule, "file"), *label = ks_member_text(rule, "label");

	if (*file)
		printf("  %s:%d", file, (int)ks_member_number(rule, "line"));
	if (*label)
		printf(" \"%s\"", label);
}

/* "  staged deny gateway.conf:9": what a staged rule would have done. */
static void staged_print(const json_t *rule)
{
	if (!rule)
		return;
	printf("  staged %s", ks_member_text(rule, "action"));
	rule_print(rule);
}

/* " as 203.0.113.1:40000": one end of the translation, if it is there. */
static void translated_print(const json_t *nat, const char *word, const char *name)
{
	const char *address = ks_member_text(nat, name);
	char member[32];
	const json_t *number;

	if (!*address)
		return;
	snprintf(member, sizeof(member), "%s_port", name);
	number = json_object_get(nat, member);
	printf("  %s ", word);
	if (number)
		printf(strchr(address, ':') ? "[%s]:%d" : "%s:%d", address, (int)json_integer_value(number));
	else
		fputs(address, stdout);
}

/* The destination of a packet is where it goes; that of a flow by which the other side is known. */
static void translation_print(const json_t *event, const char *destination_word)
{
	const json_t *nat = json_object_get(event, "nat");

	translated_print(nat, "as", "source");
	translated_print(nat, destination_word, "destination");
}

/* "2026-01-31T12:00:00.123Z  deny    no rule      ": the same columns for all lines. */
static void columns_print(const json_t *event, bool colour, enum ks_colour second, const char *kind, const char *why)
{
	printf("%s%s%s  %s%-6s%s  %-11s  ", ks_colour(colour, KS_COLOUR_DIM), ks_member_text(event, "time"),
	       ks_colour(colour, KS_COLOUR_PLAIN), ks_colour(colour, second), kind, ks_colour(colour, KS_COLOUR_PLAIN),
	       why);
}

/* "... deny    no rule      wan 192.0.2.1:53 > self 203.0.113.1:80 tcp syn  to 10.0.0.5:80  gateway.conf:12 "label"". */
static void packet_print(const json_t *event, bool colour)
{
	const char *verdict = ks_member_text(event, "verdict");
	enum ks_colour second = !strcmp(verdict, "allow")    ? KS_COLOUR_GREEN
				: !strcmp(verdict, "bypass") ? KS_COLOUR_YELLOW
							     : KS_COLOUR_RED;

	columns_print(event, colour, second, verdict, ks_member_text(event, "reason"));
	fputs(ks_member_text(event, "packet"), stdout);
	translation_print(event, "to");
	rule_print(json_object_get(event, "rule"));
	staged_print(json_object_get(event, "staged"));
	putchar('\n');
}

static unsigned long long number_at(const json_t *event, const char *name, size_t index)
{
	return (unsigned long long)json_integer_value(json_array_get(json_object_get(event, name), index));
}

/* "  9s  6+5 packets  394 B + 864 B": what a flow has carried. */
static void carried_print(const json_t *event)
{
	char span[KS_NUMBER_TEXT], out[KS_NUMBER_TEXT], in[KS_NUMBER_TEXT];

	printf("  %s  %llu+%llu packets  %s + %s",
	       ks_span_text((uint64_t)ks_member_number(event, "duration") * 1000, span), number_at(event, "packets", 0),
	       number_at(event, "packets", 1), ks_bytes_text(number_at(event, "bytes", 0), out),
	       ks_bytes_text(number_at(event, "bytes", 1), in));
}

/*
 * "... flow    begin        lan 10.0.0.5:40000 > wan 192.0.2.1:80 tcp  as 203.0.113.1:40000  gateway.conf:4"; where it ends, why
 * is said instead, and what it has carried.
 */
static void flow_print(const json_t *event, bool colour)
{
	const char *why = ks_member_text(event, "why"), *kind = ks_member_text(event, "event");
	char source[KS_STATE_END_TEXT], destination[KS_STATE_END_TEXT];

	columns_print(event, colour, KS_COLOUR_BOLD, "flow", *why ? why : kind);
	printf("%s %s > %s %s %s", ks_member_text(event, "from"), ks_state_end_text(event, true, source),
	       ks_member_text(event, "to"), ks_state_end_text(event, false, destination),
	       ks_member_text(event, "proto"));
	translation_print(event, "via");
	if (*why)
		carried_print(event);
	rule_print(json_object_get(event, "rule"));
	putchar('\n');
}

/* "2026-01-31T12:00:00.123Z  and 342,500 more  deny no rule, of many sources; the last one: wan 192.0.2.1:53 > ...". */
static void folded_print(const json_t *event, bool colour)
{
	char folded[KS_NUMBER_TEXT];

	printf("%s%s%s  and %s more  %s %s, of %s; the last one: %s", ks_colour(colour, KS_COLOUR_DIM),
	       ks_member_text(event, "time"), ks_colour(colour, KS_COLOUR_PLAIN),
	       ks_number_text((uint64_t)ks_member_number(event, "folded"), folded), ks_member_text(event, "verdict"),
	       ks_member_text(event, "reason"),
	       strcmp(ks_member_text(event, "sources"), "one") ? "many sources" : "this source",
	       ks_member_text(event, "packet"));
	rule_print(json_object_get(event, "rule"));
	putchar('\n');
}

/* "2026-01-31T12:00:00.123Z  gap     of 6.2s: nobody listened, or nothing could be written". */
static void gap_print(const json_t *event, bool colour)
{
	char span[KS_NUMBER_TEXT];

	printf("%s%s%s  gap     of %s: the firewall's daemon or the journal was away, or nothing could be written\n",
	       ks_colour(colour, KS_COLOUR_DIM), ks_member_text(event, "time"), ks_colour(colour, KS_COLOUR_PLAIN),
	       ks_span_text((uint64_t)ks_member_number(event, "gap"), span));
}

/* "2026-01-31T12:00:00.123Z  stop    the firewall was taken away, and every flow ended". */
static void stop_print(const json_t *event, bool colour)
{
	printf("%s%s%s  stop    the firewall was taken away, and every flow ended%s\n",
	       ks_colour(colour, KS_COLOUR_DIM), ks_member_text(event, "time"), ks_colour(colour, KS_COLOUR_PLAIN),
	       json_is_true(json_object_get(event, "saved")) ? "; the states were saved" : "");
}

static bool is_stop(const json_t *event)
{
	return !strcmp(ks_member_text(event, "event"), "stop");
}

void ks_event_print(const json_t *event, bool colour)
{
	const json_t *lost = json_object_get(event, "lost");

	if (lost)
		fprintf(stderr, "keepstate: %lld event%s lost: there were more than could be told or read\n",
			(long long)json_integer_value(lost), json_integer_value(lost) == 1 ? " was" : "s were");
	else if (is_stop(event))
		stop_print(event, colour);
	else if (ks_member_number(event, "gap"))
		gap_print(event, colour);
	else if (ks_member_number(event, "folded"))
		folded_print(event, colour);
	else if (json_object_get(event, "verdict"))
		packet_print(event, colour);
	else
		flow_print(event, colour);
}

bool ks_event_is_single(const json_t *event)
{
	return !json_object_get(event, "lost") && !json_object_get(event, "gap") &&
	       !ks_member_number(event, "folded") && !is_stop(event);
}
