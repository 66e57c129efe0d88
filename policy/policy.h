/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A loaded policy: the tables that the core reads, and beside them what people
 * want to see: names, places in the text, labels, tests. ks_policy_load() makes
 * it, ks_policy_destroy() frees it. Between them it changes in two ways only:
 * before it is in force it gets the ids of the policy before it (adopt.h), and
 * its sets of own addresses are filled again (ks_policy_set_addresses()).
 */
#ifndef KS_POLICY_POLICY_H
#define KS_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/rules.h"
#include "core/tree.h"
#include "text/scoped.h"

/* A place in the text. */
struct ks_place {
	const char *file; /* owned by the policy */
	unsigned line, column; /* from 1 */
};

/* The kinds of rules. */
enum ks_statement {
	KS_STATEMENT_RULE, /* allow, deny, reject, bypass */
	KS_STATEMENT_FORWARD,
	KS_STATEMENT_REDIRECT,
	KS_STATEMENT_NAT,
	KS_STATEMENT_BINAT,
	KS_STATEMENT_NPTV6,
	KS_STATEMENT_HELPER,
};

/* One rule of the text; several table entries may share its id. */
struct ks_rule_info {
	__u32 id; /* kept over reloads, see policy/adopt.h */
	struct ks_place place;
	char *text; /* normal form, one line, without log and label */
	char *identity; /* the same without the numbers of its limits: by this it keeps its id over a reload */
	char *label; /* NULL without one */
	__u8 statement; /* enum ks_statement */
	__u8 action; /* the verdict on a packet; KS_ALLOW for nat, binat, nptv6 and helper */
	bool log;
	bool staged; /* it decides nothing yet (core/staged.h) */
};

/* A network of a zone, for homes without routes: tests, explain of a file, replay. */
struct ks_prefix {
	struct ks_addr addr;
	__u8 family;
	__u8 length; /* bits */
};

struct ks_zone {
	char *name;
	__u8 id; /* KS_ZONE_FIRST... */
	struct ks_place place;
	char **interfaces; /* names; a trailing '*' matches any rest */
	size_t interface_count;
	struct ks_prefix *networks; /* `network` part of a zone: for homes without routes. Also in config.network */
	size_t network_count;
	struct ks_prefix address[2]; /* `address` part: IPv4, IPv6; family 0 without one. Also in config.address */
	__u8 (*macs)[6]; /* `mac` part of a zone: for replay only */
	size_t mac_count;
	bool antispoof; /* sources are checked against the routes; false with `antispoof off`. Also in config.antispoof */
	struct ks_place protect; /* where `protect` of it stands, line 0 without; config.protection has what it says */
	const char *scan_into, *scan_except; /* the sets of its `port scan`, NULL without */
	__u8 challenge; /* enum ks_challenge_mode. Also in config.challenge_always and challenge_never */
	__u16 mss, mtu; /* 0 without. Also in config.mss and config.mtu */
};

#define KS_HOST_NAME_MAX 253 /* letters of a host name */
#define KS_HOSTS_MAX 256 /* host names in the sets of a policy */

/* A host name in a set: what it resolves to is in the set while the policy is in force (daemon/hosts.h). */
struct ks_set_host {
	const char *name;
	const struct ks_prefix *answers; /* behind `is`: they count without a resolver, and before its first answer */
	size_t answer_count;
};

/* A named set, and its index in the tables. */
struct ks_set_info {
	char *name;
	struct ks_place place;
	__u32 set; /* index in ks_policy.sets */
	bool ports;
	bool dynamic; /* a run-time set */
	__u32 number; /* of config.dynamic, where its limit and timeout are */
	const struct ks_prefix *initial; /* the entries that stand in the text, without host bits */
	size_t initial_count;
	size_t fixed_count; /* of these that are no answers of hosts: they stand first */
	const struct ks_set_host *hosts;
	size_t host_count;
};

