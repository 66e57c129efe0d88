/* SPDX-License-Identifier: BSD-2-Clause */
/* The output of iptables-save(8), and of ipset(8) before it; see iptables.c. */
#ifndef KS_IMPORT_IPTABLES_H
#define KS_IMPORT_IPTABLES_H

#include "import/draft.h"
#include "import/words.h"

/* A limit with the name that hashlimit has for it. */
struct ks_iptables_named {
	struct ks_iptables_named *next;
	const char *name;
	struct ks_import_limit *limit;
};

/* The words of the module recent in a rule. */
struct ks_iptables_recent {
	const char *name; /* of the list; NULL without the module */
	const char *mask, *text;
	__u64 seconds, hits;
	bool adds, asks;
	bool odd; /* more than how often somebody came */
};

/* A rule that is read. */
struct ks_iptables {
	struct ks_import *import;
	__u8 family;
	bool open; /* no COMMIT has come */
	struct ks_iptables_named *named;
	const char *limit_name; /* NULL without one */
	const char *table;
	bool sets_end; /* there are no more lines of sets */
	struct ks_words_line words;
	struct ks_draft draft;
	unsigned proto; /* of -p; 0 without, or with '!' */
	const char *module; /* the last of -m */
	bool ends; /* the rule has a target */
	bool is_goto;
	struct ks_import_limit limit;
	bool limited, above; /* hashlimit and connlimit: what is beyond matches */
	bool local_time, odd_time; /* of the module time */
	struct ks_iptables_recent recent;
	unsigned begin; /* the word that names the chain */
	const char *limit_text;
	const char *limit_trouble; /* why ours cannot count so */
};

/*
 * Reads an option at the words' place as a condition, or as one that nobody knows. `negated`: '!' stood before it.
 * Returns 0 or -errno.
 */
int ks_iptables_match(struct ks_iptables *ipt, const char *option, bool negated);

/* Returns true if a condition begins with the word; no option of a target is called so. */
bool ks_iptables_is_condition(const char *word);

/* Reads limit, hashlimit and connlimit. Returns 1 if the option is one of theirs, 0 if not, or -errno. */
int ks_iptables_limit(struct ks_iptables *ipt, const char *option, bool negated);

/* Makes of the limit that was read a part of the rule, when its target is known. Returns 0 or -errno. */
int ks_iptables_limit_end(struct ks_iptables *ipt);

/* Reads recent. The same results. */
int ks_iptables_recent(struct ks_iptables *ipt, const char *option, bool negated);

/* Makes a limit of it, or a condition that nothing of ours says, when the target is known. Returns 0 or -errno. */
int ks_iptables_recent_end(struct ks_iptables *ipt);

/* Reads time. The same results. */
int ks_iptables_time(struct ks_iptables *ipt, const char *option, bool negated);

/* Says why the times that were read are none of ours. */
void ks_iptables_time_end(struct ks_iptables *ipt);

/* Reads the target of -j or -g and its options: all words that are left. Returns 0 or -errno. */
int ks_iptables_target(struct ks_iptables *ipt, const char *name);

/* The value of an option of the target; NULL if it has none. With `alone` the option itself, if it is there. */
const char *ks_iptables_option(const struct ks_iptables *ipt, const char *option, bool alone);

/* Targets that change a field (iptables_alter.c). Return 0 or -errno. */
int ks_iptables_mark(struct ks_iptables *ipt);
int ks_iptables_connmark(struct ks_iptables *ipt);
int ks_iptables_dscp(struct ks_iptables *ipt);
int ks_iptables_tos(struct ks_iptables *ipt);

/* An option and its values as a condition that nothing of ours says. */
int ks_iptables_unsaid(struct ks_iptables *ipt, const char *option, bool negated);

/* A chain of the table that is read. Returns 0, -ENOMEM or -E2BIG. */
int ks_iptables_chain(struct ks_iptables *ipt, const char *name, struct ks_import_chain **chain);

/* A line of ipset(8). Returns 0 or -errno. */
int ks_ipset_line(struct ks_import *import, struct ks_words_line *words);

/* Sorts the entries of all sets, before the first rule asks for them. Returns 0 or -errno. */
int ks_ipset_end(struct ks_import *import);

/* Reads a line whose words are in ipt->words: a table, a chain, a rule or a set. Returns 0 or -errno. */
int ks_iptables_line(struct ks_iptables *ipt);

int ks_iptables_read(struct ks_import *import, __u8 family, const char *text, size_t length);

#endif
