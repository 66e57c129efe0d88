/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiling the tree (compile.c), and what its parts share with addresses.c and
 * compile_nat.c: the tables while they grow. Sets and targets grow in the
 * policy itself, the entries of each list in an array of their own until all
 * are known. A struct ks_compiler lives during ks_compile().
 */
#ifndef KS_POLICY_COMPILE_H
#define KS_POLICY_COMPILE_H

#include "policy/ast.h"
#include "policy/index.h"
#include "policy/parse.h"

/* The entries of one list, and the rule of the text that each is of. */
struct ks_compiled_list {
	struct ks_rule *rules;
	__u32 *infos;
	__u32 count;
	size_t room, info_room;
};

struct ks_compiler {
	struct ks_parser *p;
	struct ks_policy *policy;
	size_t set_room, range_room, target_room, limit_room, condition_room, effect_room;
	struct ks_compiled_list lists[KS_LIST_MAX];
	struct ks_index sets, conditions; /* by content */
};

/* Fills the tables of a policy without errors. Returns 0, -EINVAL after a complaint, or -ENOMEM. */
int ks_compile(struct ks_parser *p);

/* Room for `more` elements behind `count`. Returns 0 or -ENOMEM. */
int ks_compile_reserve(void *arrayp, size_t *room, size_t count, size_t more, size_t size);

/* The set with this content, made if there is none. Returns 0, -ENOMEM or -ENOSPC. */
int ks_compile_set(struct ks_compiler *c, const struct ks_merged *merged, __u32 *set);

/* Complains that sets have too many ranges (-ENOSPC), or notes the lack of memory. */
int ks_compile_too_many(struct ks_compiler *c, const struct ks_place *place, int err);

/* The set that follows a zone's interfaces, made if there is none (policy/addresses.c). Returns 0, -EINVAL or -ENOMEM. */
int ks_compile_address_set(struct ks_compiler *c, const struct ks_match *match, __u32 *set);

/* Appends an entry to a list. Returns 0, -EINVAL after a complaint, or -ENOMEM. */
int ks_compile_entry(struct ks_compiler *c, enum ks_list list, const struct ks_rule *entry, size_t info);

/* Appends a target. Returns 0, -ENOMEM, or -EFBIG (policy/compile_nat.c, as the following). */
int ks_compile_target(struct ks_compiler *c, const struct ks_target *target);
int ks_compile_targets(struct ks_compiler *c, const struct ks_ast_rule *rule, unsigned family, struct ks_rule *entry);
int ks_compile_binat(struct ks_compiler *c, const struct ks_ast_rule *rule, size_t info);

/* Makes the other way round of an entry that forwards to one address, if it has one (KS_LIST_OWN). */
int ks_compile_own(struct ks_compiler *c, const struct ks_ast_rule *rule, const struct ks_rule *entry, size_t info);

/* The word that keeps the checksum when an address of prefix `from` gets prefix `to` (RFC 6296 3.1). Host order. */
__u16 ks_npt_adjust(const __u64 from[2], const __u64 to[2]);

#endif