/*
 * A set of what follows the interfaces of a zone: their addresses, their networks, or hosts in them. It is filled with the
 * `address` or the `network` entries of the zone at first, and again when the interfaces have others, so its ranges have
 * room for more.
 */
#define KS_ADDRESS_SET_MAX 64 /* ranges of each family */
#define KS_SUFFIXES_MAX 64 /* of one condition */

enum ks_own_kind {
	KS_OWN_ADDRESS, /* address of ZONE */
	KS_OWN_NETWORK, /* network of ZONE */
	KS_OWN_SUFFIX, /* suffix ::10/64 of ZONE */
};

struct ks_address_set {
	__u8 zone; /* id */
	__u8 kind; /* enum ks_own_kind */
	__u32 set; /* index in ks_policy.sets */
	const struct ks_prefix *suffixes; /* `length` bits of each come from the interface */
	size_t suffix_count;
};

struct ks_test; /* policy/scenario/scenario.h */

/* A warning that the policy was loaded with, for who looks at it later. */
struct ks_policy_warning {
	struct ks_place place;
	char *message;
};

struct ks_policy {
	struct ks_config config;
	struct ks_rule *rules;
	struct ks_set *sets;
	struct ks_range *ranges;
	struct ks_target *targets; /* config.targets of them */
	struct ks_limit *limits; /* config.limits of them, by the ids of their rules */
	struct ks_tree_page *tree; /* for config.tree_nodes (policy/tree.h) */
	__u32 tree_compared; /* rules that a packet may have to be compared with, at most, where a list has trees */
	struct ks_conditions *conditions; /* config.conditions of them; the first is none */
	struct ks_calendar *calendars; /* config.schedules of them (policy/calendar.h) */
	const char **cgroups; /* paths of config.cgroups of them (policy/cgroup.h) */
	struct ks_effects *effects; /* config.effects of them, by the ids of their rules */

	struct ks_rule_info *infos; /* in the order of the text */
	size_t info_count;
	__u32 *rule_info; /* per table entry: index into infos */
	__u32 *id_info; /* per id below id_count: index into infos + 1, 0 for none */
	size_t id_count;
	struct ks_set_info *set_infos; /* in the order of the text */
	size_t set_info_count;
	struct ks_zone *zones;
	size_t zone_count;
	char **ignores; /* interfaces that are left alone, as in ks_zone.interfaces */
	size_t ignore_count;
	struct ks_address_set *address_sets; /* one for each that a condition names */
	size_t address_set_count;
	struct ks_test *tests;
	size_t test_count;
	char **test_texts; /* normal form of each test block */
	size_t test_text_count;
	struct ks_policy_warning *warnings; /* in the order of the text */
	size_t warning_count;

	char *path; /* the main file as named */
	void *arena; /* strings and whatever else the loader owns */
};

/* One complaint. Errors stop the load; warnings do not. */
struct ks_diag {
	struct ks_place place; /* its file name belongs to the complaint */
	bool warning;
	bool note; /* of a warning: nothing is wrong */
	char *message; /* says what is wrong and what would be right */
	char *excerpt; /* the line of text */
};

struct ks_diags {
	struct ks_diag *list;
	size_t count;
	size_t errors;
};

/*
 * Loads a policy from a file ("-" for standard input) with everything it
 * includes. Returns 0, -EINVAL with the complaints in diags, or another
 * -errno. diags is always initialised and may hold warnings on success.
 */
int ks_policy_load(const char *path, struct ks_policy **policy, struct ks_diags *diags);

/*
 * The same from text in memory; `name` stands for the file in messages;
 * relative includes start at `dir` ("." for the working directory). With a
 * NULL dir the text may not name files at all.
 */
int ks_policy_load_text(const char *text, size_t length, const char *name, const char *dir, struct ks_policy **policy,
			struct ks_diags *diags);

