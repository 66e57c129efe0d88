/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The condition `cgroup` of rules: control groups whose processes have made the socket of the box that sends a packet.
 *
 * A policy has a list of the groups that its rules name, numbered from 1 on. A packet is of one of them at most for the rules: of
 * the deepest above its socket's; 0 is none of the list. What a rule asks for is a bit for each number, those of the groups below
 * among them (core/match.h).
 */
#ifndef KS_POLICY_CGROUP_H
#define KS_POLICY_CGROUP_H

#include <stdio.h>

#include "policy/compile.h"
#include "policy/parse.h"
#include "policy/policy.h"

struct ks_ast_conditions;

/* The paths as they are written, below the root of the groups, without slashes around them; sorted, each once. */
struct ks_ast_cgroups {
	const char **paths;
	size_t count;
};

/* Returns the path without slashes around it, NULL if it can name no group. The text is shortened in place. */
const char *ks_cgroup_path(char *text);

/* Reads what stands behind the word. Returns 0 or -errno. */
int ks_read_cgroup(struct ks_parser *p, struct ks_ast_conditions *conditions);

void ks_cgroups_print(const struct ks_ast_cgroups *cgroups, FILE *out);

/* Finds or makes the numbers of the paths: a bit for each. Returns 0, -EINVAL after a complaint, or -ENOMEM. */
int ks_cgroups_compile(struct ks_compiler *c, const struct ks_ast_conditions *conditions, __u64 *numbers);

/* When the list is whole: rules that ask for a group ask for those below it, too. */
void ks_cgroups_spread(struct ks_policy *policy);

/* Returns true if a group is another one, or is below it. */
bool ks_cgroup_is_in(const char *path, const char *other);

/* The number of the deepest group of the list that a path is in, 0 without one. */
__u8 ks_cgroup_number(const struct ks_policy *policy, const char *path);

#endif
