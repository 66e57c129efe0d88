/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads `during mon-fri 08:00-18:00` and lists of such times. The same times are the same schedule, whatever rules have them, and
 * in whatever order.
 */
#include "policy/during.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/condition.h"
#include "policy/list.h"
#include "text/memory_file.h"

#define EXPECTED                                                                                                     \
	"expected days such as mon or mon-fri, hours such as 08:00-18:00, or both: mon-fri 08:00-18:00; hours that " \
	"end on the next day are written 22:00-06:00, and a whole day is 00:00-24:00 or its name alone"

static int span_order(const void *a, const void *b)
{
	const struct ks_calendar_span *x = a, *y = b;

	if (x->days != y->days)
		return (x->days > y->days) - (x->days < y->days);
	if (x->begin != y->begin)
		return (x->begin > y->begin) - (x->begin < y->begin);
	return (x->end > y->end) - (x->end < y->end);
}

/* Keeps them sorted, each once. */
static int span_add(struct ks_parser *p, struct ks_ast_during *during, const struct ks_calendar_span *span)
{
	struct ks_calendar_span *list;

	for (size_t i = 0; i < during->count; i++) {
		if (span_order(&during->spans[i], span) == 0)
			return 0;
	}
	if (during->count == KS_CALENDAR_SPANS_MAX)
		return ks_parser_error(p, ks_parser_last(p), 0, "this list has more than %u times",
				       KS_CALENDAR_SPANS_MAX);
	list = ks_arena_grow(p->scratch, during->spans, during->count, sizeof(*list));
	if (!list)
		return ks_parser_no_memory(p);
	during->spans = list;
	list[during->count++] = *span;
	qsort(list, during->count, sizeof(*list), span_order);
	return 0;
}

/* Reads the hours behind days, if they are there. */
static int hours_read(struct ks_parser *p, struct ks_calendar_span *span)
{
	const struct ks_token *token = ks_parser_peek(p);

	if (token->kind != KS_TOKEN_WORD || token->text[0] < '0' || token->text[0] > '9')
		return 0;
	if (ks_calendar_hours(token->text, &span->begin, &span->end))
		return ks_parser_error(p, token, 0, "'%.60s' are no hours of a day: " EXPECTED, token->text);
	ks_parser_next(p);
	return 0;
}

/* Complains about days that stand behind their hours. */
static int days_behind(struct ks_parser *p, const struct ks_token *hours)
{
	const struct ks_token *token = ks_parser_peek(p);
	__u8 days;

	if (token->kind != KS_TOKEN_WORD || ks_calendar_days(token->text, &days))
		return 0;
	return ks_parser_error(p, token, 0, "days stand before their hours: expected '%.20s %.20s'", token->text,
			       hours->text);
}

static int one_time(struct ks_parser *p, void *arg)
{
	struct ks_calendar_span span = { .days = KS_EVERY_DAY, .end = KS_DAY_MINUTES };
	const struct ks_token token = *ks_parser_last(p);

	if (ks_calendar_hours(token.text, &span.begin, &span.end) == 0)
		return days_behind(p, &token) ?: span_add(p, arg, &span);
	if (ks_calendar_days(token.text, &span.days))
		return ks_parser_error(p, &token, 0, "'%.60s' says no time: " EXPECTED, token.text);
	return hours_read(p, &span) ?: span_add(p, arg, &span);
}

int ks_read_during(struct ks_parser *p, struct ks_ast_conditions *conditions)
{
	return ks_parse_list(p, "days and hours such as mon-fri 08:00-18:00", one_time, &conditions->during);
}

void ks_during_print(const struct ks_ast_during *during, FILE *out)
{
	char text[KS_SPAN_TEXT];

	fputs(during->count > 1 ? "{ " : "", out);
	for (size_t i = 0; i < during->count; i++)
		fprintf(out, "%s%s", i ? ", " : "", ks_calendar_span_text(&during->spans[i], text));
	fputs(during->count > 1 ? " }" : "", out);
}

static bool same_times(const struct ks_calendar *calendar, const struct ks_ast_during *during)
{
	return calendar->count == during->count &&
	       memcmp(calendar->spans, during->spans, during->count * sizeof(*during->spans)) == 0;
}

static int calendar_keep(struct ks_compiler *c, const struct ks_ast_during *during, struct ks_calendar *calendar)
{
	const size_t size = during->count * sizeof(*during->spans);
	struct ks_calendar_span *spans = ks_arena_alloc(c->p->arena, size);
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *text = NULL;

	if (!spans || ks_memory_file_open(&file))
		return -ENOMEM;
	memcpy(spans, during->spans, size);
	ks_during_print(during, file.out);
	text = ks_memory_file_take(&file);
	if (!text)
		return -ENOMEM;
	*calendar = (struct ks_calendar){ .spans = spans, .count = during->count };
	calendar->text = ks_arena_strndup(c->p->arena, text, strlen(text));
	return calendar->text ? 0 : -ENOMEM;
}

int ks_during_compile(struct ks_compiler *c, const struct ks_ast_conditions *conditions, __u32 *number)
{
	const struct ks_ast_during *during = &conditions->during;
	struct ks_policy *policy = c->policy;
	__u32 n = 0;

	while (n < policy->config.schedules && !same_times(&policy->calendars[n], during))
		n++;
	*number = n;
	if (n < policy->config.schedules)
		return 0;
	if (n == KS_SCHEDULES_MAX)
		return ks_parser_error_at(c->p, &conditions->place[KS_CONDITION_DURING],
					  "the policy has more than %u different schedules", KS_SCHEDULES_MAX);
	if (!policy->calendars)
		policy->calendars = ks_arena_alloc(c->p->arena, KS_SCHEDULES_MAX * sizeof(*policy->calendars));
	if (!policy->calendars || calendar_keep(c, during, &policy->calendars[n]))
		return ks_parser_no_memory(c->p);
	policy->config.schedules++;
	return 0;
}
