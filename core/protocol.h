/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocols above IP that the core knows by number (IANA protocol numbers). */
#ifndef KS_CORE_PROTOCOL_H
#define KS_CORE_PROTOCOL_H

#include "core/types.h"

enum ks_proto {
	KS_PROTO_HOPOPTS = 0,
	KS_PROTO_ICMP = 1,
	KS_PROTO_IGMP = 2,
	KS_PROTO_TCP = 6,
	KS_PROTO_UDP = 17,
	KS_PROTO_DCCP = 33,
	KS_PROTO_ROUTING = 43,
	KS_PROTO_FRAGMENT = 44,
	KS_PROTO_GRE = 47,
	KS_PROTO_ESP = 50,
	KS_PROTO_AH = 51,
	KS_PROTO_ICMPV6 = 58,
	KS_PROTO_NONE = 59,
	KS_PROTO_DSTOPTS = 60,
	KS_PROTO_SCTP = 132,
	KS_PROTO_MOBILITY = 135,
	KS_PROTO_UDPLITE = 136,
	KS_PROTO_HIP = 139,
	KS_PROTO_SHIM6 = 140,
};

/* Returns true if whoever opens a flow of the protocol proves to be there, by a handshake. */
static inline bool ks_proto_has_handshake(__u8 proto)
{
	return proto == KS_PROTO_TCP || proto == KS_PROTO_SCTP || proto == KS_PROTO_DCCP;
}

#endif
