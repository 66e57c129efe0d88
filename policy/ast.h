/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The syntax tree of a policy: what the text says, in its order, with the
 * place of every part. Zones and sets are names here; policy/check.c and
 * policy/sets.c look them up. It lives from parsing to compiling, in the
 * parser's scratch arena; texts are in the policy's.
 */
#ifndef KS_POLICY_AST_H
#define KS_POLICY_AST_H

#include "policy/index.h"
#include "policy/parse.h"

/* A name and where it stands. */
struct ks_name {
	const char *text;
	struct ks_place place;
	__u64 bit; /* of a zone in a rule: filled by policy/check.c */
};

struct ks_names {
	struct ks_name *list;
	size_t count;
};

/* One entry of a set or list: a range, or the name of another set. */
struct ks_item {
	struct ks_range range;
	const char *set; /* "admins" of @admins; NULL for a range */
	struct ks_place place;
	__u8 family; /* of the range: KS_IPV4 also for plain numbers */
};

struct ks_items {
	struct ks_item *list;
	size_t count;
};

/* Addresses or ports that a rule asks for. */
struct ks_match {
	bool present;
	bool negated;
	struct ks_place place; /* of the keyword */
	struct ks_items items;
	struct ks_name address_of; /* `address of ZONE` in the place of items; text NULL without */
};

/* A `type` of a rule: a name of either family, or a number. */
struct ks_icmp_item {
	const char *name; /* NULL: see type */
	__s32 type;
	__s32 code; /* -1: any */
	struct ks_place place;
};

/* Where a rule translates to: an address, a prefix or a range. */
struct ks_ast_target {
	struct ks_range range;
	struct ks_place place;
	__u8 family;
	__u8 prefix; /* bits, of an address all of them */
	bool is_range; /* written with '-': not a prefix */
};

/* The part of a rule that says what becomes of its packets: `to ...`, `masquerade`, `exempt`. */
struct ks_ast_translation {
	bool present;
	struct ks_place place; /* of its first word */
	__u8 kind; /* enum ks_target_kind */
	__u8 flags; /* KS_TARGET_*; PORT_OFFSET is found by the check */
	bool has_filtering;
	struct ks_ast_target *targets; /* of binat and nptv6: the inside, then the outside */
	size_t target_count;
	struct ks_name zone; /* where the destination is; text NULL when not said */
	__u8 zone_id; /* filled by policy/translate.c, KS_ZONE_UNKNOWN without one */
	struct ks_place port_place;
	__u16 port_lo, port_hi;
	__u16 port_from; /* filled by policy/translate.c */
};

struct ks_ast_rule {
	struct ks_place place;
	__u8 statement; /* enum ks_statement */
	__u8 action;
	__u8 family; /* 0 for both */
	bool log;
	const char *label;
	bool has_from, has_to, has_protos, has_family, has_types;
	struct ks_names from, to;
	__u64 from_zones, to_zones; /* filled by policy/check.c */
	__u8 *protos;
	size_t proto_count;
	struct ks_place protos_place;
	struct ks_match source, destination, sport, dport;
	struct ks_icmp_item *types;
	size_t type_count;
	struct ks_place types_place;
	struct ks_ast_translation translation;
	__u8 *helpers; /* enum ks_helper_id, each once */
	size_t helper_count;
};

struct ks_ast_network {
	struct ks_prefix prefix;
	struct ks_place place;
};

struct ks_ast_mac {
	__u8 mac[6];
	struct ks_place place;
};

struct ks_ast_zone {
	struct ks_name name;
	bool broken; /* its list had errors: do not complain that it is empty */
	struct ks_names interfaces;
	struct ks_ast_network *networks;
	size_t network_count;
	struct ks_ast_mac *macs;
	size_t mac_count;
	struct ks_prefix address[2]; /* `address`: IPv4, IPv6; family 0 when not given */
	struct ks_place antispoof; /* where it is said; line 0 when not given */
	bool antispoof_off;
};

/* Ranges sorted and disjoint: count4 of IPv4 or plain numbers, then count6 of IPv6. From malloc(). */
struct ks_merged {
	struct ks_range *ranges;
	size_t count4, count6;
};

static inline void ks_auto_merged_end(struct ks_merged *merged)
{
	free(merged->ranges);
}

#define ks_auto_merged ks_scoped(ks_auto_merged)

struct ks_ast_set {
	struct ks_name name;
	bool ports;
	bool broken;
	bool used;
	unsigned long stamp; /* of the list that took it last */
	struct ks_items items;
	/* filled by policy/sets.c */
	unsigned char visit; /* 0 not begun, 1 being resolved, 2 done */
	struct ks_merged merged;
};

struct ks_ast {
	struct ks_arena *arena; /* scratch */
	struct ks_ast_zone *zones;
	size_t zone_count;
	struct ks_names ignores; /* interfaces */
	struct ks_ast_set *sets;
	size_t set_count;
	struct ks_index set_index;
	unsigned long stamp; /* lists so far, see ks_ast_take_set() */
	struct ks_ast_rule *rules;
	size_t rule_count;
	struct ks_place *settings; /* by index in ks_settings: where it was given, line 0 if not */
};

