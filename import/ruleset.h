/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The common form of what other firewalls write: chains of rules that stand at hooks, as netfilter has them. Every format is
 * brought into it; from there on nobody knows which one it was.
 *
 * A rule matches packets of regions (proof/region.h). A condition that regions do not know is a variable: of each packet it holds
 * or does not hold. Some variables have words in our language (`ttl 5`), and the others have none: what they mean for a policy is
 * decided when it is written (import/write.c).
 */
#ifndef KS_IMPORT_RULESET_H
#define KS_IMPORT_RULESET_H

#include <stdio.h>

#include "import/field.h"
#include "import/import.h"
#include "proof/region.h"

#define KS_IMPORT_ZONES 60U /* as many as a policy has, less the one for all other interfaces */
#define KS_IMPORT_NAME 32
#define KS_IMPORT_CHAINS 4096U
#define KS_IMPORT_BASES 128U
#define KS_IMPORT_RULES 65535U
#define KS_IMPORT_OFFERS 64U

/* Variables with a meaning of their own; those behind them are conditions of the text. */
enum ks_import_variable {
	KS_VAR_OPENS, /* the packet opens a flow; outside of it are the later packets of both directions */
	KS_VAR_TRACKED, /* connection tracking sees it */
	KS_VAR_FORWARDED, /* its destination was translated */
	KS_VAR_OWN, /* its destination is an address of the box, and no broadcast */
	KS_VAR_FIRST, /* the first of the text */
};

/* The conditions of a rule of ours that a variable may stand for: each stands once in a rule. */
enum ks_import_word {
	KS_WORD_NONE, /* nothing of ours says it */
	KS_WORD_SOURCE,
	KS_WORD_DESTINATION,
	KS_WORD_FLAGS,
	KS_WORD_FRAGMENT,
	KS_WORD_IP_OPTION,
	KS_WORD_TTL,
	KS_WORD_LENGTH,
	KS_WORD_DSCP,
	KS_WORD_MARK,
	KS_WORD_MAC,
	KS_WORD_DURING,
	KS_WORD_USER,
	KS_IMPORT_WORDS
};

struct ks_import_condition {
	const char *text; /* as the original has it, or our value behind the word: "1-5" */
	enum ks_import_word word;
	unsigned line; /* the first that has it */
	unsigned rule; /* how many rules stood before that one */
};

/* One interface, or all that begin so. Bit i + KS_ZONE_FIRST of zones; KS_ZONE_NONE stands for all others. */
struct ks_import_zone {
	char name[KS_IMPORT_NAME]; /* of the zone */
	char interface[16]; /* with '*' at the end for the rest */
	unsigned mss; /* of connections from there and to there; KS_IMPORT_MSS_MTU: by the MTU; 0: any */
};

#define KS_IMPORT_MSS_MTU 1U

struct ks_import_match {
	struct ks_region of[2]; /* of IPv4 and IPv6 */
	bool has[2];
};

enum ks_hook {
	KS_HOOK_PRE, /* before it is known where the packet goes */
	KS_HOOK_INPUT,
	KS_HOOK_FORWARD,
	KS_HOOK_OUTPUT,
	KS_HOOK_POST,
	KS_HOOKS
};

enum ks_verdict_kind {
	KS_IMPORT_CONTINUE, /* the rule has no say in where the packet goes */
	KS_IMPORT_ACCEPT,
	KS_IMPORT_DROP,
	KS_IMPORT_REJECT,
	KS_IMPORT_RETURN,
	KS_IMPORT_JUMP,
	KS_IMPORT_GOTO,
	KS_IMPORT_LOG,
	KS_IMPORT_UNTRACK,
	KS_IMPORT_HELPER,
	KS_IMPORT_FORWARD, /* a new destination */
	KS_IMPORT_REDIRECT, /* the box itself */
	KS_IMPORT_SOURCE, /* a new source */
	KS_IMPORT_MASQUERADE,
	KS_IMPORT_ALTER, /* it changes fields of what goes on, and nothing else */
	KS_IMPORT_SKIPPED, /* nothing of ours does it: only its line is kept */
};

