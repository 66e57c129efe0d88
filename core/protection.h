/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of `protect ZONE` as the tables of a policy hold them; protect.h is about how they act. */
#ifndef KS_CORE_PROTECTION_H
#define KS_CORE_PROTECTION_H

#include "core/types.h"

/* X(identifier, name): the items, in the order in which they are shown. */
#define KS_PROTECT_ITEMS(X)               \
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
	__u8 zero[5];
};

_Static_assert(sizeof(struct ks_protection) == 8, "no padding");

static inline bool ks_protect_has(const struct ks_protection *protection, enum ks_protect_item item)
{
	return protection->items >> item & 1;
}

#endif
