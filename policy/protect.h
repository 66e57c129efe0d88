/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `protect ZONE [ { ITEM [VALUE | off], ... } ]`: what else is refused of the packets that come from a zone (core/protect.h).
 * Items, defaults, and what they mean in words stand in one table.
 */
#ifndef KS_POLICY_PROTECT_H
#define KS_POLICY_PROTECT_H

#include "policy/parse.h"

/* Reads the statement behind its keyword. Returns 0, -ENOMEM, or -EINVAL after a complaint. */
int ks_parse_protect(struct ks_parser *p);

/* Looks up zones and sets; complains. */
void ks_protect_check(struct ks_parser *p);

/* Fills in what needs the tables of sets. */
void ks_protect_compile(struct ks_parser *p);

/* Prints the statements, each followed by what it means as comments. */
void ks_protect_print(const struct ks_policy *policy, FILE *out);

/* "trace route" of an enum ks_protect_item. */
const char *ks_protect_name(unsigned item);

/* Continues "refused is". */
const char *ks_protect_means(unsigned item);

/* The item by which a zone is protected from packets that are refused with a reason, -1 if there is none. */
int ks_protect_item_of(unsigned reason);

/* "record-route" of an enum ks_ip_option. */
const char *ks_ip_option_name(unsigned option);

/* Reads names of IP options, a bit each; `what` says in a complaint what one is. Prints them with commas between. */
int ks_parse_ip_options(struct ks_parser *p, const char *what, __u8 *options);
void ks_print_ip_options(__u8 options, FILE *out);

#endif
