/* SPDX-License-Identifier: BSD-2-Clause */
/* The firewall of OpenWrt: /etc/config/firewall; see uci.c. */
#ifndef KS_IMPORT_UCI_H
#define KS_IMPORT_UCI_H

#include "import/draft.h"
#include "import/words.h"

#define KS_UCI_VALUES 128U

/* A section: its type, its name, and its options; those of a list stand several times. */
struct ks_uci_section {
	struct ks_uci_section *next;
	const char *type, *name;
	const char *key[KS_UCI_VALUES], *value[KS_UCI_VALUES];
	unsigned count, line;
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

/* Reads a section that is a rule or a redirect. Return 0 or -errno. */
int ks_uci_rule(struct ks_uci *uci, const struct ks_uci_section *section);
int ks_uci_redirect(struct ks_uci *uci, const struct ks_uci_section *section);

int ks_uci_read(struct ks_import *import, const char *text, size_t length);

#endif