/* Keeps the complaints about a policy that is good, which are warnings, for who looks at it later. Returns 0 or -ENOMEM. */
int ks_policy_keep_warnings(struct ks_policy *policy, const struct ks_diags *diags);

void ks_policy_destroy(struct ks_policy *policy);
void ks_diags_fini(struct ks_diags *diags);

KS_SCOPED(ks_auto_policy, struct ks_policy *, ks_policy_destroy)
KS_SCOPED_STRUCT(ks_auto_diags, struct ks_diags, ks_diags_fini)
#define ks_auto_policy ks_scoped(ks_auto_policy)
#define ks_auto_diags ks_scoped(ks_auto_diags)

/* "error", "warning" or "note". */
const char *ks_diag_severity(const struct ks_diag *diag);

/* Prints complaints as file:line:column: error: message, the line, and a caret. */
void ks_diags_print(const struct ks_diags *diags, FILE *out, bool colour);

/* Prints the normal form: text that loads to the same policy. */
void ks_policy_print(const struct ks_policy *policy, FILE *out);

/* Name of a zone id ("self", "none", "?" if unknown), or the id of a name (-ENOENT). */
const char *ks_policy_zone_name(const struct ks_policy *policy, unsigned id);
int ks_policy_zone_id(const struct ks_policy *policy, const char *name);

/*
 * The zone of an interface: that of the longest pattern that matches its name, or KS_ZONE_NONE. An exact name counts as
 * longer than any pattern. *ignored (may be NULL) is set if the longest pattern is one of `ignore`; lo is always ignored.
 */
__u32 ks_policy_interface_zone(const struct ks_policy *policy, const char *name, bool *ignored);

/* The zone that addresses of no network belong to: the one named `wan`, else `outside`, else KS_ZONE_NONE. */
__u32 ks_policy_outside(const struct ks_policy *policy);

/* Makes the core's form of a prefix. */
void ks_network_make(const struct ks_prefix *prefix, unsigned zone, struct ks_network *network);

/* Adds a network of a zone to the tables (core/network.h). Of equal networks the one added last counts. Returns 0 or -ENOSPC. */
int ks_config_add_network(struct ks_config *config, const struct ks_network *network);

/* Finds which zones are outside, when all networks were added. `outside` is one in any case. */
void ks_config_set_outside(struct ks_config *config, unsigned outside);

/*
 * Adds warnings about rules that most people need: one that lets the box ask, and one that lets its administrator in.
 * Returns 0 or -ENOMEM.
 */
int ks_policy_advise(const struct ks_policy *policy, struct ks_diags *diags);

/*
 * Complains about a policy without zones, which no firewall can mean: an empty file, or one that was cut off. Returns 0,
 * -EINVAL after an error, or -ENOMEM.
 */
int ks_policy_require_zones(const struct ks_policy *policy, struct ks_diags *diags);

/* An address of the firewall, and the network around it. */
struct ks_own_address {
	struct ks_addr addr;
	struct ks_prefix network; /* family 0 if there is none */
	__u8 family;
};

/*
 * Fills the sets that follow the interfaces of a zone, if the policy has any. Ranges of a family beyond KS_ADDRESS_SET_MAX
 * are left out. Returns true if one changed: homes that copied the tables need them again.
 */
bool ks_policy_set_addresses(struct ks_policy *policy, unsigned zone, const struct ks_own_address *list, size_t count);

/* The run-time set of a name, NULL if there is none. */
const struct ks_set_info *ks_policy_dynamic(const struct ks_policy *policy, const char *name);

/* "ftp" of an enum ks_helper_id. */
const char *ks_helper_name(unsigned helper);

/* The word that a rule begins with: "allow", "forward", "nat", ... */
const char *ks_rule_verb(const struct ks_rule_info *info);

/* The rule of an id; NULL for the default deny and for ids that are gone. */
const struct ks_rule_info *ks_policy_rule(const struct ks_policy *policy, __u32 id);

#endif
