/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Protection of a zone (`protect ZONE`): packets that come from it are refused besides those that are refused everywhere. This
 * is the list that routers have under such names. Each item is a bit, off unless the policy asks for it, and has a reason of
 * its own.
 *
 * Headers are judged when the packet was read (the stage PROTECT, or FRAGMENT for a fragment), whatever the rules say and
 * whether a flow knows it. What opens a flow is judged when the rules have allowed it.
 *
 * A packet that is no oddity pays for one look at its headers, and only where the policy protects a zone.
 */
#ifndef KS_CORE_PROTECT_H
#define KS_CORE_PROTECT_H

#include "core/protection.h"

struct ks_config;
struct ks_env;
struct ks_inspection;

/* Returns true if a packet that was read is odd enough to be asked about, and comes from a protected zone. */
bool ks_protect_is_asked(const struct ks_config *config, const struct ks_inspection *insp);

/* Judges a fragment that was read. Returns 0 or a reason. */
__u32 ks_protect_fragment(const struct ks_config *config, const struct ks_inspection *insp);

/* Judges a packet that the rules let open a flow. Returns 0 or a reason. */
__u32 ks_protect_opening(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp);

#endif
