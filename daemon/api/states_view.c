/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /v1/states with a wish for order, a part, groups or rates: the whole table is looked through first, a chunk in each round of
 * the daemon's loop, and then the rows are read again, put in order as they are now, and printed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/track/icmp_error.h"
#include "daemon/api/forms.h"
#include "daemon/api/states.h"
#include "text/names.h"

#define ROWS_TOGETHER 512 /* that are printed in one call */
#define PORT_BITS 16
#define ZONE_BITS 8
#define BYTE_MASK 0xffU

/* --- looking --- */

static int flow_look(__u32 id, const struct ks_slot *slot, void *arg)
{
	struct ks_states_answer *answer = arg;
	__u64 rate[2] = { 0, 0 };

	answer->view.states++;
	if (answer->wish.rates)
		ks_rates_see(&answer->daemon->rates, id, slot, rate);
	if (ks_states_fits(answer, slot))
		ks_view_add(&answer->view, id, slot, rate, answer->now);
	return 0;
}

/* Begins a chunk. Without rates of all of the table to sort by, the bytes are the order. */
static int rates_begin(struct ks_states_answer *answer)
{
	const struct ks_kernel *kernel = answer->kernel;
	struct ks_rates *rates = &answer->daemon->rates;
	bool whole;
	__u64 span;

	if (ks_rates_want(rates, ks_kernel_table(kernel), ks_kernel_shape(kernel)->buckets, answer->now))
		return -ENOMEM;
	whole = answer->cursor || ks_rates_are_whole(rates, answer->now);
	span = ks_rates_begin(rates, answer->cursor, answer->now);
	answer->spans += span;
	answer->span_count++;
	answer->rates_missing |= !span;
	if (!whole && answer->view.wish.sort == KS_SORT_RATE) {
		answer->fell_back = true;
		answer->view.wish.sort = KS_SORT_BYTES;
		answer->view.groups.sort = KS_GROUP_SORT_BYTES;
	}
	return 0;
}

/* --- the rows --- */

static int row_order(const void *a, const void *b)
{
	const struct ks_view_row *one = a, *other = b;

	return ks_rank_is_before(&one->rank, &other->rank) ? -1 : 1;
}

/* Returns the rate of a row, NULL if it is not known. */
static const __u64 *row_rate(const struct ks_states_answer *answer, const struct ks_view_row *row, __u64 rate[2])
{
	bool known = answer->wish.rates && !answer->rates_missing &&
		     ks_rates_at(&answer->daemon->rates, row->rank.id, &row->slot, rate);

	if (!known)
		rate[0] = rate[1] = 0;
	return known ? rate : NULL;
}

/* Reads the rows again: what they show is to be in the order of what they show. Those that are gone are left out. */
static int rows_make(struct ks_states_answer *answer)
{
	size_t count;
	const struct ks_rank *ranks = ks_view_rows(&answer->view, &count);

	if (answer->wish.group || !count)
		return 0;
	answer->rows = malloc(count * sizeof(*answer->rows));
	if (!answer->rows)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		struct ks_view_row *row = &answer->rows[answer->row_count];
		__u64 rate[2];

		if (!ks_kernel_slot(answer->kernel, ranks[i].id, &row->slot) || !ks_states_fits(answer, &row->slot))
			continue;
		row->rank.id = ranks[i].id;
		row_rate(answer, row, rate);
		ks_view_rank(&answer->view, ranks[i].id, &row->slot, rate, answer->now, &row->rank);
		answer->row_count++;
	}
	qsort(answer->rows, answer->row_count, sizeof(*answer->rows), row_order);
	return 0;
}

/* --- printing --- */

static void put_number(struct ks_line *line, const char *name, __u64 number)
{
	ks_line_text(line, name);
	ks_line_number(line, number);
}

static void put_pair(struct ks_line *line, const char *name, const __u64 pair[2])
{
	put_number(line, name, pair[0]);
	put_number(line, ",", pair[1]);
	ks_line_char(line, ']');
}

static bool rates_are_known(const struct ks_states_answer *answer)
{
	return answer->wish.rates && !answer->rates_missing;
}

static void put_rate_time(struct ks_states_answer *answer)
{
	struct ks_line *line = &answer->line;

	ks_rate_print_json(line, rates_are_known(answer), answer->view.matches.rate);
	ks_line_text(line, ",\"rate_seconds\":");
	if (rates_are_known(answer))
		ks_line_seconds(line, answer->spans / answer->span_count / KS_NSEC_PER_MSEC);
	else
		ks_line_text(line, "null");
}

static void put_totals(struct ks_states_answer *answer)
{
	const struct ks_view *view = &answer->view;
	char cursor[KS_VIEW_CURSOR_TEXT];
	struct ks_line *line = &answer->line;
	size_t rows;

	ks_view_rows(view, &rows);
	put_number(line, "{\"states\":", view->states);
	put_number(line, ",\"matches\":", view->matches.flows);
	put_pair(line, ",\"packets\":[", view->matches.packets);
	put_pair(line, ",\"bytes\":[", view->matches.bytes);
	put_rate_time(answer);
	if (view->wish.group) {
		put_number(line, ",\"groups\":", view->groups.count);
		put_number(line, ",\"others\":", view->groups.others);
	}
	put_number(line, ",\"rows\":", view->wish.group ? rows : answer->row_count);
	ks_line_text(line, ",\"next\":");
	/* The page behind one by bytes would be one by rates, which are known by then. */
	if (!answer->fell_back && ks_view_cursor(view, cursor))
		ks_line_json(line, cursor);
	else
		ks_line_text(line, "null");
	ks_line_text(line, "}\n");
}

