/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules of pf.conf(5); see pf.c. */
#ifndef KS_IMPORT_PF_H
#define KS_IMPORT_PF_H

#include "import/draft.h"
#include "import/words.h"

struct ks_pf_macro {
	struct ks_pf_macro *next;
	const char *name;
	struct ks_words_line value;
};

struct ks_pf_rule {
	struct ks_pf_rule *next;
	struct ks_words_line words; /* macros replaced */
	unsigned line;
	const char *text;
	bool quick;
	bool exempts; /* no nat: sources stay as they are */
	bool diverts; /* it sends packets to others than they name, for all rules behind it */
};

struct ks_pf {
	struct ks_import *import;
	struct ks_pf_macro *macros;
	struct ks_pf_rule *rules, **last;
	struct ks_import_chain *in, *out, *sources;
	bool returns; /* set block-policy return */
	bool overloads; /* rules add to tables */
	bool rewrites; /* sources are translated before rules about what leaves see them */
};

/* A rule that is read. */
struct ks_pf_draft {
	struct ks_draft draft;
	bool in, out, logs, is_match;
	bool scrubs; /* it says what the MSS is */
	bool from, nat; /* it names sources; it translates them */
	enum ks_verdict_kind nat_kind;
	struct ks_import_target target;
};

/* Reads a rule, and appends it to the chains of its directions. Returns 0 or -errno. */
int ks_pf_rule(struct ks_pf *pf, struct ks_pf_rule *rule);

/* An address as ks_ranges_address() has it, or a network without its zeros: "172.16/12". */
int ks_pf_address(struct ks_ranges *ranges, const char *word);

/* Takes the number of max-mss among words up to `end`, if it is there. Returns true if it is. */
bool ks_pf_mss(struct ks_import *import, const struct ks_words_line *words, unsigned end);

int ks_pf_read(struct ks_import *import, const char *text, size_t length);

#endif
