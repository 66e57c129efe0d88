/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Detection of port scans (`protect`, the item `port scan`): a source that asks for many different ports and addresses, and is
 * refused.
 *
 * Overview. What counts is refused by the rules or by its flags: SYNs and TCP segments with flags that no host sends, UDP,
 * INITs and Requests. What looks like a late answer does not: TCP without SYN, UDP from a port below 1024 to one above. Each
 * source has a map of bits, of which each destination (address, port and protocol) sets one, chosen by a keyed hash. When so
 * many bits are set as the threshold's number of destinations sets on average, the source is a scanner until its window ends: what
 * it is refused has the reason "port scan", and it comes into a run-time set if the policy names one.
 *
 * A source is an IPv4 address or an IPv6 /64, because who has one address of that has all of them.
 *
 * Life cycle. Sources lie in sets of four. A window begins with the first refusal and lasts as long as the policy says; the
 * next one after that begins another. A newcomer takes the place of one whose window is over, else of the one with the fewest
 * bits: a flood of forged sources, each refused once, does not push out who is on the way to the threshold.
 *
 * Races. Bits are set by atomic operations, and whoever sets one counts it: no mark is lost or counted twice.
 * As many as CPUs set one at the same moment may all be told that they pass the threshold. Two CPUs that begin a window or take a place at the same
 * time may lose a bit.
 *
 * Left to an attacker. The source of a refused packet is proven by nothing, so anybody can have any address found to scan. Hence
 * a scanner is only told of unless the policy puts it into a set and denies that; `except` keeps addresses out of it. A scan
 * slower than the threshold, or of many sources, is not seen.
 */
#ifndef KS_CORE_PORT_SCAN_H
#define KS_CORE_PORT_SCAN_H

#include "core/address.h"
#include "core/types.h"

struct ks_config;
struct ks_env;
struct ks_insp_scan;
struct ks_inspection;

#define KS_SCAN_WAYS 4U
#define KS_SCAN_SETS 2048U /* of 8,192 sources; a power of two */
#define KS_SCAN_WORDS 8U /* a power of two */
#define KS_SCAN_BITS (KS_SCAN_WORDS * 64U)

struct ks_scan_place {
	__u64 whose; /* hash; 0: nobody's */
	__u64 began; /* ns: its window */
	__u32 marks; /* bits that are set */
	__u32 zero;
	__u64 mark[KS_SCAN_WORDS];
};

struct ks_scan_set {
	struct ks_scan_place place[KS_SCAN_WAYS];
};

enum ks_scan_answer {
	KS_SCAN_NONE, /* the source is below the threshold */
	KS_SCAN_KNOWN, /* it scans, and has asked for this before */
	KS_SCAN_GOES_ON, /* it scans, and has asked for something new */
};

/* Counts a refusal. Returns enum ks_scan_answer. */
__u32 ks_scan_count_isolated(struct ks_env *env, const struct ks_insp_scan *ask);

/*
 * For a packet that is refused: if it is one of a scan, its reason becomes "port scan", and its source comes into the set of
 * the policy. Never for a dry inspection.
 */
void ks_port_scan_note(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

#endif
