/* SPDX-License-Identifier: BSD-2-Clause */
/* Variables; see variable.h. */
#include "policy/variable.h"

#include <errno.h>
#include <string.h>

#include "policy/list.h"

static size_t name_length(const char *text)
{
	size_t length = 0;

	while (ks_is_name_char(text[length], false))
		length++;
	return length;
}

static bool same_variable(const void *owner, __u32 value, const void *key)
{
	const struct ks_parser *p = owner;

	return strcmp(p->variables[value].name, key) == 0;
}

static struct ks_variable *find_variable(struct ks_parser *p, const char *name)
{
	long at = ks_index_find(&p->variable_index, ks_hash_text(name), same_variable, p, name);

	return at < 0 ? NULL : &p->variables[at];
}

static int unknown_variable(struct ks_parser *p, const char *name)
{
	const char **names = ks_arena_alloc(p->arena, (p->variable_count + 1) * sizeof(*names));

	if (!names)
		return ks_parser_no_memory(p);
	for (size_t i = 0; i < p->variable_count; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there are as many as the count says */
		names[i] = p->variables[i].name;
	return ks_parser_error(p, &p->token, 0, "unknown variable '$%.60s'%s: define it above as $%.60s = value", name,
			       ks_did_you_mean(p, "$", name, names, p->variable_count), name);
}

/* Puts in a variable that is one word, with `rest` behind it. */
static int use_with_rest(struct ks_parser *p, const struct ks_variable *variable, const char *rest)
{
	struct ks_token *token;

	if (variable->token_count != 1 || variable->tokens[0].kind != KS_TOKEN_WORD)
		return ks_parser_error(p, &p->token, 0,
				       "'%.60s' cannot stand behind $%s: expected its value to be a single word", rest,
				       variable->name);
	token = ks_arena_alloc(p->arena, sizeof(*token));
	if (!token)
		return ks_parser_no_memory(p);
	*token = variable->tokens[0];
	token->text = ks_arena_printf(p->arena, "%s%s", token->text, rest);
	if (!token->text)
		return ks_parser_no_memory(p);
	token->length = strlen(token->text);
	p->replay = token;
	p->replay_count = 1;
	return 0;
}

int ks_variable_use(struct ks_parser *p)
{
	const char *text = p->token.text + 1;
	size_t length = name_length(text);
	const struct ks_variable *variable;
	char *name;

	if (!length)
		return ks_parser_error(p, &p->token, 1, "expected the name of a variable after '$'");
	name = ks_arena_strndup(p->arena, text, length);
	if (!name)
		return ks_parser_no_memory(p);
	variable = find_variable(p, name);
	if (!variable)
		return unknown_variable(p, name);
	p->expanded += variable->token_count;
	if (p->expanded > KS_EXPANSION_MAX)
		return ks_parser_error(p, &p->token, 0, "variables put in more than %u words: use a set",
				       KS_EXPANSION_MAX);
	p->replay = variable->tokens;
	p->replay_count = variable->token_count;
	p->replay_place = p->token.place;
	p->replay_name = variable->name;
	return text[length] ? use_with_rest(p, variable, text + length) : 0;
}

static int keep_token(struct ks_parser *p, struct ks_variable *variable)
{
	struct ks_token *tokens =
		ks_arena_grow(p->arena, variable->tokens, variable->token_count, sizeof(*variable->tokens));

	if (!tokens)
		return ks_parser_no_memory(p);
	variable->tokens = tokens;
	tokens[variable->token_count] = *ks_parser_last(p);
	tokens[variable->token_count++].variable = NULL;
	return 0;
}

/* Takes the tokens of a list up to its closing brace; they are interpreted where the variable is used. */
static int read_braces(struct ks_parser *p, struct ks_variable *variable)
{
	struct ks_place open = ks_parser_peek(p)->place;
	unsigned depth = 0;

	p->lists++;
	do {
		const struct ks_token *token = ks_parser_peek(p);

		if (token->kind == KS_TOKEN_END)
			return ks_parser_error(p, token, 0, "expected '}': the '{' at line %u is not closed",
					       open.line);
		if (token->kind == KS_TOKEN_BAD)
			return -EINVAL;
		depth += token->kind == KS_TOKEN_LBRACE;
		depth -= token->kind == KS_TOKEN_RBRACE;
		p->lists -= !depth;
		ks_parser_next(p);
		if (keep_token(p, variable))
			return -ENOMEM;
	} while (depth);
	return 0;
}

static int read_variable_value(struct ks_parser *p, struct ks_variable *variable)
{
	const struct ks_token *token = ks_parser_peek(p);
	char buf[96];

	if (token->kind == KS_TOKEN_LBRACE)
		return read_braces(p, variable);
	if (token->kind != KS_TOKEN_WORD && token->kind != KS_TOKEN_STRING)
		return ks_parser_error(p, token, 0,
				       "expected a value (a word, a string, or a list in braces), found %s",
				       ks_token_describe(token, buf, sizeof(buf)));
	ks_parser_next(p);
	return keep_token(p, variable);
}

static int keep_variable(struct ks_parser *p, const struct ks_variable *variable)
{
	struct ks_variable *list = ks_arena_grow(p->arena, p->variables, p->variable_count, sizeof(*list));

	if (!list || ks_index_add(&p->variable_index, ks_hash_text(variable->name), (__u32)p->variable_count))
		return ks_parser_no_memory(p);
	p->variables = list;
	list[p->variable_count++] = *variable;
	return 0;
}

int ks_variable_define(struct ks_parser *p, const struct ks_token *name)
{
	struct ks_variable variable = { .name = name->text + 1, .place = name->place };
	const struct ks_variable *first;
	int err = ks_check_name(p, name, variable.name, "variable");

	if (!err)
		err = ks_parser_expect(p, KS_TOKEN_EQUALS, "'=' and a value", NULL);
	if (!err)
		err = read_variable_value(p, &variable);
	if (err)
		return err;
	first = find_variable(p, variable.name);
	if (first)
		return ks_parser_error(p, name, 0, "variable '$%s' is already defined at %s:%u:%u", variable.name,
				       first->place.file, first->place.line, first->place.column);
	return keep_variable(p, &variable);
}
