/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host names in sets: `host www.example.com`, `host www.example.com is 192.0.2.1`. The policy has only the name, and the
 * answer that it says for those who have no resolver; the daemon resolves it.
 */
#include "policy/host.h"

#include <errno.h>
#include <string.h>

#include "policy/list.h"
#include "policy/value.h"

#define LABEL_MAX 63

static bool is_label_char(char c)
{
	return ks_is_name_char(c, false);
}

/* Returns true if the text is a name as hosts have: labels of letters, digits, '-' and '_', with dots between. */
static bool is_host_name(const char *text)
{
	size_t length = strlen(text), label = 0;

	if (length > KS_HOST_NAME_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool begins = !label, ends = i + 1 == length || text[i + 1] == '.';

		if (text[i] == '.' && begins)
			return false;
		label = text[i] == '.' ? 0 : label + 1;
		if (label && (!is_label_char(text[i]) || label > LABEL_MAX || (text[i] == '-' && (begins || ends))))
			return false;
	}
	return label != 0;
}

static int check_name(struct ks_parser *p, const struct ks_token *name)
{
	struct ks_prefix prefix;

	if (!ks_value_prefix(name->text, &prefix) || strspn(name->text, "0123456789.") == strlen(name->text))
		return ks_parser_error(p, name, 0, "'%.60s' is no host name: an address stands without 'host'",
				       name->text);
	if (!is_host_name(name->text))
		return ks_parser_error(
			p, name, 0,
			"'%.60s' is no host name: expected letters, digits and '-' with dots between, such as "
			"www.example.com",
			name->text);
	return 0;
}

/* Reads the addresses behind `is`; there may be none. */
static int read_answers(struct ks_parser *p, struct ks_items *answers)
{
	int err = ks_parse_items(p, false, answers);

	for (size_t i = 0; !err && i < answers->count; i++) {
		const struct ks_item *item = &answers->list[i];

		if (item->set || item->negated || item->is_range ||
		    ks_value_compare(item->range.lo, item->range.hi) != 0)
			err = ks_parser_error_at(
				p, &item->place,
				"a host name resolves to addresses: expected one such as 192.0.2.1, or "
				"a list of them");
	}
	return err;
}

static int add_host(struct ks_parser *p, struct ks_ast_set *set, const struct ks_ast_host *host)
{
	struct ks_set_host *hosts = ks_arena_grow(p->arena, set->hosts, set->host_count, sizeof(*hosts));
	struct ks_ast_host *said = ks_arena_grow(p->scratch, set->said_hosts, set->host_count, sizeof(*said));

	if (!hosts || !said)
		return ks_parser_no_memory(p);
	set->hosts = hosts;
	set->said_hosts = said;
	hosts[set->host_count] = (struct ks_set_host){ .name = host->name };
	said[set->host_count++] = *host;
	p->ast->host_count++;
	return 0;
}

int ks_parse_host(struct ks_parser *p, struct ks_ast_set *set, bool negated)
{
	struct ks_place place = ks_parser_last(p)->place;
	struct ks_ast_host host = { 0 };
	struct ks_token name;
	int err = ks_parser_expect(p, KS_TOKEN_WORD, "a host name such as www.example.com", &name);

	if (!err)
		err = check_name(p, &name);
	host.name = name.text;
	if (!err && ks_parser_accept_word(p, "is"))
		err = read_answers(p, &host.answers);
	if (err)
		return err;
	if (!set)
		return ks_parser_error_at(
			p, &place, "a host name stands in a set only: expected '@NAME' and 'set NAME { host %.60s }'",
			host.name);
	if (negated)
		return ks_parser_error_at(
			p, &place, "'not' cannot stand before a host name, because its addresses come at run time");
	if (p->ast->host_count >= KS_HOSTS_MAX)
		return ks_parser_error_at(p, &place, "the policy has more than %d host names", KS_HOSTS_MAX);
	return add_host(p, set, &host);
}
