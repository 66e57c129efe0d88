/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names of hosts by the leases that a DHCP server on this machine has written. Three forms are known, told apart by their text:
 *
 *   dnsmasq   "1796026335 00:16:3e:00:00:05 10.0.0.5 laptop 01:00:16:3e:00:00:05"
 *   dhcpd     lease 10.0.0.5 { ... binding state active; client-hostname "laptop"; }
 *   Kea       lines of CSV under a line of titles
 *
 * The last two are written like logs: a later lease of an address counts, and may say that it is over. The names are what clients call
 * themselves, so they may be anything.
 */
#ifndef KS_PAGE_LEASES_H
#define KS_PAGE_LEASES_H

#include <netinet/in.h>
#include <stddef.h>
#include <time.h>

#define KS_LEASE_NAME 64
#define KS_LEASES_MAX 65536U
#define KS_LEASES_TEXT_MAX (8U << 20) /* of a file */

/* A name, empty if the address has none any more. IPv4 is written as IPv6 (::ffff:10.0.0.5). */
struct ks_lease {
	struct in6_addr addr;
	unsigned order; /* of two of one address the later one counts */
	char name[KS_LEASE_NAME];
};

struct ks_leases {
	struct ks_lease *list;
	size_t count, room;
};

void ks_leases_fini(struct ks_leases *leases);

/* Parses "10.0.0.5" or "2001:db8::5". Returns 0 or -EINVAL. */
int ks_host_address(const char *text, struct in6_addr *addr);

/* Adds the leases of a file's text, which is changed. `now`: seconds of the epoch. Returns 0 or -ENOMEM; beyond KS_LEASES_MAX none is added. */
int ks_leases_add(struct ks_leases *leases, char *text, time_t now);

/* Makes them ready to be found, when all were added. */
void ks_leases_sort(struct ks_leases *leases);

/* Calls `fn` for the name of each address that has one. */
void ks_leases_each(const struct ks_leases *leases,
		    void (*fn)(const struct in6_addr *addr, const char *name, void *arg), void *arg);

/* Returns the name of an address, or NULL. */
const char *ks_leases_find(const struct ks_leases *leases, const struct in6_addr *addr);

#endif
