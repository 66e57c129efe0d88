/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of `protect ZONE` as the tables of a policy hold them; protect.h is about how they act. */
#ifndef KS_CORE_PROTECTION_H
#define KS_CORE_PROTECTION_H

#include "core/types.h"

/* X(identifier, name): the items, in the order in which they are shown. */
#define KS_PROTECT_ITEMS(X)               \
	X(SYN_FLOOD, "syn flood")         \
	X(UDP_FLOOD, "udp flood")         \
	X(ICMP_FLOOD, "icmp flood")       \
	X(PORT_SCAN, "port scan")         \
	X(TRACE_ROUTE, "trace route")     \
	X(IP_OPTIONS, "ip options")       \
	X(SYN_FRAGMENT, "syn fragment")   \
	X(ICMP_FRAGMENT, "icmp fragment") \
	X(SMURF, "smurf")                 \
	X(FRAGGLE, "fraggle")             \
	X(UNASSIGNED, "unassigned protocols")

enum ks_protect_item {
#define X(id, name) KS_PROTECT_##id,
	KS_PROTECT_ITEMS(X)
#undef X
		KS_PROTECT_MAX
};

/* The first items have a threshold each, a rate by their number (core/flood.h). */
#define KS_FLOODS 3U
#define KS_FLOOD_SLOTS 4U /* a power of two: items are masked */
#define KS_FLOOD_RATE_MAX 1000000U
#define KS_SYN_FLOOD_DEFAULT 2000U
#define KS_UDP_FLOOD_DEFAULT 2000U
#define KS_ICMP_FLOOD_DEFAULT 250U

#define KS_SCAN_PORTS_MIN 3U
#define KS_SCAN_PORTS_MAX 1000U
#define KS_SCAN_PORTS_DEFAULT 20U
#define KS_SCAN_WINDOW_MIN_MS 1000U
#define KS_SCAN_WINDOW_MAX_MS (24U * 3600 * 1000)
#define KS_SCAN_WINDOW_DEFAULT_MS (5U * 60 * 1000)

/* X(identifier, name): what ks_packet.ip_options and ks_protection.ip_options hold, a bit each. */
#define KS_IP_OPTIONS(X)                \
	X(RECORD_ROUTE, "record-route") \
	X(TIMESTAMP, "timestamp")       \
	X(SECURITY, "security")         \
	X(SOURCE_ROUTE, "source-route") \
	X(STREAM_ID, "stream-id")       \
	X(ROUTER_ALERT, "router-alert") \
	X(OTHER, "other")               \
	X(HOP_BY_HOP, "hop-by-hop") /* the header of IPv6 */

enum ks_ip_option {
#define X(id, name) KS_IP_OPTION_##id,
	KS_IP_OPTIONS(X)
#undef X
		KS_IP_OPTION_MAX
};

#define KS_IP_OPTIONS_ALL ((1U << KS_IP_OPTION_MAX) - 1)

_Static_assert(KS_PROTECT_MAX <= 16 && KS_IP_OPTION_MAX <= 8, "bits of the fields below");

/* Numbers of protocols from here on are unassigned, for experiments, or reserved (IANA). */
#define KS_PROTO_UNASSIGNED 148U

/* `protect` of a zone. */
struct ks_protection {
	__u16 items; /* bit per enum ks_protect_item */
	__u8 ip_options; /* bit per enum ks_ip_option: those that are refused */
	__u8 flags; /* KS_PROTECT_SYN_DROP */
	__u32 scan_window; /* ms, of a port scan (core/port_scan.h) */
	__u32 rate[KS_FLOOD_SLOTS]; /* a second, by item */
	__u64 scan_hold; /* ms that a scanner is in the set; 0: as that says */
	__u16 scan_ports; /* different destinations that make a scan, ... */
	__u16 scan_marks; /* ... and how many bits these set on average */
	__u32 scan_except; /* index of a ks_set whose sources never come into the set, KS_SET_ANY without one */
	__u8 scan_set; /* number of the run-time set and 1, 0 without one */
	__u8 zero[7];
};

_Static_assert(sizeof(struct ks_protection) == 48, "no padding");

#define KS_PROTECT_SYN_DROP 0x01 /* SYNs beyond the threshold are refused, and not challenged */

static inline bool ks_protect_has(const struct ks_protection *protection, enum ks_protect_item item)
{
	return protection->items >> item & 1;
}

#endif
