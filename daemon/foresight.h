/* SPDX-License-Identifier: BSD-2-Clause */
/* The packets that another policy would treat differently, before it is in force: for a dry run. */
#ifndef KS_DAEMON_FORESIGHT_H
#define KS_DAEMON_FORESIGHT_H

#include <jansson.h>

#include "policy/policy.h"

struct ks_daemon;

/*
 * Adds `diff` to *change (proof/diff.h): what differs between the policy in force and another one, whose sets of own addresses are
 * filled, and which is put in force nowhere: it is told the addresses that the box has. Without memory, or a policy in force, it is left out.
 */
void ks_foresight_add(struct ks_daemon *daemon, struct ks_policy *policy, json_t **change);

#endif