static void put_name(struct ks_line *line, const char *member, const char *name)
{
	ks_line_text(line, member);
	ks_line_json(line, name);
}

static void put_proto(struct ks_line *line, unsigned proto)
{
	char text[8];

	put_name(line, ",\"proto\":", ks_proto_name(proto, text, sizeof(text)));
}

static void put_host(struct ks_line *line, const char *member, const struct ks_group_key *key)
{
	ks_line_text(line, member);
	ks_line_addr(line, &key->addr, (unsigned)key->number);
	ks_line_char(line, '"');
}

static void put_port(struct ks_line *line, __u64 number)
{
	put_proto(line, (unsigned)(number >> (PORT_BITS + 1)));
	if (number >> PORT_BITS & 1)
		put_number(line, ",\"port\":", number & 0xffff);
	else
		ks_line_text(line, ",\"port\":null");
}

static void put_group_name(struct ks_states_answer *answer, const struct ks_group_key *key)
{
	const struct ks_policy *policy = answer->daemon->policy;
	struct ks_line *line = &answer->line;
	unsigned first = (unsigned)(key->number >> ZONE_BITS), second = (unsigned)(key->number & BYTE_MASK);

	switch (answer->wish.group) {
	case KS_GROUP_HOST:
		put_host(line, ",\"host\":\"", key);
		break;
	case KS_GROUP_SOURCE:
		put_host(line, ",\"source\":\"", key);
		break;
	case KS_GROUP_DESTINATION:
		put_host(line, ",\"destination\":\"", key);
		break;
	case KS_GROUP_RULE:
		ks_rule_print_json(line, policy, (__u32)key->number);
		break;
	case KS_GROUP_ZONE:
		put_name(line, ",\"from\":", ks_zone_text(policy, first));
		put_name(line, ",\"to\":", ks_zone_text(policy, second));
		break;
	case KS_GROUP_PORT:
		put_port(line, key->number);
		break;
	case KS_GROUP_STATE:
		put_proto(line, first);
		put_name(line, ",\"state\":", ks_state_name(second));
		break;
	default:
		put_proto(line, (unsigned)key->number);
	}
}

static void put_group(struct ks_states_answer *answer, const struct ks_group *group)
{
	struct ks_line *line = &answer->line;

	put_number(line, "{\"flows\":", group->sums.flows);
	put_pair(line, ",\"packets\":[", group->sums.packets);
	put_pair(line, ",\"bytes\":[", group->sums.bytes);
	ks_rate_print_json(line, rates_are_known(answer), group->sums.rate);
	put_group_name(answer, &group->key);
	ks_line_text(line, "}\n");
}

/* Prints one row. Returns false if there is no other. */
static bool put_row(struct ks_states_answer *answer)
{
	const struct ks_view *view = &answer->view;
	__u64 rate[2];
	size_t count;
	const struct ks_rank *ranks = ks_view_rows(view, &count);

	if (view->wish.group && answer->row < count) {
		put_group(answer, &view->groups.list[ranks[answer->row++].id - 1]);
		return true;
	}
	if (view->wish.group || answer->row == answer->row_count)
		return false;
	ks_states_print(answer, &answer->rows[answer->row].slot, row_rate(answer, &answer->rows[answer->row], rate));
	answer->row++;
	return true;
}

static int view_print(struct ks_text_stream *stream)
{
	struct ks_states_answer *answer = (struct ks_states_answer *)stream;
	unsigned printed = 0;

	if (answer->daemon->kernel != answer->kernel)
		return -ESTALE;
	while (printed < ROWS_TOGETHER && put_row(answer))
		printed++;
	ks_line_flush(&answer->line);
	return printed ? 0 : -ENODATA;
}

static int view_begin_print(struct ks_states_answer *answer)
{
	ks_view_finish(&answer->view);
	if (rows_make(answer))
		return -ENOMEM;
	if (answer->format == KS_STATES_JSON)
		put_totals(answer);
	else if (answer->format == KS_STATES_CSV)
		ks_csv_print_titles(&answer->line, &answer->csv);
	ks_line_flush(&answer->line);
	answer->stream.more = view_print;
	return 0;
}

int ks_states_view_walk(struct ks_text_stream *stream)
{
	struct ks_states_answer *answer = (struct ks_states_answer *)stream;
	const struct ks_kernel *kernel = answer->daemon->kernel;

	if (kernel != answer->kernel)
		return -ESTALE;
	answer->now = ks_kernel_now(kernel);
	if (answer->cursor >= ks_kernel_shape(kernel)->buckets)
		return view_begin_print(answer);
	if (answer->wish.rates && rates_begin(answer))
		return -ENOMEM;
	ks_kernel_each_slot_from(kernel, &answer->cursor, KS_RATES_CHUNK, flow_look, answer);
	return 0;
}
