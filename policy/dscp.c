/* SPDX-License-Identifier: BSD-2-Clause */
/* Code points of differentiated services in the text. */
#include <stdio.h>
#include <string.h>

#include "policy/condition.h"
#include "policy/list.h"
#include "policy/value.h"

/* RFC 2474, 2597, 3246, 5865, 8622. */
static const struct {
	const char *name;
	__u8 value;
} code_points[] = {
	{ "default", 0 }, { "le", 1 },	  { "cs1", 8 },	  { "af11", 10 }, { "af12", 12 }, { "af13", 14 },
	{ "cs2", 16 },	  { "af21", 18 }, { "af22", 20 }, { "af23", 22 }, { "cs3", 24 },  { "af31", 26 },
	{ "af32", 28 },	  { "af33", 30 }, { "cs4", 32 },  { "af41", 34 }, { "af42", 36 }, { "af43", 38 },
	{ "cs5", 40 },	  { "va", 44 },	  { "ef", 46 },	  { "cs6", 48 },  { "cs7", 56 },
};

int ks_dscp_from_text(const char *text)
{
	__u64 number;

	for (size_t i = 0; i < KS_ARRAY_SIZE(code_points); i++) {
		if (strcmp(text, code_points[i].name) == 0)
			return code_points[i].value;
	}
	return ks_value_number(text, 0, KS_DSCP_MAX - 1, &number) ? -1 : (int)number;
}

const char *ks_dscp_text(unsigned dscp, char buf[KS_DSCP_TEXT])
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(code_points); i++) {
		if (code_points[i].value == dscp)
			return code_points[i].name;
	}
	snprintf(buf, KS_DSCP_TEXT, "%u", dscp);
	return buf;
}

int ks_dscp_unknown(struct ks_parser *p, const struct ks_token *token)
{
	const char *names[KS_ARRAY_SIZE(code_points)];

	for (size_t i = 0; i < KS_ARRAY_SIZE(code_points); i++)
		names[i] = code_points[i].name;
	return ks_parser_error(
		p, token, 0,
		"unknown code point '%.60s'%s: expected a name such as ef, cs1 or af41, or a number 0 to 63",
		token->text, ks_did_you_mean(p, "", token->text, names, KS_ARRAY_SIZE(names)));
}

static int one_dscp(struct ks_parser *p, void *arg)
{
	const struct ks_token token = *ks_parser_last(p);
	int value = ks_dscp_from_text(token.text);
	__u64 *dscp = arg;

	if (value < 0)
		return ks_dscp_unknown(p, &token);
	*dscp |= 1ULL << value;
	return 0;
}

int ks_read_dscp(struct ks_parser *p, struct ks_ast_conditions *conditions)
{
	return ks_parse_list(p, "a code point such as ef", one_dscp, &conditions->dscp);
}

void ks_print_dscp(__u64 dscp, FILE *out)
{
	bool several = dscp & (dscp - 1);
	const char *separator = "";
	char buf[KS_DSCP_TEXT];

	fputs(several ? "{ " : "", out);
	for (unsigned value = 0; value < KS_DSCP_MAX; value++) {
		if (!(dscp >> value & 1))
			continue;
		fprintf(out, "%s%s", separator, ks_dscp_text(value, buf));
		separator = ", ";
	}
	fputs(several ? " }" : "", out);
}
