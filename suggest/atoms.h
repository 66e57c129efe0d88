/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests as a rule would allow them: atoms. An atom is a pair of zones, a protocol, a service, and for each end an address, a
 * network, or anybody. It is the only place in which a suggestion becomes wider than what was seen, by these rules:
 *
 * - A port is that of its service (policy/service.h), which may be a range; a message of ICMP is its type.
 * - The firewall's own addresses are one: `self` says so.
 * - A source is joined to the network of its zone that has it (`network` of a zone). In a zone without networks, or with one
 *   of all addresses, both ends are anybody.
 * - With a length of prefixes that the user gives, other addresses are joined to their network of this length.
 * - Destinations, addresses of groups, and with `exact` all ends, stand for themselves.
 */
#ifndef KS_SUGGEST_ATOMS_H
#define KS_SUGGEST_ATOMS_H

#include "policy/policy.h"

#define KS_ATOMS_MAX 262144U
#define KS_SAMPLES 3U

/* The first packet of a connection. */
struct ks_request {
	struct ks_tuple tuple;
	__u16 icmp; /* type << 8 | code */
	__u8 from, to; /* zone ids */
};

struct ks_suggest_wish {
	const struct ks_policy *zones;
	bool exact;
	__u8 join4, join6; /* lengths of prefixes; 0: none */
};

struct ks_atom_key {
	struct ks_prefix src, dst; /* family 0: anybody */
	__u16 low, high; /* the service's ports; of ICMP: the types with all codes */
	__u8 from, to;
	__u8 proto, family;
};

struct ks_atom {
	struct ks_atom_key key;
	__u64 count; /* of connections */
	struct ks_request sample[KS_SAMPLES]; /* the first ones */
	unsigned samples;
};

struct ks_atoms {
	struct ks_atom *list;
	size_t count, room;
	__u32 *slots; /* 1 + index, by hash; 0: free */
	size_t slot_count; /* a power of two */
	__u64 refused; /* requests of further atoms than KS_ATOMS_MAX */
};

/* Adds a request. Returns 0 or -ENOMEM. */
int ks_atoms_add(struct ks_atoms *atoms, const struct ks_suggest_wish *wish, const struct ks_request *request);
void ks_atoms_fini(struct ks_atoms *atoms);

/* Returns true if nothing is known of where the zone's hosts are: it has no networks, or all there are. */
bool ks_zone_is_anywhere(const struct ks_zone *zone, __u8 family);

/* The source of a request as a rule has it: an address, a network, or anybody (family 0). */
void ks_suggest_source(const struct ks_suggest_wish *wish, const struct ks_request *request, struct ks_prefix *end);

/* The zone of an id, NULL for `self` and `none`. */
const struct ks_zone *ks_suggest_zone(const struct ks_policy *zones, unsigned id);

#endif
