/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules of pf.conf(5); see pf.c. */
#ifndef KS_IMPORT_PF_H
#define KS_IMPORT_PF_H

#include "import/draft.h"
#include "import/words.h"

#define KS_PF_TAGS 64U
#define KS_PF_ANCHORS 8U /* one in the other */

struct ks_pf_macro {
	struct ks_pf_macro *next;
	const char *name;
	struct ks_words_line value;
};

enum ks_pf_kind {
	KS_PF_FILTER, /* block, pass, match */
	KS_PF_SOURCES, /* nat on */
	KS_PF_DESTINATIONS, /* rdr on */
	KS_PF_BOTH, /* a half of binat on, which comes before the two others */
};

struct ks_pf_rule {
	struct ks_pf_rule *next;
	struct ks_words_line words; /* macros replaced; behind them those of the anchors around it */
	unsigned line;
	const char *text;
	enum ks_pf_kind kind;
	unsigned order; /* from 1, as the text has them */
	bool quick;
	bool exempts; /* no nat, no rdr: packets stay as they are */
	bool diverts; /* it sends packets to others than they name, for all rules behind it */
	bool told; /* a note would say again what was said of it */
	struct ks_import_limit *limit; /* of both directions together */
};

struct ks_pf {
	struct ks_import *import;
	struct ks_pf_macro *macros;
	struct ks_pf_rule *rules, **last;
	unsigned rule_count;
	const struct ks_words_line *anchor[KS_PF_ANCHORS]; /* the lines of those that are open */
	unsigned anchors;
	struct ks_import_chain *in, *out, *sources, *destinations;
	const char *tag[KS_PF_TAGS]; /* the names of tags */
	unsigned tags;
	bool tags_unknown; /* a rule gives one to packets that it translates, as they came */
	unsigned last_tag
		[2]; /* the order of the last rule that gives one, to what comes in and to what goes out; 0 without */
	bool overloads; /* rules add to tables */
	bool returns; /* set block-policy return */
	bool rewrites; /* sources are translated before rules about what leaves see them */
	bool redirects; /* rules that pass give new destinations */
	bool told_replies, told_options;
	bool rdr, rdr_asked; /* there are lines of rdr; rules are asked about the packets of some of them */
};

/* A rule that is read, for one direction. */
struct ks_pf_draft {
	struct ks_draft draft;
	bool out; /* the direction that is read */
	bool none; /* it is not about this direction */
	bool logs, is_match, tags;
	bool scrubs; /* it says what the MSS is */
	bool from, nat, rdr; /* it names sources; it translates them, or destinations */
	enum ks_verdict_kind nat_kind;
	struct ks_import_target target;
};

struct ks_pf_reader {
	struct ks_pf *pf;
	struct ks_pf_draft *made;
	struct ks_pf_rule *rule;
	struct ks_words_line *words;
};

/* --- words of a rule: pf_words.c --- */

/* A condition that nothing of ours says. */
int ks_pf_unsaid(struct ks_pf_reader *reader, const char *what, const char *behind, bool negated);

/* A word of those from a place on that says something, to be shown. */
const char *ks_pf_first(const struct ks_pf_reader *reader, unsigned at);

/* Goes past a word, if it comes; past words in parentheses. */
bool ks_pf_comes(struct ks_pf_reader *reader, const char *word);
void ks_pf_group_skip(struct ks_pf_reader *reader);

/* Goes past one word, or a list in braces, parentheses or angles. */
void ks_pf_list_skip(struct ks_pf_reader *reader);

/*
 * Calls a function for one word, or each of a list in braces. `negated`: '!' stands before the only one. Returns 0, -errno, or
 * -ERANGE for what is not known here; then the list has been gone past.
 */
int ks_pf_list_each(struct ks_pf_reader *reader, bool *negated, int (*one)(struct ks_pf_reader *, const char *, void *),
		    void *arg);

/* The zones of an interface, added to those that are there. -ERANGE for a group that no macro names. */
int ks_pf_interface(struct ks_pf_reader *reader, const char *word, void *zones);

/* "from" or "to" and the ports behind it. Return 0 or -errno. */
int ks_pf_addresses(struct ks_pf_reader *reader, enum ks_dim dim);
int ks_pf_ports(struct ks_pf_reader *reader, enum ks_dim dim);

/* "state (max-src-conn 10, ...)" behind "keep". Returns 0 or -errno. */
int ks_pf_state(struct ks_pf_reader *reader);

/* The new address and port behind "nat-to" or "rdr-to". Returns 0 or -errno. */
int ks_pf_target(struct ks_pf_reader *reader);

/* Takes the number of max-mss among words up to `end`, if it is there. Returns true if it is. */
bool ks_pf_mss(struct ks_import *import, const struct ks_words_line *words, unsigned end);

/* --- tags: pf_tag.c --- */

/* Notes the tag that a rule of the text gives, before any is read. Returns 0 or -errno. */
int ks_pf_tag_find(struct ks_pf *pf, struct ks_pf_rule *rule);

/* "tag" and "tagged" of a rule that is read. Return 0 or -errno. */
int ks_pf_tag(struct ks_pf_reader *reader);
int ks_pf_tagged(struct ks_pf_reader *reader, bool negated);

/* Appends the rules that give tags, as a chain that is asked before all others. Returns 0 or -errno. */
int ks_pf_tags_end(struct ks_pf *pf);

/* --- rules and statements --- */

/* Reads the words of a rule for one direction. Returns 0 or -errno. */
int ks_pf_rule_words(struct ks_pf_reader *reader);

/* Reads a rule, and appends it to the chains of its directions. Returns 0 or -errno. */
int ks_pf_rule(struct ks_pf *pf, struct ks_pf_rule *rule);

/* Keeps a rule for later. Returns 0 or -errno; *rule is that, unless NULL. */
int ks_pf_rule_add(struct ks_pf *pf, const struct ks_words_line *words, struct ks_pf_rule **rule);

/* "nat on", "rdr on", "binat on" and "no nat on", which FreeBSD has. Return 0 or -errno. */
bool ks_pf_is_translation(const struct ks_words_line *words);
int ks_pf_translation(struct ks_pf *pf, const struct ks_words_line *words);

/* Makes lines of rdr of "match in ... rdr-to", when all rules are known. */
void ks_pf_matches_end(struct ks_pf *pf);

/* "table <name> ..." */
int ks_pf_table(struct ks_pf *pf, const struct ks_words_line *words);

const struct ks_pf_macro *ks_pf_macro(const struct ks_pf *pf, const char *name, size_t length);

/* An address as ks_ranges_address() has it, or a network without its zeros: "172.16/12". */
int ks_pf_address(struct ks_ranges *ranges, const char *word);

int ks_pf_read(struct ks_import *import, const char *text, size_t length);

#endif
