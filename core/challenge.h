/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The challenge of a SYN: before a source that nobody knows may open a connection, it must show that it is real.
 *
 * Overview
 *
 * When half-open connections fill their budget, a SYN that the rules allow opens no flow. It is answered by a SYN+ACK that
 * acknowledges a number which its sender has not sent: its own number less c, with 0 < c <= 65536. Whoever has sent the SYN
 * must answer that by a RST with just this number (RFC 9293 3.10.7.3), and goes on with its SYN. The low 16 bits of the number
 * are a cookie: the keyed hash of addresses, ports and minute. So the RST proves, without anything remembered until then, that
 * its source hears what we send to it. It is consumed, the source is remembered, and the SYN that the client repeats opens a
 * flow like any other: nothing of it was seen or changed, so window scaling, SACK, timestamps and Fast Open are the peers' own.
 * c is not larger, because firewalls and NATs on the way believe a RST only near the numbers that they saw.
 *
 *   zone            `challenge auto`: from `limit challenge`'s upper share of `limit half-open` on, until half-open connections
 *                   are down to the lower one, if the zone has more of them than its even part of that: a flood from one zone
 *                   does not challenge others' clients; `always`; `never`. What the box itself sends is never challenged
 *   destination     one that gets more SYNs from a protected zone than `syn flood` says is challenged by itself (flood.h)
 *   answer          40 bytes of IPv4, 60 of IPv6: never more than the SYN
 *   proven          a source is an IPv4 address, or an IPv6 /64: who has one of its addresses has all of them. It passes for
 *                   KS_CHALLENGE_PROVEN_S seconds or KS_CHALLENGE_USES SYNs, then it is challenged again. A handshake that it
 *                   completes proves it anew, so that a client that is served is asked once
 *   fallback        a client whose answer does not come (a firewall before it drops the odd SYN+ACK) repeats its SYN as TCP
 *                   does. The second repetition passes, at most KS_CHALLENGE_SHARE of the budget in a minute
 *
 * Life cycle
 *
 * Proven sources and SYNs that were challenged lie in sets of eight words. The hash chooses the set; in a full one a proven
 * source takes the place of any other at random, a SYN that of the one seen longest ago. There is nothing to sweep.
 *
 * Races
 *
 * A word is written by one store or compare-and-swap. Two CPUs that write one set at the same time may lose a source, which is
 * challenged again, or a use. `on` is written by whoever sees a mark passed.
 *
 * Left to an attacker
 *
 * A host that is not there proves nothing. A host that is there answers a SYN+ACK that it did not ask for by the same RST, and
 * so proves its address for whoever forges it; but it answers the server's SYN+ACK so, too, which ends such a flow at once. A
 * RST with a guessed cookie is right once in 32,768: a million guesses a second buy 30 sources, and with them 1,000 SYNs a
 * second, for which the budget has its own rules (table/insert.c). We send to a forged source no more bytes and packets than
 * were sent in its name.
 *
 * Source: RFC 9293 3.10.7.3 (the RST), RFC 4987 3.7 (SYN caches and proxies); the answer is that of "SYN authentication" in the
 * literature on SYN floods.
 */
#ifndef KS_CORE_CHALLENGE_H
#define KS_CORE_CHALLENGE_H

#include "core/address.h"
#include "core/rules.h"
#include "core/types.h"

struct ks_env;
struct ks_insp_challenge;
struct ks_inspection;

#define KS_CHALLENGE_WAYS 8U
#define KS_CHALLENGE_PROVEN_SETS 8192U /* of 65,536 sources; a power of two */
#define KS_CHALLENGE_WAITING_SETS 32768U /* of 262,144 SYNs, behind those; a power of two */
#define KS_CHALLENGE_SETS (KS_CHALLENGE_PROVEN_SETS + KS_CHALLENGE_WAITING_SETS)

#define KS_CHALLENGE_PROVEN_S 300U /* a source is believed for this long ... */
#define KS_CHALLENGE_USES 32U /* ... or for this many SYNs */
#define KS_CHALLENGE_REPEATS 2U /* a SYN passes unanswered when it comes again for this time */
#define KS_CHALLENGE_SHARE 8U /* such SYNs get this part of `limit half-open` in a minute */

/* A cache line; 0: free. */
struct ks_challenge_set {
	__u64 word[KS_CHALLENGE_WAYS];
};

struct ks_challenge_zone {
	__u64 asked; /* SYNs that were challenged */
	__u64 proven; /* answers to that */
	__u64 unanswered; /* SYNs that passed because they came again */
};

/* Shared by all CPUs; all 0 at the beginning. */
struct ks_challenges {
	__u32 on; /* 1: zones with `challenge auto` that have their part of half-open connections are challenged */
	__u32 flooded; /* s: until when answers may come of those who were challenged at a flooded address (flood.h) */
	__u64 since; /* ns: when `on` was changed last */
	__u64 unanswered_rate; /* of those (core/rate.h) */
	struct ks_challenge_zone zone[KS_ZONE_MAX];
};

/* The parts of the next three that the verifier checks apart: 1 for true. */
__u32 ks_challenge_asks_isolated(struct ks_env *env, struct ks_insp_challenge *c);
__u32 ks_challenge_hears_isolated(struct ks_env *env, struct ks_insp_challenge *c);
__u32 ks_challenge_confirm_isolated(struct ks_env *env, struct ks_insp_challenge *c);

/*
 * Returns true if the SYN must not open a flow: its sender is to be asked first, by the numbers in insp->challenge. `front`: if it
 * may, nothing has changed.
 */
bool ks_challenge_asks(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, bool front);

/* Returns true if the packet answers a challenge. Its source is believed from now on. */
bool ks_challenge_hears(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

/*
 * Believes the source of a packet that has completed a handshake, where sources are challenged now: it has heard the
 * responder's number. For a packet that moved its flow and is committed.
 */
void ks_challenge_confirm(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

#endif
