/* SPDX-License-Identifier: BSD-2-Clause */
/* See host_answer.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <arpa/nameser.h>

#include "core/address.h"
#include "core/types.h"
#include "daemon/host_answer.h"

#define ALIASES_MAX 16U /* one behind another */
#define TTL_TOP 0x80000000U /* a TTL with this bit counts as 0 (RFC 2181) */
#define LOOPBACK_NET 127U
#define MULTICAST_FIRST 224U /* multicast, reserved addresses and broadcast are from here on */
#define MULTICAST6 0xffU
#define NO_NETWORK_BYTES 8U /* zeros that begin no address of a network */

static __u32 ttl_of(const ns_rr *record)
{
	return ns_rr_ttl(*record) & TTL_TOP ? 0 : ns_rr_ttl(*record);
}

/* --- records --- */

/* Finds the alias of a name, and puts what it leads to in its place. Returns 1, 0 if there is none, or -EBADMSG. */
static int alias_follow(ns_msg *message, char name[NS_MAXDNAME], __u32 *ttl)
{
	char target[NS_MAXDNAME];
	ns_rr record;

	for (int i = 0; i < ns_msg_count(*message, ns_s_an); i++) {
		if (ns_parserr(message, ns_s_an, i, &record))
			return -EBADMSG;
		if (ns_rr_type(record) != ns_t_cname || ns_rr_class(record) != ns_c_in ||
		    strcasecmp(ns_rr_name(record), name) != 0)
			continue;
		if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), ns_rr_rdata(record), target,
				       sizeof(target)) < 0)
			return -EBADMSG;
		snprintf(name, NS_MAXDNAME, "%s", target);
		*ttl = KS_MIN(*ttl, ttl_of(&record));
		return 1;
	}
	return 0;
}

static bool is_of_a_host4(const unsigned char *bytes)
{
	return bytes[0] && bytes[0] != LOOPBACK_NET && bytes[0] < MULTICAST_FIRST;
}

/* Leaves out ::, ::1 and the addresses that stand for those of IPv4, too. */
static bool is_of_a_host6(const unsigned char *bytes)
{
	static const unsigned char zeros[NO_NETWORK_BYTES];

	return memcmp(bytes, zeros, sizeof(zeros)) != 0 && bytes[0] != MULTICAST6;
}

static void address_add(const ns_rr *record, __u8 family, struct ks_host_addresses *addresses)
{
	const unsigned char *bytes = ns_rr_rdata(*record);
	struct ks_prefix *prefix = &addresses->list[addresses->count];

	if (!(family == KS_IPV4 ? is_of_a_host4(bytes) : is_of_a_host6(bytes)) ||
	    addresses->count >= KS_HOST_ADDRESSES_MAX)
		return;
	memset(prefix, 0, sizeof(*prefix));
	prefix->family = family;
	prefix->length = family == KS_IPV4 ? 32 : 128;
	memcpy(prefix->addr.b + (family == KS_IPV4 ? IPV4_FIRST_BYTE : 0), bytes, ns_rr_rdlen(*record));
	addresses->ttl = KS_MIN(addresses->ttl, ttl_of(record));
	addresses->count++;
}

/* Takes the addresses that a name has itself. */
static int addresses_take(ns_msg *message, const char *name, __u8 family, struct ks_host_addresses *addresses)
{
	__u16 type = family == KS_IPV4 ? ns_t_a : ns_t_aaaa, size = family == KS_IPV4 ? NS_INADDRSZ : NS_IN6ADDRSZ;
	ns_rr record;

	for (int i = 0; i < ns_msg_count(*message, ns_s_an); i++) {
		if (ns_parserr(message, ns_s_an, i, &record))
			return -EBADMSG;
		if (ns_rr_type(record) != type || ns_rr_class(record) != ns_c_in ||
		    strcasecmp(ns_rr_name(record), name) != 0)
			continue;
		if (ns_rr_rdlen(record) != size)
			return -EBADMSG;
		address_add(&record, family, addresses);
	}
	return 0;
}

/* --- the message --- */

static int outcome_of(ns_msg *message)
{
	int code = ns_msg_getflag(*message, ns_f_rcode);

	if (!ns_msg_getflag(*message, ns_f_qr))
		return -EBADMSG;
	if (code == ns_r_nxdomain)
		return -ENOENT;
	return code == ns_r_noerror ? 0 : -EAGAIN;
}

int ks_host_answer_read(const unsigned char *message, size_t size, const char *name, __u8 family,
			struct ks_host_addresses *addresses)
{
	struct ks_host_addresses made = { .ttl = ~0U };
	char present[NS_MAXDNAME];
	unsigned aliases = 0;
	ns_msg parsed;
	int err, more;

	if (size > NS_MAXMSG || ns_initparse(message, (int)size, &parsed))
		return -EBADMSG;
	err = outcome_of(&parsed);
	if (err)
		return err;
	snprintf(present, sizeof(present), "%s", name);
	while ((more = alias_follow(&parsed, present, &made.ttl)) > 0) {
		if (++aliases > ALIASES_MAX)
			return -ELOOP;
	}
	err = more ?: addresses_take(&parsed, present, family, &made);
	if (err)
		return err;
	made.ttl = made.count ? made.ttl : 0;
	*addresses = made;
	return 0;
}
