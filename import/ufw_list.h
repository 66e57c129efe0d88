/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules of ufw(8) in the order in which its commands leave them: two lists, of IPv4 and of IPv6, which are numbered one behind the
 * other. A rule that differs from another one in what it does alone takes its place, wherever it is added.
 *
 * Not always it is known here if ufw takes two rules for that: "22:23" and "22,23" are two for it, and which protocols a service has
 * says a file of its machine. Where it is not, rules that deny stand before those that allow.
 */
#ifndef KS_IMPORT_UFW_LIST_H
#define KS_IMPORT_UFW_LIST_H

#include "import/draft.h"

#define KS_UFW_APPEND 0U
#define KS_UFW_PREPEND (~0U)
#define KS_UFW_STANDS (~1U) /* behind all others, whatever they are: so it stands in a file of ufw */

struct ks_ufw_rule {
	struct ks_ufw_rule *next;
	struct ks_import_match match; /* of one family */
	struct ks_import_rule rule;
	unsigned way; /* a chain of the reader's */
	bool logs;
	bool named; /* its port by the name of a service */
	const char *ports[2]; /* of the destination and the source, as they are written; NULL: any */
	unsigned line;
	const char *text;
};

struct ks_ufw_list {
	struct ks_ufw_rule *first[2];
	struct ks_ufw_rule **end[2]; /* of the lists, as far as it is known */
	unsigned count[2];
};

/*
 * Adds a rule, once for each of its families. `position` counts from 1, or is one of the above; where nothing stands there ufw refuses
 * the command, and nothing is added. Returns 0 or -errno.
 */
int ks_ufw_list_add(struct ks_ufw_list *list, struct ks_import *import, const struct ks_ufw_rule *rule,
		    unsigned position);

/* Takes a rule out, if it is there: all of it is the same. */
void ks_ufw_list_delete(struct ks_ufw_list *list, const struct ks_ufw_rule *rule);

/* Takes the rule of a number out, if there is one. */
void ks_ufw_list_delete_at(struct ks_ufw_list *list, unsigned position);

#endif
