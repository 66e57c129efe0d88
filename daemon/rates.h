/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many bytes a second flows carry. A flow has counts only, and a rate needs two moments: here is what each slot had counted
 * when it was looked at before, 20 bytes for each slot of the table (which has 136 for it), and only while somebody asks: ten
 * seconds after the last one the memory is free again. Nothing runs by itself; those who look through the table for a client
 * (api/states.c) note what they see on the way.
 *
 * The table is looked through a chunk at a time, and each chunk has its moment. A chunk that was seen less than
 * KS_RATES_LEAST ago is not noted again, so any number of clients see the same rates.
 */
#ifndef KS_DAEMON_RATES_H
#define KS_DAEMON_RATES_H

#include <stdbool.h>

#include "core/table/table.h"

#define KS_RATES_CHUNK 1024U /* buckets */
#define KS_RATES_LEAST (9 * KS_NSEC_PER_SEC / 10)
#define KS_RATES_PATIENCE (10 * KS_NSEC_PER_SEC) /* until the memory is freed */

struct ks_rate_cell {
	__u32 low[2]; /* of the count, modulo 2^40: this, ... */
	float rate[2]; /* bytes a second */
	__u8 high[2]; /* ... and these bits above it */
	__u16 identity; /* of the flow, by its key and birth; 0: none was seen */
};

_Static_assert(sizeof(struct ks_rate_cell) == 20, "the cost that is documented");

struct ks_rate_moment {
	__u64 time; /* of the counts, 0: never */
	__u64 span; /* from the moment before, 0: there was none */
};

/* All zeroes: nobody asks. */
struct ks_rates {
	struct ks_rate_cell *cells; /* by slot */
	struct ks_rate_moment *moments; /* by chunk */
	const struct ks_bucket *table; /* that they are of */
	__u32 buckets;
	__u64 asked; /* when somebody did last */
	/* of the chunk that is being looked through */
	struct ks_rate_moment moment;
	__u64 before; /* the time of its counts */
	bool renew;
};

/* Notes that somebody asks for rates of this table. Returns 0 or -ENOMEM. */
int ks_rates_want(struct ks_rates *rates, const struct ks_bucket *table, __u32 buckets, __u64 now);

/* Frees the memory if nobody has asked for long. To be called each second. */
void ks_rates_tick(struct ks_rates *rates, __u64 now);
void ks_rates_fini(struct ks_rates *rates);

/* Begins to look through the chunk of a bucket. Returns the time that its rates are of, ns; 0: there are none yet. */
__u64 ks_rates_begin(struct ks_rates *rates, __u32 bucket, __u64 now);

/*
 * Returns true if a walk of the whole table that begins now will have rates in each chunk. One that broke off before leaves a table of
 * which a part has been seen.
 */
bool ks_rates_are_whole(const struct ks_rates *rates, __u64 now);

/* Looks at the flow of a slot in that chunk: gives its rates, 0 without any. */
void ks_rates_see(struct ks_rates *rates, __u32 id, const struct ks_slot *slot, __u64 rate[2]);

/* Gives the rates of a slot as they were when its flow was looked at last. Returns false if it was not. */
bool ks_rates_at(const struct ks_rates *rates, __u32 id, const struct ks_slot *slot, __u64 rate[2]);

#endif
