/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Saved states: a file with the flows of a table and what belongs to them, for the next start.
 *
 * Overview. The file has a form of its own (form.h), so that it carries states from any build to any other: numbers of zones,
 * rules, states, helpers and classes are named in it, every field is written by itself, times are ages. A checksum is over all.
 *
 * Life cycle. ks_saved_write() reads a table, which may be in use, and writes the file. ks_saved_open() takes the bytes of a
 * file if they are whole and right, every one of them; ks_saved_restore() puts what still counts into another table.
 *
 *   form.h      the form, and its limits        names.c    numbers of this build and names
 *   fields.c    the fields of each entry        collect.c  entries of a table
 *   write.c     into a file                     read.c     from the bytes of one
 *   restore.c   into a table                    judge.c    what the policy allows still
 *   moment.c    the time between
 *
 * Left out: datagrams in fragments, which live for seconds; where in a line a helper's scanner stood, and which expectations it
 * made: it begins with the next line, and those go by themselves.
 */
#ifndef KS_SAVED_SAVED_H
#define KS_SAVED_SAVED_H

#include <stdio.h>

#include "core/table/table.h"
#include "engine/transplant.h"
#include "policy/adopt.h"
#include "policy/policy.h"
#include "text/scoped.h"

#define KS_SAVED_BOOT_ID 16

/* The moment at which states were saved, by two clocks. The second runs on in sleep, and begins anew with each boot. */
struct ks_saved_moment {
	__u64 wall; /* ms since the epoch */
	__u64 boottime; /* ms */
	__u8 boot[KS_SAVED_BOOT_ID]; /* the kernel's random id of the boot */
	bool quiet; /* no packet could pass any more: what is translated cannot have moved since */
};

/* Reads the clocks. */
void ks_saved_now(struct ks_saved_moment *moment);

/* The time from one moment to another, ms; a lower bound where the wall clock was set back: the time since the boot. */
__u64 ks_saved_elapsed(const struct ks_saved_moment *from, const struct ks_saved_moment *to);

/*
 * An entry as it is saved. `of` is laid out as in the table, but: `seen` is how long ago that was, ms, `created` the same in s;
 * zones, rules and links are by the numbers of the file; slot ids are 0. A record has its key and itself in of.key and of.flow.
 */
struct ks_saved_entry {
	struct ks_transplant of;
	struct ks_flow_key control; /* of an expectation: the key of its control connection */
};

/* A table to be saved. */
struct ks_saved_table {
	const struct ks_bucket *buckets;
	__u32 count; /* of buckets */
	__u64 now; /* on the table's clock, ns */
	const struct ks_ids *ids; /* the names of its zones, the texts of its rules */
	__u64 deadline; /* on the monotonic clock, ns: it is given up then; 0: never */
};

/* Writes a file. Sets *flows to how many it has. Returns 0, -ETIME, or -errno: the stream has a part of it then. */
int ks_saved_write(FILE *out, const struct ks_saved_table *table, const struct ks_saved_moment *moment, __u64 *flows);

#define KS_SAVED_ERROR 160

struct ks_saved;

/*
 * Takes the bytes of a file, which must outlive it. Every entry is looked at before. Returns 0, -ENOMEM, or -EBADMSG with a
 * sentence in `error`: nothing of the file counts then.
 */
int ks_saved_open(const void *bytes, size_t size, struct ks_saved **saved, char error[KS_SAVED_ERROR]);
void ks_saved_close(struct ks_saved *saved);

KS_SCOPED(ks_auto_saved, struct ks_saved *, ks_saved_close)
#define ks_auto_saved ks_scoped(ks_auto_saved)

const struct ks_saved_moment *ks_saved_moment(const struct ks_saved *saved);

/* The name of a zone and the text of a rule by their numbers in the file; NULL for a number without one. */
const char *ks_saved_zone(const struct ks_saved *saved, unsigned number);
const char *ks_saved_rule(const struct ks_saved *saved, unsigned number);

/*
 * Calls fn for every entry until it returns nonzero; returns that, or 0. Entries of kinds, states, helpers or classes that this
 * build does not know are left out; ks_saved_unknown() counts them.
 */
int ks_saved_each(const struct ks_saved *saved, int (*fn)(const struct ks_saved_entry *entry, void *arg), void *arg);
__u64 ks_saved_unknown(const struct ks_saved *saved);

/* X(identifier, name in the API, text): what became of a flow that was saved. */
#define KS_SAVED_FATES(X)                                                 \
	X(TAKEN, "taken", "taken back")                                   \
	X(EXPIRED, "expired", "their time was over")                      \
	X(ZONE, "zone", "of zones that the policy does not have")         \
	X(DENIED, "denied", "that the policy does not allow")             \
	X(ROOM, "no_room", "there was no room, or their place was taken") \
	X(UNKNOWN, "unknown", "of a kind that this version of Keepstate does not know")

enum ks_saved_fate {
#define X(id, name, text) KS_SAVED_##id,
	KS_SAVED_FATES(X)
#undef X
		KS_SAVED_FATE_MAX
};

const char *ks_saved_fate_name(enum ks_saved_fate fate);
const char *ks_saved_fate_text(enum ks_saved_fate fate);

/* The number of a file's entries by what became of them. */
struct ks_saved_outcome {
	__u64 elapsed; /* since they were saved, ms */
	__u64 flows[KS_SAVED_FATE_MAX];
	__u64 records[KS_SAVED_FATE_MAX]; /* mappings, expectations and the like */
};

/*
 * Puts the entries of a file that still count into a table: an engine on it, whose tables are those of `policy`, and whose
 * clock is set. Returns 0 or -ENOMEM: nothing was put there then.
 */
int ks_saved_restore(const struct ks_saved *saved, const struct ks_saved_moment *now, struct ks_engine *engine,
		     const struct ks_policy *policy, struct ks_saved_outcome *outcome);

#endif
