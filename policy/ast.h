/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The syntax tree of a policy: what the text says, in its order, with the
 * place of every part. Zones and sets are names here; policy/check.c and
 * policy/sets.c look them up, and fill the fields that say so. It lives from
 * parsing to compiling, in the parser's scratch arena; texts are in the policy's.
 */
#ifndef KS_POLICY_AST_H
#define KS_POLICY_AST_H

#include "policy/index.h"
#include "policy/policy.h"

/* A name and where it stands. */
struct ks_name {
	const char *text;
	struct ks_place place;
	__u64 bit; /* of a zone in a rule: filled by policy/check.c */
};

struct ks_names {
	struct ks_name *list;
	size_t count;
	bool negated; /* of zones: all but these are meant */
};

/* One entry of a set or list: a range, or the name of another set. */
struct ks_item {
	struct ks_range range;
	const char *set; /* "admins" of @admins; NULL for a range */
	struct ks_place place;
	__u8 family; /* of the range: KS_IPV4 also for plain numbers */
	bool is_range; /* written with '-': not a prefix */
	bool negated; /* behind `not`: taken away from the others */
	__u16 service; /* number of the service whose name stands there (policy/service.h), 0 for numbers */
};

struct ks_items {
	struct ks_item *list;
	size_t count;
};

/* A condition on addresses or ports. */
struct ks_match {
	bool present;
	bool negated;
	struct ks_place place; /* of the keyword */
	struct ks_items items;
	struct ks_name
		address_of; /* `address of ZONE`, or another of enum ks_own_kind, instead of items; text NULL without */
	__u8 own; /* enum ks_own_kind, with address_of */
	struct ks_prefix *suffixes;
	size_t suffix_count;
};

/* A `type` of a rule: a name of either family, or a number. */
struct ks_icmp_item {
	const char *name; /* NULL: see type */
	__s32 type;
	__s32 code; /* -1: any */
	struct ks_place place;
};

/* A target that a rule translates to: an address, a prefix or a range. */
struct ks_ast_target {
	struct ks_range range;
	struct ks_place place;
	__u8 family;
	__u8 prefix; /* bits; 32 or 128 for an address */
	bool is_range; /* written with '-': not a prefix */
};

/* The translating part of a rule: `to ...`, `masquerade`, `exempt`. */
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

/* A limit of a rule. */
struct ks_ast_limit {
	struct ks_place place;
	__u64 amount;
	__u64 burst; /* 0: not given */
	__u8 unit; /* enum ks_limit_unit */
	__u8 per; /* enum ks_limit_per */
	__u8 period; /* of new flows: number of its name in policy/limit.c; else 0, a second */
	__u8 bits[2]; /* as of struct ks_limit */
	bool ends; /* flows of whoever exceeds */
	struct ks_name overload; /* the set that it comes into, text NULL without one */
	__u64 hold; /* ms that it stays there; 0: not given */
};

struct ks_ast_rule {
	struct ks_place place;
	__u8 statement; /* enum ks_statement */
	__u8 action;
	__u8 family; /* 0 for both */
	bool is_assertion; /* of a test (policy/assertion.h): it has conditions only */
	bool log;
	bool staged;
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
	struct ks_ast_limit *limits;
	size_t limit_count;
	struct ks_ast_conditions *conditions; /* policy/condition.h; NULL without any */
	struct ks_ast_effects *effects; /* policy/effect.h; NULL without any */
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
	bool broken; /* its list had errors: no complaint that it is empty */
	struct ks_names interfaces;
	struct ks_ast_network *networks;
	size_t network_count;
	struct ks_ast_mac *macs;
	size_t mac_count;
	struct ks_prefix address[2]; /* `address`: IPv4, IPv6; family 0 when not given */
	struct ks_place antispoof; /* where it is said; line 0 when not given */
	bool antispoof_off;
	struct ks_place challenge; /* the same for `challenge` */
	__u8 challenge_mode; /* enum ks_challenge_mode */
	__u16 mss, mtu; /* as in struct ks_config, 0: not given */
};

/* Ranges sorted and disjoint: count4 of IPv4 or plain numbers, then count6 of IPv6. From malloc(). */
struct ks_merged {
	struct ks_range *ranges;
	size_t count4, count6;
	__u64 dynamic; /* a bit for each run-time set that belongs to it */
};

static inline void ks_auto_merged_end(struct ks_merged *merged)
{
	free(merged->ranges);
}

#define ks_auto_merged ks_scoped(ks_auto_merged)

/* `host NAME is ADDRESS` of a set (policy/host.c). */
struct ks_ast_host {
	const char *name;
	struct ks_items answers; /* behind `is`: addresses */
};

struct ks_ast_set {
	struct ks_name name;
	bool ports;
	bool broken;
	bool used;
	bool filled; /* a limit puts sources into it */
	unsigned long stamp; /* of the list that counted it last, see ks_ast_take_set() */
	struct ks_items items;
	bool dynamic; /* a run-time set: what is below is of it only */
	__u32 number; /* from 0 */
	struct ks_dynamic settings;
	struct ks_set_host *hosts; /* with a count; any makes it a run-time set. In the policy's arena */
	size_t host_count;
	struct ks_ast_host *said_hosts; /* the same in the scratch arena */
	struct ks_prefix *initial; /* its entries as prefixes, then the answers of its hosts, in the policy's arena */
	size_t initial_count;
	/* filled by policy/sets.c */
	unsigned char visit; /* 0 not begun, 1 being resolved, 2 done */
	struct ks_merged merged;
};

struct ks_ast {
	struct ks_ast_zone *zones;
	size_t zone_count;
	struct ks_names ignores; /* interfaces */
	struct ks_ast_set *sets;
	size_t set_count;
	__u32 dynamic_count; /* run-time sets among them */
	__u32 host_count; /* host names in them */
	struct ks_index set_index;
	unsigned long stamp; /* lists so far, see ks_ast_take_set() */
	struct ks_ast_rule *rules;
	size_t rule_count;
	struct ks_ast_rule *assertions; /* of all tests */
	size_t assertion_count;
	struct ks_ast_protect *protects, *protects_last; /* in the order of the text (policy/protect_internal.h) */
	struct ks_place *settings; /* by index in ks_settings: where it was given, line 0 if not */
};

#endif
