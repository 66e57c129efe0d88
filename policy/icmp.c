/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of ICMP (RFC 792, 950, 1256) and ICMPv6 (RFC 4443, 4861, 2710, 3810)
 * messages. One list a family; a name may stand in both.
 */
#include "policy/icmp.h"

#include <errno.h>
#include <string.h>

/* X(name, protocol, type, code) */
#define ICMP_NAMES(X)                               \
	X("echo-reply", 1, 0, -1)                   \
	X("destination-unreachable", 1, 3, -1)      \
	X("net-unreachable", 1, 3, 0)               \
	X("host-unreachable", 1, 3, 1)              \
	X("protocol-unreachable", 1, 3, 2)          \
	X("port-unreachable", 1, 3, 3)              \
	X("fragmentation-needed", 1, 3, 4)          \
	X("admin-prohibited", 1, 3, 13)             \
	X("source-quench", 1, 4, -1)                \
	X("redirect", 1, 5, -1)                     \
	X("echo-request", 1, 8, -1)                 \
	X("router-advertisement", 1, 9, -1)         \
	X("router-solicitation", 1, 10, -1)         \
	X("time-exceeded", 1, 11, -1)               \
	X("parameter-problem", 1, 12, -1)           \
	X("timestamp-request", 1, 13, -1)           \
	X("timestamp-reply", 1, 14, -1)             \
	X("address-mask-request", 1, 17, -1)        \
	X("address-mask-reply", 1, 18, -1)          \
	X("destination-unreachable", 58, 1, -1)     \
	X("no-route", 58, 1, 0)                     \
	X("admin-prohibited", 58, 1, 1)             \
	X("address-unreachable", 58, 1, 3)          \
	X("port-unreachable", 58, 1, 4)             \
	X("packet-too-big", 58, 2, -1)              \
	X("time-exceeded", 58, 3, -1)               \
	X("parameter-problem", 58, 4, -1)           \
	X("echo-request", 58, 128, -1)              \
	X("echo-reply", 58, 129, -1)                \
	X("multicast-listener-query", 58, 130, -1)  \
	X("multicast-listener-report", 58, 131, -1) \
	X("multicast-listener-done", 58, 132, -1)   \
	X("router-solicitation", 58, 133, -1)       \
	X("router-advertisement", 58, 134, -1)      \
	X("neighbour-solicitation", 58, 135, -1)    \
	X("neighbor-solicitation", 58, 135, -1)     \
	X("neighbour-advertisement", 58, 136, -1)   \
	X("neighbor-advertisement", 58, 136, -1)    \
	X("redirect", 58, 137, -1)                  \
	X("multicast-listener-report-v2", 58, 143, -1)

#define X(text, protocol, icmp_type, icmp_code) text,
static const char *const names[] = { ICMP_NAMES(X) };
#undef X

#define X(text, protocol, icmp_type, icmp_code) { protocol, icmp_type, icmp_code },
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
