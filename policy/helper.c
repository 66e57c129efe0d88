/* SPDX-License-Identifier: BSD-2-Clause */
/* Helpers in the text: their names, usual ports and protocols; `helper NAMES` of a rule. See core/helper/helper.h. */
#include <errno.h>
#include <string.h>

#include "core/helper/id.h"
#include "core/header/packet.h"
#include "text/names.h"
#include "policy/ast.h"
#include "policy/helper.h"
#include "policy/list.h"

static const struct {
	const char *name;
	__u16 port; /* IANA's */
	bool tcp, udp;
} helpers[KS_HELPER_MAX] = {
	[KS_HELPER_NONE] = { "none", 0, false, false },	 [KS_HELPER_FTP] = { "ftp", 21, true, false },
	[KS_HELPER_TFTP] = { "tftp", 69, false, true },	 [KS_HELPER_SIP] = { "sip", 5060, true, true },
	[KS_HELPER_IRC] = { "irc", 6667, true, false },	 [KS_HELPER_PPTP] = { "pptp", 1723, true, false },
	[KS_HELPER_RTSP] = { "rtsp", 554, true, false },
};

const char *ks_helper_name(unsigned helper)
{
	return helper < KS_HELPER_MAX ? helpers[helper].name : "?";
}

__u16 ks_helper_port(unsigned helper)
{
	return helper < KS_HELPER_MAX ? helpers[helper].port : 0;
}

bool ks_helper_has_proto(unsigned helper, unsigned proto)
{
	return helper < KS_HELPER_MAX &&
	       ((proto == KS_PROTO_TCP && helpers[helper].tcp) || (proto == KS_PROTO_UDP && helpers[helper].udp));
}

static int one_helper(struct ks_parser *p, void *arg)
{
	const char *names[KS_HELPER_MAX - 1];
	const struct ks_token token = *ks_parser_last(p);
	struct ks_ast_rule *rule = arg;
	__u8 *list, helper = 1;

	while (helper < KS_HELPER_MAX && strcmp(helpers[helper].name, token.text) != 0)
		helper++;
	for (unsigned i = 1; i < KS_HELPER_MAX; i++)
		names[i - 1] = helpers[i].name;
	if (helper == KS_HELPER_MAX)
		return ks_parser_error(p, &token, 0,
				       "unknown helper '%.60s'%s: expected ftp, tftp, sip, irc, pptp or rtsp",
				       token.text, ks_did_you_mean(p, "", token.text, names, KS_ARRAY_SIZE(names)));
	if (rule->helper_count && memchr(rule->helpers, helper, rule->helper_count))
		return 0;
	list = ks_arena_grow(p->scratch, rule->helpers, rule->helper_count, 1);
	if (!list)
		return ks_parser_no_memory(p);
	rule->helpers = list;
	list[rule->helper_count++] = helper;
	return 0;
}

int ks_parse_helpers(struct ks_parser *p, struct ks_ast_rule *rule)
{
	return ks_parse_list(p, "a helper: ftp, tftp, sip, irc, pptp or rtsp", one_helper, rule);
}

static void check_protos(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	char buf[8];

	for (size_t i = 0; i < rule->proto_count; i++) {
		for (size_t j = 0; j < rule->helper_count; j++) {
			if (ks_helper_has_proto(rule->helpers[j], rule->protos[i]))
				continue;
			ks_parser_error_at(p, &rule->protos_place, "helper %s does not work over %s: expected %s",
					   ks_helper_name(rule->helpers[j]),
					   ks_proto_name(rule->protos[i], buf, sizeof(buf)),
					   !helpers[rule->helpers[j]].udp  ? "tcp"
					   : helpers[rule->helpers[j]].tcp ? "tcp or udp"
									   : "udp");
			return;
		}
	}
}

void ks_helper_check(struct ks_parser *p, struct ks_ast_rule *rule)
{
	if (!rule->helper_count)
		ks_parser_error_at(p, &rule->place,
				   "this list of helpers is empty: expected ftp, tftp, sip, irc, pptp or rtsp");
	if (rule->has_types)
		ks_parser_error_at(p, &rule->types_place,
				   "'type' cannot stand in a helper rule: helpers read tcp and udp");
	if (rule->dport.present && rule->helper_count > 1)
		ks_parser_error_at(
			p, &rule->dport.place,
			"several helpers cannot share a port: expected a helper rule for each, or no port for "
			"their usual ones");
	check_protos(p, rule);
}