/* The destination or source that a translation gives. */
struct ks_import_target {
	const char *address; /* as our language writes it; NULL: only the port changes */
	struct ks_range range;
	__u8 family; /* of the address */
	__u16 port, port_last; /* 0: stays */
	bool each; /* a range of ports becomes as many, one by one */
	bool random;
};

struct ks_import_limit {
	__u64 amount; /* new flows in a time, or connections */
	const char *unit; /* "second", ...; NULL: connections */
	__u64 burst; /* 0: none is said */
	const char *per; /* " per source" or "" */
	__u32 uses; /* rules that were written with it: they share the amount */
	struct ks_import_limit *also; /* another one that the same rule has */
};

struct ks_import_rule {
	struct ks_import_rule *next;
	struct ks_import_match match;
	enum ks_verdict_kind kind;
	struct ks_import_chain *chain; /* JUMP, GOTO */
	struct ks_import_limit *limit; /* ACCEPT: as many; with `over`: it drops what is beyond */
	bool over;
	const char *label; /* LOG; HELPER: its name */
	struct ks_import_target target;
	struct ks_field_change change[KS_FIELDS]; /* to what it matches, before its verdict */
	unsigned changes;
	bool unsure; /* it lets later packets, or answers, pass by what is not known of them here */
	bool passes; /* flows pass by it here */
	bool told; /* the policy has a change of this rule, or says why not */
	struct ks_field_test test;
	bool is_policy; /* it stands for the policy of a base */
	const char *trouble; /* SKIPPED, or what else is to be said: why it could not be said */
	const char *text; /* the original line */
	unsigned line;
};

struct ks_import_chain {
	const char *name;
	struct ks_import_rule *first, **last;
	struct ks_import_chain *next;
	bool running; /* a jump back would never end */
	bool alters; /* a rule in it, or in a chain that it jumps to, changes packets */
};

/* A chain that packets come to by themselves, and what is done with those that it leaves undecided. */
struct ks_import_base {
	struct ks_import_chain *chain;
	enum ks_hook hook;
	int priority;
	bool translates;
	bool families[2];
	enum ks_verdict_kind policy;
	unsigned line; /* of the policy */
};

struct ks_import {
	struct ks_pool pool; /* all there is */
	__u64 steps;
	struct ks_import_zone zone[KS_IMPORT_ZONES];
	unsigned zones;
	struct ks_import_condition condition[KS_VARIABLES_MAX];
	unsigned conditions;
	struct ks_import_chain *chains;
	unsigned chain_count, rule_count;
	struct ks_import_base base[KS_IMPORT_BASES];
	unsigned bases;
	struct ks_named_spans *sets, *dynamic; /* those that stay as they are, and run-time sets */
	struct ks_import_note *notes, **last_note;
	unsigned mss; /* option mss; 0 without */
	unsigned rest_mss; /* of the zone for all other interfaces */
	bool families[2]; /* that the text is about */
	bool alters[KS_FIELDS], asks[KS_FIELDS]; /* rules of the text change it, and ask what it has become */
	bool parts[KS_FIELDS]; /* some rule may match packets of which nothing was changed, and not the others */
	bool asks_forwarded; /* rules ask for packets whose destination was translated; */
	bool same_is_forwarded; /* those that got the one that they had are such, too */
	bool plain; /* changes are not followed, and what is asked about them is not known */
	struct ks_import_filled *filled; /* sets that rules of the text fill: what is in them is not known either */
	ks_import_reader *files; /* NULL: files that the text names are not read */
	struct ks_import_recent *recents; /* lists of the module recent */
	const char *numbered; /* as lines, or otherwise */
	unsigned line; /* that is read at the moment */
	const char *text;
	char error[256];
};

/* A set of addresses or ports of the text. */
struct ks_named_spans {
	struct ks_named_spans *next;
	const char *name, *called; /* as ours may be called, and as it is */
	struct ks_spans spans[2]; /* of IPv4, or ports; of IPv6 */
	struct ks_spans passing[2]; /* of a run-time set: entries that end by themselves */
	bool lets_pass; /* a rule lets more pass by such entries: found when the rules are written first */
	const char *timeout; /* of entries that are added without one, in our words; NULL: none */
	bool ends_flows; /* an address that comes into it while the firewall runs loses its flows */
};

