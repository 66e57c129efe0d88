/* SPDX-License-Identifier: BSD-2-Clause */
/* The firewall of OpenWrt: /etc/config/firewall; see uci.c. */
#ifndef KS_IMPORT_UCI_H
#define KS_IMPORT_UCI_H

#include "import/draft.h"
#include "import/words.h"

#define KS_UCI_VALUES 65536U

/* A section: its type, its name, and its options; those of a list stand several times. */
struct ks_uci_section {
	struct ks_uci_section *next;
	const char *type, *name;
	const char **key, **value;
	unsigned count, room, line;
	const char *text;
};

/* A zone of the text. */
struct ks_uci_zone {
	struct ks_uci_zone *next;
	const char *name;
	__u64 zones; /* its interfaces */
	bool narrow; /* to some networks of them, which nothing here says */
	const struct ks_uci_section *section;
};

struct ks_uci {
	struct ks_import *import;
	struct ks_uci_section *sections, **last;
	struct ks_uci_zone *zones, **last_zone;
	struct ks_import_chain *input, *output, *forward, *pre, *post;
	struct ks_import_chain *marks[KS_HOOKS]; /* rules that give marks and code points; NULL without any */
	struct ks_uci_set *sets;
	bool guessed; /* the text does not name all interfaces */
};

/* The value of an option; `otherwise` without one. */
const char *ks_uci_option(const struct ks_uci_section *section, const char *key, const char *otherwise);

/* A switch. A word that fw4 does not know is off: it leaves out a section with such a one. */
bool ks_uci_is_on(const struct ks_uci_section *section, const char *key, bool otherwise);

/* The zone of a name, or NULL. */
const struct ks_uci_zone *ks_uci_zone_find(const struct ks_uci *uci, const char *name);

/* The verdict of a word such as "ACCEPT"; DROP for all others. */
enum ks_verdict_kind ks_uci_verdict(const char *word);

/* --- parts of rules: uci_rule.c --- */

typedef int ks_uci_value(struct ks_uci *uci, struct ks_draft *draft, const char *value, struct ks_ranges *ranges);

ks_uci_value ks_uci_number, ks_uci_address;

/*
 * Restricts a dimension to all values of an option; those behind '!' are taken away. A value that is none makes a condition that
 * nothing of ours says. Returns 0 or -errno.
 */
int ks_uci_values(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section, const char *key,
		  enum ks_dim dim, ks_uci_value *read);

/* A condition that nothing of ours says. */
int ks_uci_unsaid(struct ks_draft *draft, const char *key, const char *value);

/* The conditions that rules, redirects and new sources have alike. Returns 0 or -errno. */
int ks_uci_conditions(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section);

/* "ipv4", "ipv6" or "any" */
void ks_uci_family(struct ks_draft *draft, const char *family);

/* A source or destination zone, by its name or "*". Returns 0 or -errno. */
int ks_uci_zone(struct ks_uci *uci, struct ks_draft *draft, bool to, const char *name);

/* --- sets and times: uci_set.c --- */

/* Makes the sets of the text. Return 0 or -errno. */
int ks_uci_sets(struct ks_uci *uci);
int ks_uci_set(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section);
int ks_uci_macs(struct ks_draft *draft, const struct ks_uci_section *section);

/* Times of the day and days of the week, which are said when the rule ends. Returns 0. */
int ks_uci_times(struct ks_draft *draft, const struct ks_uci_section *section);

/* --- sections --- */

/* Reads a section that is a rule, a redirect, a new source, or the masquerading of a zone. Return 0 or -errno. */
int ks_uci_rule(struct ks_uci *uci, const struct ks_uci_section *section);
int ks_uci_redirect(struct ks_uci *uci, const struct ks_uci_section *section);
int ks_uci_nat(struct ks_uci *uci, const struct ks_uci_section *section);
int ks_uci_masquerade(struct ks_uci *uci, const struct ks_uci_zone *zone);

/*
 * Adds what a redirect does for hosts behind the firewall (uci_reflect.c). `redirect` is without the zone and the address that packets
 * come from and go to. Returns 0 or -errno.
 */
int ks_uci_reflect(struct ks_uci *uci, const struct ks_draft *redirect, const struct ks_uci_section *section);

/* --- marks and code points: uci_mark.c --- */

/* Conditions about them. Returns 0 or -errno. */
int ks_uci_fields(struct ks_draft *draft, const struct ks_uci_section *section);

/* Makes a rule with the target MARK or DSCP one that changes packets, of the chain that it finds. Returns 1, 0 for another target, or -errno. */
int ks_uci_mark(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section,
		struct ks_import_chain **chain);

int ks_uci_read(struct ks_import *import, const char *text, size_t length);

#endif
