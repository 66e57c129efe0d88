/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps that change run-time sets, and look at them; see set_step.h. */
#include "scenario/set_step.h"

#include <errno.h>
#include <stdio.h>

#include "engine/set_store.h"
#include "text/plural.h"

static int member_add(struct ks_env *env, const struct ks_step *step, struct ks_step_result *result)
{
	struct ks_member_entry entry;
	__u32 added;

	ks_member_entry_make(&step->prefix, &entry);
	ks_set_complete(env, &entry, step->number);
	added = ks_member_add(env, &entry);
	if (added == KS_MEMBER_ADDED || added == KS_MEMBER_RENEWED)
		return 0;
	snprintf(result->got, sizeof(result->got), "the set '%s' is full: it has %u entr%s", step->path, entry.limit,
		 entry.limit == 1 ? "y" : "ies");
	return -EINVAL;
}

static int member_remove(struct ks_env *env, const struct ks_step *step, struct ks_step_result *result)
{
	struct ks_member_entry entry;

	ks_member_entry_make(&step->prefix, &entry);
	if (ks_member_remove(env, &entry))
		return 0;
	snprintf(result->got, sizeof(result->got), "the set '%s' has no such entry", step->path);
	return -EINVAL;
}

static const struct ks_stored_set *step_set(const struct ks_home *home, const struct ks_step *step, __u64 *now,
					    struct ks_step_result *result)
{
	const struct ks_stored_set *set = ks_set_store_find(home->ops->sets(home->self, now), step->path);

	if (!set)
		snprintf(result->got, sizeof(result->got), "the policy in force has no set '%s'", step->path);
	return set;
}

int ks_set_step_run(const struct ks_home *home, const struct ks_policy *policy, const struct ks_step *step,
		    struct ks_step_result *result)
{
	const struct ks_set_info *info = ks_policy_dynamic(policy, step->path);
	ks_auto_engine struct ks_engine *engine = NULL;
	const struct ks_stored_set *set;
	__u64 now;
	long err;

	set = step_set(home, step, &now, result);
	if (!set || !info)
		return -EINVAL;
	if (step->change == KS_SET_FLUSH) {
		err = ks_members_flush(&set->memory, now);
		return err < 0 ? (int)err : 0;
	}
	err = ks_members_open(&set->memory, now, &policy->config.dynamic[info->number], &engine);
	if (err)
		return (int)err;
	if (step->change == KS_SET_REMOVE)
		return member_remove(ks_engine_env(engine), step, result);
	return member_add(ks_engine_env(engine), step, result);
}

static int member_count(const struct ks_member *member, void *arg)
{
	++*(__u64 *)arg;
	return 0;
}

int ks_set_expect_run(const struct ks_home *home, const struct ks_step *step, struct ks_step_result *result)
{
	__u64 now, count = 0;
	const struct ks_stored_set *set = step_set(home, step, &now, result);

	if (!set)
		return -EINVAL;
	ks_members_each(&set->memory, now, member_count, &count);
	snprintf(result->expected, sizeof(result->expected), "%llu", step->number);
	snprintf(result->got, sizeof(result->got), "%llu", count);
	result->outcome = count == step->number ? KS_OUTCOME_OK : KS_OUTCOME_FAILED;
	return 0;
}
