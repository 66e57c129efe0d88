/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A start takes up the connections that began before it. (core/settle.h has the
 * part that packets play.)
 *
 * Overview. A start that finds no table of an earlier daemon puts into the new one
 * what the kernel knows: first what netfilter tracks (conntrack.c), then what the box's
 * sockets speak with (sockets.c). takeup.c asks the policy about each and makes the
 * flow; what the rules do not allow is not taken. From then on the programs take up
 * the rest in its middle, for as long as `option settle` says.
 *
 * Order. The table is filled when the maps are complete and before the first program is
 * attached, so that no packet finds it empty. When all programs are attached netfilter
 * is asked again, for what began in between; and it is made to forget the translated
 * connections that were taken over, because it would go on translating them beside us.
 *
 * Failures are told and stop nothing: what is not taken up here is taken up by its next
 * packet, if the rules let its sender open.
 */
#ifndef KS_DAEMON_SETTLE_SETTLE_H
#define KS_DAEMON_SETTLE_SETTLE_H

#include <jansson.h>
#include <stddef.h>

struct ks_conntrack;
struct ks_daemon;

/* Connections that netfilter is to forget. */
struct ks_conntrack_list {
	struct ks_conntrack *list;
	size_t count;
};

/* The sums of a start, kept in the ledger. */
struct ks_settled {
	unsigned long long since; /* ns on the kernel's clock, 0: it took up nothing, and need not */
	unsigned conntrack, sockets; /* flows that each of them gave */
	unsigned denied; /* that the policy does not allow */
	unsigned full; /* that found no room */
};

/*
 * Before the interfaces are guarded: the table will be filled when their maps are complete and before the first program is
 * attached. After a takeover nothing is; but settling goes on for as long as it would have.
 */
void ks_settle_await(struct ks_daemon *daemon);

/* After all programs are attached. */
void ks_settle_complete(struct ks_daemon *daemon);

/* {"seconds", "left", "conntrack", "sockets", "middle", "denied", "full"}; null if this firewall never settled. */
json_t *ks_settle_json(const struct ks_daemon *daemon);

/* Tells the administrator what a start took up. */
void ks_settle_tell(const struct ks_daemon *daemon);

#endif