/* Merges the entries of a list, with those of the sets it names if `sets` (policy/sets.c). Returns 0 or -ENOMEM. */
int ks_items_merge(struct ks_ast *ast, const struct ks_items *items, bool sets, struct ks_merged *merged);

/* The set an entry names, the first time it stands in the list begun by ast->stamp++; else NULL. */
struct ks_ast_set *ks_ast_take_set(struct ks_ast *ast, const struct ks_item *item);

/* Looks up the sets that sets and rules name, and merges every set (policy/sets.c). */
int ks_sets_resolve(struct ks_parser *p);
int ks_items_check(struct ks_parser *p, const struct ks_items *items, bool ports);

/* Checks everything that needs the whole text; fills the zones of the policy (policy/check.c). Returns 0 or -ENOMEM. */
int ks_check(struct ks_parser *p);

/* Fills the tables of a policy without errors (policy/compile.c). Returns 0, -EINVAL after a complaint, or -ENOMEM. */
int ks_compile(struct ks_parser *p);

/* Warns of rules of the compiled policy that decide nothing (policy/reach.c). Returns 0 or -ENOMEM. */
int ks_reach_check(struct ks_parser *p);

/* The normal form of a rule without log and label, in the arena; NULL without memory (policy/print.c). */
char *ks_rule_text(struct ks_parser *p, const struct ks_ast_rule *rule);

/* Statements; each is called with its keyword consumed. Return 0, or -EINVAL after a complaint. */
int ks_parse_zone(struct ks_parser *p);
int ks_parse_ignore(struct ks_parser *p);
int ks_parse_set(struct ks_parser *p);
int ks_parse_rule(struct ks_parser *p, enum ks_statement statement, unsigned action);
int ks_parse_binat(struct ks_parser *p, enum ks_statement statement);
int ks_parse_settings(struct ks_parser *p, const char *keyword);

/* Keeps a rule that has been read (policy/rule.c). */
int ks_ast_add_rule(struct ks_parser *p, const struct ks_ast_rule *rule);

/* A zone list behind `clause`, a protocol, a clause that stands twice (policy/rule.c). */
int ks_parse_zones(struct ks_parser *p, const char *clause, bool *has, struct ks_names *zones);
int ks_add_proto(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *token);
int ks_clause_twice(struct ks_parser *p, const char *clause);

/*
 * The words of forward, redirect, nat and helper rules (policy/nat.c, policy/helper.c). Called with the word consumed.
 * Returns 1 if the word is not one of theirs, 0, or -errno.
 */
int ks_parse_translation(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *word);
int ks_parse_helpers(struct ks_parser *p, struct ks_ast_rule *rule);

/* What can be checked of them when the zones are known (policy/translate.c). */
void ks_translation_check(struct ks_parser *p, struct ks_ast_rule *rule);
void ks_helper_check(struct ks_parser *p, struct ks_ast_rule *rule);

/* The zone of a target: as the text says, or by the zones' networks; KS_ZONE_UNKNOWN when neither tells. */
__u8 ks_translation_zone(const struct ks_policy *policy, const struct ks_ast_translation *translation,
			 const struct ks_ast_target *target);

/* The id of a zone in the text; complains and returns -EINVAL when there is none (policy/check.c). */
int ks_zone_resolve(struct ks_parser *p, const struct ks_name *name);

/* The usual port of a helper, and whether it works over a protocol (policy/helper.c). */
__u16 ks_helper_port(unsigned helper);
bool ks_helper_has_proto(unsigned helper, unsigned proto);

/* The word that begins a statement. */
const char *ks_statement_name(enum ks_statement statement);

/* Lists (policy/list.c): `one` is called for each entry of "{ a, b, { c } }", or for the one that stands alone. */
typedef int ks_list_fn(struct ks_parser *p, void *arg);
int ks_parse_list(struct ks_parser *p, const char *what, ks_list_fn *one, void *arg);

/* Appends addresses, or ports, in the text or read from a file (policy/list.c). */
int ks_parse_items(struct ks_parser *p, bool ports, struct ks_items *items);
int ks_read_items(struct ks_parser *p, const struct ks_token *path, bool ports, struct ks_items *items);
void ks_warn_host_bits(struct ks_parser *p, const struct ks_token *token); /* of 10.0.0.1/24 */
int ks_add_name(struct ks_parser *p, struct ks_names *names, const struct ks_token *token);

/* Files (policy/file.c): the path as seen from the including file; the text as a source of p. Complain at `place`. */
int ks_source_open(struct ks_parser *p, const struct ks_token *path, const struct ks_source **source);

/* Whether two sources are the same file. */
bool ks_source_same(const struct ks_source *a, const struct ks_source *b);

/* Whether a text can name a zone, set or variable; complains about the token if not. */
int ks_check_name(struct ks_parser *p, const struct ks_token *token, const char *text, const char *what);

/* The set of a name, or NULL. */
struct ks_ast_set *ks_ast_find_set(const struct ks_ast *ast, const char *name);

/* " (did you mean 'x'?)" for the nearest of the names, or "". In the policy's arena. */
const char *ks_did_you_mean(struct ks_parser *p, const char *before, const char *word, const char *const *names,
			    size_t count);

#endif
