/* SPDX-License-Identifier: BSD-2-Clause */
/* See atoms.h. */
#include "suggest/atoms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "policy/index.h"
#include "policy/service.h"
#include "policy/value.h"

#define SLOTS_FIRST 1024U
#define SEED 0x7375676765737421ULL
#define CODE_MASK 0xffU /* of a message of ICMP, below its type */

/* --- joining --- */

static unsigned whole_length(__u8 family)
{
	return family == KS_IPV4 ? 32 : 128;
}

const struct ks_zone *ks_suggest_zone(const struct ks_policy *zones, unsigned id)
{
	for (size_t i = 0; i < zones->zone_count; i++) {
		if (zones->zones[i].id == id)
			return &zones->zones[i];
	}
	return NULL;
}

bool ks_zone_is_anywhere(const struct ks_zone *zone, __u8 family)
{
	bool others = false;

	for (size_t i = 0; i < zone->network_count; i++) {
		if (zone->networks[i].family == family && !zone->networks[i].length)
			return true;
		others = true;
	}
	return !others;
}

static bool prefix_holds(const struct ks_prefix *prefix, const struct ks_addr *addr)
{
	struct ks_prefix other = { .addr = *addr, .family = prefix->family, .length = prefix->length };
	struct ks_prefix own = *prefix;

	ks_prefix_mask(&other);
	ks_prefix_mask(&own);
	return ks_addr_equal(&own.addr, &other.addr);
}

/* The narrowest network of the zone that has the address, NULL if none has. */
static const struct ks_prefix *network_of(const struct ks_zone *zone, const struct ks_addr *addr, __u8 family)
{
	const struct ks_prefix *best = NULL;

	for (size_t i = 0; i < zone->network_count; i++) {
		const struct ks_prefix *network = &zone->networks[i];

		if (network->family == family && (!best || network->length > best->length) &&
		    prefix_holds(network, addr))
			best = network;
	}
	return best;
}

static void end_join(const struct ks_suggest_wish *wish, const struct ks_addr *addr, const struct ks_request *request,
		     bool is_source, struct ks_prefix *end)
{
	const __u8 family = request->tuple.family, join = family == KS_IPV4 ? wish->join4 : wish->join6;
	const unsigned id = is_source ? request->from : request->to;
	const struct ks_zone *zone = ks_suggest_zone(wish->zones, id);
	const struct ks_prefix *network = zone && is_source ? network_of(zone, addr, family) : NULL;

	end->addr = *addr;
	end->family = family;
	end->length = (__u8)whole_length(family);
	if (wish->exact || ks_addr_is_group(addr, family))
		return;
	if (id == KS_ZONE_SELF || (zone && ks_zone_is_anywhere(zone, family)))
		*end = (struct ks_prefix){ 0 };
	else if (network)
		*end = *network;
	else if (join)
		end->length = join;
	if (end->family)
		ks_prefix_mask(end);
}

void ks_suggest_source(const struct ks_suggest_wish *wish, const struct ks_request *request, struct ks_prefix *end)
{
	end_join(wish, &request->tuple.src, request, true, end);
}

static void service_join(const struct ks_tuple *tuple, struct ks_atom_key *key)
{
	const __u16 port = ks_be16(tuple->dport);
	const char *const *names;
	size_t count;

	key->low = key->high = port;
	names = ks_service_names(&count);
	for (size_t i = 0; i < count; i++) {
		const struct ks_service *service = ks_service(ks_service_find(names[i]));

		if (port < service->low || port > service->high || !ks_service_has_proto(service, tuple->proto))
			continue;
		key->low = service->low;
		key->high = service->high;
		return;
	}
}

static void key_make(const struct ks_suggest_wish *wish, const struct ks_request *request, struct ks_atom_key *key)
{
	const struct ks_tuple *tuple = &request->tuple;

	memset(key, 0, sizeof(*key)); /* padding, too: keys are compared as bytes */
	key->from = request->from;
	key->to = request->to;
	key->proto = tuple->proto;
	key->family = tuple->family;
	end_join(wish, &tuple->src, request, true, &key->src);
	end_join(wish, &tuple->dst, request, false, &key->dst);
	if (ks_proto_has_ports(tuple->proto))
		service_join(tuple, key);
	else if (ks_proto_is_icmp(tuple->proto)) {
		key->low = (__u16)(request->icmp & ~CODE_MASK);
		key->high = (__u16)(request->icmp | CODE_MASK);
	}
}

/* --- the table --- */

static __u32 *slot_find(const struct ks_atoms *atoms, const struct ks_atom_key *key)
{
	size_t at = ks_hash_bytes(SEED, key, sizeof(*key)) & (atoms->slot_count - 1);

	while (atoms->slots[at] && memcmp(&atoms->list[atoms->slots[at] - 1].key, key, sizeof(*key)) != 0)
		at = (at + 1) & (atoms->slot_count - 1);
	return &atoms->slots[at];
}

static int slots_grow(struct ks_atoms *atoms)
{
	size_t count = atoms->slot_count ? atoms->slot_count * 2 : SLOTS_FIRST;
	__u32 *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	free(atoms->slots);
	atoms->slots = slots;
	atoms->slot_count = count;
	for (size_t i = 0; i < atoms->count; i++)
		*slot_find(atoms, &atoms->list[i].key) = (__u32)i + 1;
	return 0;
}

static int room_make(struct ks_atoms *atoms)
{
	if (atoms->count == atoms->room) {
		size_t room = atoms->room ? atoms->room * 2 : 64;
		struct ks_atom *list = realloc(atoms->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		atoms->list = list;
		atoms->room = room;
	}
	return atoms->count * 2 >= atoms->slot_count ? slots_grow(atoms) : 0;
}

int ks_atoms_add(struct ks_atoms *atoms, const struct ks_suggest_wish *wish, const struct ks_request *request)
{
	struct ks_atom_key key;
	struct ks_atom *atom;
	__u32 *slot;

	if (room_make(atoms))
		return -ENOMEM;
	key_make(wish, request, &key);
	slot = slot_find(atoms, &key);
	if (!*slot) {
		if (atoms->count == KS_ATOMS_MAX) {
			atoms->refused++;
			return 0;
		}
		atoms->list[atoms->count] = (struct ks_atom){ .samples = 0 };
		memcpy(&atoms->list[atoms->count].key, &key, sizeof(key));
		*slot = (__u32)++atoms->count;
	}
	atom = &atoms->list[*slot - 1];
	atom->count++;
	if (atom->samples < KS_SAMPLES)
		atom->sample[atom->samples++] = *request;
	return 0;
}

void ks_atoms_fini(struct ks_atoms *atoms)
{
	free(atoms->list);
	free(atoms->slots);
	*atoms = (struct ks_atoms){ 0 };
}