struct ks_import_filled {
	struct ks_import_filled *next;
	const char *name;
};

/* A rule that uses a list of the module recent of iptables(8), and the packets that it is about, as text. */
struct ks_import_recent {
	struct ks_import_recent *next;
	const char *name, *packets;
	bool adds;
};

/* A line that has no rule of its own, and why. */
struct ks_import_note {
	struct ks_import_note *next;
	unsigned line;
	const char *text, *why;
};

void ks_import_init(struct ks_import *import);
void ks_import_fini(struct ks_import *import);

KS_SCOPED_STRUCT(ks_auto_import, struct ks_import, ks_import_fini)
#define ks_auto_import ks_scoped(ks_auto_import)

/* A copy that lives as long as the import; NULL without memory. */
char *ks_import_copy(struct ks_import *import, const char *text, size_t length);
char *ks_import_format(struct ks_import *import, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says what is wrong with the line that is read, and returns -EINVAL. */
int ks_import_fail(struct ks_import *import, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Keeps the line that is read as a comment. Returns 0 or -ENOMEM. */
int ks_import_note(struct ks_import *import, const char *why);

/*
 * The words of a file that the text names, one after the other, without comments: a copy in the pool, with a blank behind each. *why
 * says what is wrong. Returns 0 or -errno.
 */
int ks_import_file(struct ks_import *import, const char *path, char **words, const char **why);

/* The chain of a name, made if need be. Returns 0, -ENOMEM or -E2BIG. */
int ks_import_chain(struct ks_import *import, const char *name, struct ks_import_chain **chain);

/* Appends a rule; its line is the one that is read. Returns 0, -ENOMEM or -E2BIG. */
int ks_import_rule(struct ks_import *import, struct ks_import_chain *chain, const struct ks_import_rule *rule);

/* The interfaces of a name or a pattern ("eth*") as zones, made if need be; 0 for loopback. Returns 0, -EINVAL or -E2BIG. */
int ks_import_interface(struct ks_import *import, const char *name, __u64 *zones);

/* Seconds as a duration of ours: "1h30m". NULL for none, for others than sets of ours have, or without memory. */
const char *ks_import_seconds(struct ks_import *import, const char *seconds);

/* Gives zones an MSS, the least of those that they get, or KS_IMPORT_MSS_MTU. */
void ks_import_mss(struct ks_import *import, __u64 zones, unsigned mss);

/* All zones of the import but the box itself. */
__u64 ks_import_zones(const struct ks_import *import);

/*
 * The variable of a condition. `text` is copied. Equal texts are one condition, but for those that need not say the same twice, such
 * as chances and limits: of these each rule has its own. Returns its number, -ENOMEM or -E2BIG.
 */
int ks_import_condition(struct ks_import *import, enum ks_import_word word, const char *text);

/* Sets one side of a variable, or none: its packets may be in it and outside. */
void ks_region_fix(struct ks_region *region, unsigned variable, bool in);
void ks_region_free(struct ks_region *region, unsigned variable);

/* The run-time set of a name, with a name that ours may have. Returns 0 or -ENOMEM. */
int ks_import_dynamic(struct ks_import *import, const char *name, struct ks_named_spans **set);

/* The same, if the set is there already; NULL if not. */
const struct ks_named_spans *ks_import_dynamic_find(const struct ks_import *import, const char *name);

/* Remembers that rules fill a set; returns 0 or -ENOMEM. Returns true if they do. */
int ks_import_fill(struct ks_import *import, const char *name);
bool ks_import_is_filled(const struct ks_import *import, const char *name);

/* The MSS of packets of a rule that only changes it: of the zones that the rule names, or of all. */
void ks_import_match_mss(struct ks_import *import, const struct ks_import_match *match, unsigned mss);

struct ks_named_spans *ks_import_set_find(const struct ks_import *import, const char *name);

#endif
