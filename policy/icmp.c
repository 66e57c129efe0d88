/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of ICMP (RFC 792, 950, 1256) and ICMPv6 (RFC 4443, 4861, 2710, 3810)
 * messages. A name may be of both families.
 */
#include "policy/icmp.h"

#include <errno.h>
#include <string.h>

/* X(name, protocol, type, code) */
#define ICMP_NAMES(X)                                   \
	X("echo-reply", ICMP, 0, -1)                    \
	X("destination-unreachable", ICMP, 3, -1)       \
	X("net-unreachable", ICMP, 3, 0)                \
	X("host-unreachable", ICMP, 3, 1)               \
	X("protocol-unreachable", ICMP, 3, 2)           \
	X("port-unreachable", ICMP, 3, 3)               \
	X("fragmentation-needed", ICMP, 3, 4)           \
	X("admin-prohibited", ICMP, 3, 13)              \
	X("source-quench", ICMP, 4, -1)                 \
	X("redirect", ICMP, 5, -1)                      \
	X("echo-request", ICMP, 8, -1)                  \
	X("router-advertisement", ICMP, 9, -1)          \
	X("router-solicitation", ICMP, 10, -1)          \
	X("time-exceeded", ICMP, 11, -1)                \
	X("parameter-problem", ICMP, 12, -1)            \
	X("timestamp-request", ICMP, 13, -1)            \
	X("timestamp-reply", ICMP, 14, -1)              \
	X("address-mask-request", ICMP, 17, -1)         \
	X("address-mask-reply", ICMP, 18, -1)           \
	X("destination-unreachable", ICMPV6, 1, -1)     \
	X("no-route", ICMPV6, 1, 0)                     \
	X("admin-prohibited", ICMPV6, 1, 1)             \
	X("address-unreachable", ICMPV6, 1, 3)          \
	X("port-unreachable", ICMPV6, 1, 4)             \
	X("packet-too-big", ICMPV6, 2, -1)              \
	X("time-exceeded", ICMPV6, 3, -1)               \
	X("parameter-problem", ICMPV6, 4, -1)           \
	X("echo-request", ICMPV6, 128, -1)              \
	X("echo-reply", ICMPV6, 129, -1)                \
	X("multicast-listener-query", ICMPV6, 130, -1)  \
	X("multicast-listener-report", ICMPV6, 131, -1) \
	X("multicast-listener-done", ICMPV6, 132, -1)   \
	X("router-solicitation", ICMPV6, 133, -1)       \
	X("router-advertisement", ICMPV6, 134, -1)      \
	X("neighbour-solicitation", ICMPV6, 135, -1)    \
	X("neighbor-solicitation", ICMPV6, 135, -1)     \
	X("neighbour-advertisement", ICMPV6, 136, -1)   \
	X("neighbor-advertisement", ICMPV6, 136, -1)    \
	X("redirect", ICMPV6, 137, -1)                  \
	X("multicast-listener-report-v2", ICMPV6, 143, -1)

#define X(text, protocol, icmp_type, icmp_code) text,
static const char *const names[] = { ICMP_NAMES(X) };
#undef X

#define X(text, protocol, icmp_type, icmp_code) { KS_PROTO_##protocol, icmp_type, icmp_code },
static const struct {
	__u8 proto;
	__u8 type;
	__s32 code;
} values[] = { ICMP_NAMES(X) };
#undef X

int ks_icmp_lookup(unsigned proto, const char *name, __s32 *type, __s32 *code)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(names); i++) {
		if (values[i].proto != proto || strcmp(names[i], name) != 0)
			continue;
		*type = values[i].type;
		*code = values[i].code;
		return 0;
	}
	return -ENOENT;
}

const char *const *ks_icmp_names(size_t *count)
{
	*count = KS_ARRAY_SIZE(names);
	return names;
}
