/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds where a policy in force does not guard what its author believes it
 * guards: zones without an interface, interfaces that a reload began or ceased
 * to guard, states of zones that are gone. As JSON, because the control API
 * tells it too; docs/api.md lists the members. Every json_t returned is a new
 * reference, or NULL without memory. Used by the daemon's thread.
 */
#ifndef KS_DAEMON_COVERAGE_H
#define KS_DAEMON_COVERAGE_H

#include <jansson.h>

#include "daemon/interfaces/interfaces.h"

/* Sentences about everything that is not as the policy wants it; an empty list if all is well. */
json_t *ks_coverage_warnings(const struct ks_interfaces *interfaces, const struct ks_policy *policy);

/* Names of the interfaces that are guarded and in no zone, and of those that the policy ignores. */
json_t *ks_coverage_in_no_zone(const struct ks_interfaces *interfaces);
json_t *ks_coverage_ignored(const struct ks_interfaces *interfaces);

/*
 * The line that would leave alone those in no zone, such as "ignore { docker0, veth*
 * }"; "" without any. NULL without memory; the caller
 * frees it.
 */
char *ks_coverage_ignore_line(const struct ks_interfaces *interfaces);

/* Says in a line each which interfaces are in no zone, with what to write, and which are ignored. */
void ks_coverage_tell_zones(const struct ks_interfaces *interfaces, void (*say)(bool warning, const char *line));

/* Names of the interfaces that are guarded in `these` and not in `those`. */
json_t *ks_coverage_difference(const struct ks_interfaces *these, const struct ks_interfaces *those);

/* Names of the interfaces that were in a zone before and are guarded in none now. */
json_t *ks_coverage_outcast(const struct ks_interfaces *before, const struct ks_interfaces *now);

/* Adds states_cut and zones_cut to *change: the live states of zones in the ledger that the policy does not have. */
void ks_coverage_add_cut(json_t **change, const struct ks_kernel *kernel, const struct ks_ledger *ledger,
			 const struct ks_policy *policy);

#endif
