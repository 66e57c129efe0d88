/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The run-time sets of a home (core/members.h): which memory each has, by its number in the policy, and what a reload makes of them.
 * A set is known by its name. Natively its memory is the process's own, in the kernel a map (kernel/sets.c).
 *
 * Reload. ks_set_store_prepare() makes the store of the next policy: a set of the same name keeps its memory, unless that is too
 * small for its new limit; then it is copied. Nothing of the old store changes until ks_set_store_commit(), which is called when
 * the next policy is in force: it copies what packets have added meanwhile, gives every set the entries that the
 * policy's text has now, takes away those that it had, and frees what no set has any more.
 * ks_set_store_abandon() undoes a preparation.
 */
#ifndef KS_ENGINE_SET_STORE_H
#define KS_ENGINE_SET_STORE_H

#include "core/members.h"
#include "engine/engine.h"
#include "policy/parse.h"
#include "policy/policy.h"

/* Where memory for sets comes from. */
struct ks_set_memory_ops {
	/* Makes `pages` pages of zeros; *fd is -1, or what must be kept with them. Returns 0 or -errno. */
	int (*make)(__u32 pages, struct ks_member_memory *memory, int *fd);
	void (*unmake)(struct ks_member_memory *memory, int fd);
};

/* Memory of the process's own. */
extern const struct ks_set_memory_ops ks_set_memory_native;

struct ks_stored_set {
	char name[KS_NAME_MAX + 1];
	struct ks_member_memory memory;
	int fd;
	bool is_shared; /* with the store before, until the commit */
	bool is_made; /* the store before had no set of the name */
};

struct ks_set_store {
	const struct ks_set_memory_ops *ops;
	struct ks_stored_set set[KS_DYNAMIC_MAX]; /* by number */
	__u32 count;
};

void ks_set_store_init(struct ks_set_store *store, const struct ks_set_memory_ops *ops);
void ks_set_store_fini(struct ks_set_store *store);

KS_SCOPED_STRUCT(ks_auto_set_store, struct ks_set_store, ks_set_store_fini)
#define ks_auto_set_store ks_scoped(ks_auto_set_store)

/* The steps of a reload; `now` is on the packet clock. Returns 0 or -errno. */
int ks_set_store_prepare(const struct ks_set_store *store, const struct ks_policy *policy, __u64 now,
			 struct ks_set_store *next);
void ks_set_store_abandon(struct ks_set_store *next);
void ks_set_store_commit(struct ks_set_store *store, struct ks_set_store *next, const struct ks_policy *policy,
			 __u64 now);

/* All three: for homes of one thread. */
int ks_set_store_adopt(struct ks_set_store *store, const struct ks_policy *policy, __u64 now);

/* Empties all sets, to what the policy's text says. Returns 0 or -ENOMEM. */
int ks_set_store_reset(struct ks_set_store *store, const struct ks_policy *policy, __u64 now);

/* The set of a name, NULL if there is none. */
struct ks_stored_set *ks_set_store_find(struct ks_set_store *store, const char *name);

/* Lets an engine that judges by this policy look its run-time sets up in the store, which must outlive that. */
void ks_engine_use_sets(struct ks_engine *engine, struct ks_set_store *store, const struct ks_policy *policy);

/* --- one set --- */

/* Makes an empty set of memory that is zeros: a head with a secret of its own. Returns 0 or -errno. */
int ks_members_init(const struct ks_member_memory *memory);

/* Returns true if memory that another process made is a set as this build knows it. */
bool ks_members_are_valid(const struct ks_member_memory *memory);

/*
 * Gives back the slots that a process held when it was killed. An entry that was being renewed stays; one that came or went is
 * gone, and the set may count one too many. Only without another process that changes the set.
 */
void ks_members_mend(const struct ks_member_memory *memory);

/*
 * Gives the core's functions (core/members.h) access to the memory of a set, as set 0, whose limit and timeout are in
 * `settings` (NULL: they are not asked). Ended by ks_engine_destroy(). Returns 0 or -ENOMEM.
 */
int ks_members_open(const struct ks_member_memory *memory, __u64 now, const struct ks_dynamic *settings,
		    struct ks_engine **engine);

typedef int ks_member_fn(const struct ks_member *member, void *arg);

/*
 * Calls fn with a consistent copy of every living entry until it returns nonzero; returns that, or 0. Begins at page *page (1
 * at first) and ends after `pages` of them; the next one is left in *page.
 */
int ks_members_each_from(const struct ks_member_memory *memory, __u64 now, __u32 *page, __u32 pages, ks_member_fn *fn,
			 void *arg);
int ks_members_each(const struct ks_member_memory *memory, __u64 now, ks_member_fn *fn, void *arg);

/* Counts the entries that live, without those that have expired and are not swept yet: 3 ms for a million. */
__u32 ks_members_living(const struct ks_member_memory *memory, __u64 now);

/* Returns true if the set has an entry of exactly this prefix, and it lives. */
bool ks_members_have(const struct ks_member_memory *memory, const struct ks_prefix *prefix, __u64 now);

/* Frees entries that have expired, at once. */
void ks_members_sweep(const struct ks_member_memory *memory, struct ks_engine *engine, __u64 now);

/* Removes all entries. Returns how many there were, or -ENOMEM. */
long ks_members_flush(const struct ks_member_memory *memory, __u64 now);

/* The entry of exactly this prefix, living or not; NULL without one. */
struct ks_member *ks_members_get(const struct ks_member_memory *memory, const struct ks_prefix *prefix);

/* Gives a set the entries of the policy's text: adds what is missing, and takes away what it had and has no more. */
int ks_members_follow(const struct ks_member_memory *memory, const struct ks_set_info *info, __u32 limit, __u64 now);

/* Fills in the prefix of an entry. */
void ks_member_entry_make(const struct ks_prefix *prefix, struct ks_member_entry *entry);

#endif
