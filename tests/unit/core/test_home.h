/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A home of the core made for tests: all that core/env.h asks for is plain
 * memory that a test may look at and change, and a hook is called before a
 * bucket is given out, so that a test can play the other CPU at that
 * very moment.
 */
#ifndef KS_TESTS_UNIT_CORE_TEST_HOME_H
#define KS_TESTS_UNIT_CORE_TEST_HOME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/header/checksum.h"
#include "core/env.h"
#include "core/answer.h"
#include "core/challenge.h"
#include "core/flood.h"
#include "core/nat/port.h"
#include "core/port_scan.h"
#include "core/table/ended.h"
#include "core/table/flow_event.h"
#include "core/table/table.h"
#include "core/event.h"
#include "core/inspect.h"
#include "core/members.h"

#include "tests/unit/core/frame.h"

#define TEST_RULES 16
#define TEST_HELD 8
#define ZONE_LAN (KS_ZONE_FIRST)
#define ZONE_WAN (KS_ZONE_FIRST + 1)

struct ks_env {
	struct ks_config config;
	const struct ks_rule *rules;
	const struct ks_set *sets;
	const struct ks_range *ranges;
	const struct ks_target *targets;
	const struct ks_limit *limits;
	const struct ks_conditions *conditions;
	const struct ks_effects *effects;
	__u32 mark; /* of packets */
	struct ks_table_shape shape;
	struct ks_table_counts counts;
	struct ks_bucket *buckets;
	__u32 zone_to;
	__u16 used_port; /* host order: the box listens on it */
	__u32 random;
	struct frame *frame; /* the one being inspected, where it may be changed */
	bool checksum_ok;
	__u64 held[TEST_HELD]; /* fragments that wait, by the hash of their datagram */
	__u32 held_count, released, forgotten;
	__u32 ended; /* flows whose end was told by env_count_flow() */
	struct ks_budget budgets[KS_BUDGETS];
	struct ks_shortage shortages[KS_SHORTAGES];
	struct ks_answers answers;
	struct ks_challenges challenges;
	struct ks_challenge_set challenge_sets[KS_CHALLENGE_SETS];
	struct ks_ended_set ended_sets[KS_ENDED_SETS];
	struct ks_flood_set floods[KS_FLOOD_SETS];
	struct ks_scan_set scans[KS_SCAN_SETS];
	__u32 reasons[KS_REASON_MAX];
	__u32 matches[TEST_RULES]; /* by rule id */
	__u32 events;
	__u32 told[KS_EVENT_KINDS]; /* events of flows */
	__u32 ends[KS_END_MAX]; /* those of their ends, by why */
	struct ks_flow_event told_last;
	__u32 born_closed; /* flows that a test has inserted in a closed state: their end is told by nobody */
	bool nobody_asks; /* for events of flows */
	bool is_shared; /* by threads: told_last is not written */
	__u8 transcript[KS_TRANSCRIPT_MAX];
	struct ks_member_page *members; /* of run-time set 0, `member_pages` of them; NULL without one */
	__u32 member_pages;
	__u64 now;
	void (*on_bucket)(struct ks_env *env, __u32 index);
};

#define test_tag(env, bucket, slot) (ks_tags_edit((env)->buckets, (env)->shape.buckets, (bucket))->tag[slot])

/* An empty table of `buckets` buckets, defaults for the rest, no rules. */
struct ks_env *test_env_create(__u32 buckets);
void test_env_destroy(struct ks_env *env);

/* A rule that allows everything, id 1. */
extern const struct ks_rule test_allow_all;

/* Translates the sources of zone lan to the target. `rules` become those of the policy: the filter's, which allows all, and the source list's. */
void test_env_translate(struct ks_env *env, struct ks_rule rules[2], const struct ks_target *target);

/* Inspects the frame as the home would; *in is the outcome. `from` and `to` are zones. */
__u32 test_inspect(struct ks_env *env, const struct frame *f, __u8 from, __u8 to, __u64 now,
		   struct ks_inspection *insp);

/* Asks express about it (core/express.h): returns true if it may go on. */
bool test_express(struct ks_env *env, const struct frame *f, __u8 from, __u64 now, struct ks_inspection *insp);

/* Asks the front about it (core/front.h): returns true if that refuses it. */
bool test_front(struct ks_env *env, const struct frame *f, __u8 from, __u8 to, __u64 now, struct ks_inspection *insp);

/* Parses the frame alone. `captured`: bytes given of it, at most its length. */
__u32 test_parse(const struct frame *f, __u32 captured, struct ks_packet *pkt);

/* Asserts that what sources have (core/table/share.h) is what the slots say. */
void assert_shares(const struct ks_env *env);

/* A small source of numbers that are the same in every run (xorshift64*). */
static inline __u32 test_random(__u64 *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return (__u32)((*seed * 0x2545f4914f6cdd1dULL) >> 32);
}

static inline __u32 test_below(__u64 *seed, __u32 n)
{
	return (__u32)(((__u64)test_random(seed) * n) >> 32);
}

#endif
