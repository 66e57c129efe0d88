/* SPDX-License-Identifier: BSD-2-Clause */
/* See set_step.h. */
#include "policy/scenario/set_step.h"

#include <errno.h>

#include "policy/parse.h"
#include "policy/sets.h"
#include "policy/value.h"

int ks_set_name_parse(struct ks_reader *reader, struct ks_step *step)
{
	const struct ks_token *token = ks_reader_peek(reader);
	const struct ks_ast_set *set =
		token->kind == KS_TOKEN_WORD && reader->ast ? ks_ast_find_set(reader->ast, token->text) : NULL;

	if (!set || (!set->dynamic && !set->broken))
		return ks_reader_expected(reader, "the name of a dynamic set of this policy");
	step->path = ks_reader_next(reader)->text;
	return 0;
}

static int set_prefix_parse(struct ks_reader *reader, struct ks_step *step)
{
	const struct ks_token *token = ks_reader_peek(reader);

	if (token->kind != KS_TOKEN_WORD || ks_value_prefix(token->text, &step->prefix))
		return ks_reader_expected(reader, "an address or a prefix such as 192.0.2.0/24");
	ks_prefix_mask(&step->prefix);
	ks_prefix_unmap(&step->prefix);
	ks_reader_next(reader);
	return 0;
}

/* Reads `for 1h`, if it is there. */
static int set_time_parse(struct ks_reader *reader, struct ks_step *step)
{
	const struct ks_token *token;

	if (!ks_reader_accept_word(reader, "for"))
		return 0;
	token = ks_reader_peek(reader);
	if (token->kind != KS_TOKEN_WORD || ks_value_duration(token->text, &step->number) ||
	    step->number < KS_DYNAMIC_TIMEOUT_MIN_MS || step->number > KS_DYNAMIC_TIMEOUT_MAX_MS)
		return ks_reader_expected(reader, "a duration from 1s to 3650d, such as 10m");
	ks_reader_next(reader);
	return 0;
}

int ks_set_step_parse(struct ks_reader *reader, struct ks_step *step)
{
	step->number = 0;
	if (ks_set_name_parse(reader, step))
		return -EINVAL;
	if (ks_reader_accept_word(reader, "flush")) {
		step->change = KS_SET_FLUSH;
		return ks_reader_end(reader);
	}
	if (ks_reader_accept_word(reader, "remove"))
		step->change = KS_SET_REMOVE;
	else if (!ks_reader_accept_word(reader, "add"))
		return ks_reader_expected(reader, "add, remove or flush");
	if (set_prefix_parse(reader, step) || (step->change == KS_SET_ADD && set_time_parse(reader, step)))
		return -EINVAL;
	return ks_reader_end(reader);
}
