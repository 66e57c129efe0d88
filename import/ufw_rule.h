/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules of ufw(8), as tuples of its files or as commands; see ufw_rule.c. */
#ifndef KS_IMPORT_UFW_RULE_H
#define KS_IMPORT_UFW_RULE_H

#include "import/iptables.h"
#include "import/ufw_list.h"

enum ks_ufw_way { WAY_IN, WAY_OUT, WAY_ROUTED, WAYS };

struct ks_ufw {
	struct ks_import *import;
	struct ks_import_chain *chain[WAYS];
	struct ks_draft draft;
	struct ks_words_line words;
	enum ks_ufw_way way;
	struct ks_ufw_list rules; /* as the commands so far leave them */
	const char *ports[2]; /* of the destination and the source */
	bool logs, named, is_known;
	bool v4_alone; /* IPV6=no: ufw drops all of IPv6 */
	struct ks_iptables ipt; /* lines of before.rules and after.rules */
	bool has_before[2]; /* they say what is accepted before the rules, of IPv4 and of IPv6 */
	struct ks_import_chain *policy_chain[WAYS]; /* of a rule that is the policy */
	struct ks_import_rule *policy[WAYS], *established[WAYS][2];
};

/* The policy of a way: "ACCEPT", "allow" and their like. */
void ks_ufw_policy(struct ks_ufw *ufw, enum ks_ufw_way way, const char *value);

/* "allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in" in the words. Returns 0 or -errno. */
int ks_ufw_tuple(struct ks_ufw *ufw);

/* The words behind "ufw". Returns 0 or -errno. */
int ks_ufw_command(struct ks_ufw *ufw);

/* Appends the rules to the chains, as the commands and tuples have left them. Returns 0 or -errno. */
int ks_ufw_rules_make(struct ks_ufw *ufw);

#endif
