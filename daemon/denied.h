/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The living states that a policy would not let open again as they are (engine/review.h), found and ended. Beside what the
 * rules say, a state is lost when one of its ends is in another zone now: its zone is gone, or its interface has moved.
 *
 * A reload ends what it forwards to another destination, counts the rest, and ends it if that is wished; a dry run lists it.
 *
 * Looking through a large table takes a second or more. It is done by a second thread, which reads the table, routes and guards in
 * the kernel and what it is given here, and nothing else of the daemon.
 */
#ifndef KS_DAEMON_DENIED_H
#define KS_DAEMON_DENIED_H

#include <jansson.h>

#include "daemon/daemon.h"
#include "engine/flow_keys.h"
#include "engine/review.h"

#define KS_DENIED_LISTED 10000U /* states that a dry run lists; the others are only counted */

/* A wish to find them. */
struct ks_denied_search {
	const struct ks_policy *policy; /* with the ids that it has or would have in force */
	const struct ks_policy *before; /* under which the states were opened */
	const struct ks_ids *ids_before, *ids;
	const struct ks_interfaces *interfaces; /* before the policy is in force */
	bool lists;
};

struct ks_denied {
	size_t counts[KS_REVIEW_MAX]; /* by the rules */
	size_t moved; /* an end is in another zone */
	struct ks_flow_keys keys; /* those retargeted first */
	json_t *list; /* of a search that lists */
};

/*
 * After a reload: ends the states that it forwards elsewhere, or all that it does not allow, and adds to the change (ks_change_tell())
 * what was found and ended. Without a policy before, of which there is none after a takeover, nothing is found.
 */
void ks_denied_settle(struct ks_daemon *daemon, const struct ks_replaced *replaced, bool end_all, json_t **change);

/* Before one: sets *change to what would be found, with a list. */
int ks_denied_foresee(struct ks_daemon *daemon, const struct ks_policy *policy, const struct ks_ids *ids,
		      json_t **change);

/* *denied is the caller's to end by ks_denied_fini(), and to be left alone if this fails. */
int ks_denied_find(struct ks_daemon *daemon, const struct ks_denied_search *search, struct ks_denied *denied);
void ks_denied_fini(struct ks_denied *denied);

KS_SCOPED_STRUCT(ks_auto_denied, struct ks_denied, ks_denied_fini)
#define ks_auto_denied ks_scoped(ks_auto_denied)

/* How many there are, without those that are retargeted. */
size_t ks_denied_count(const struct ks_denied *denied);

/* Ends those that are retargeted, or all. Returns how many were there, or -errno. */
long ks_denied_end(struct ks_daemon *daemon, const struct ks_denied *denied, bool all);

#endif
