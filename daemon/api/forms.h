/* SPDX-License-Identifier: BSD-2-Clause */
/* Events and rules as the control API shows them; flows are in flow_forms.h. docs/api.md lists the members. */
#ifndef KS_DAEMON_API_FORMS_H
#define KS_DAEMON_API_FORMS_H

#include <jansson.h>

#include "core/event.h"
#include "kernel/kernel.h"
#include "policy/policy.h"

/* NULL without memory. */
json_t *ks_event_json(const struct ks_policy *policy, __u64 now, const struct ks_event *event);

/* {"id", "file", "line", "text", "label"} of a rule; null for the default deny; only the id of a rule that is gone. */
json_t *ks_rule_json(const struct ks_policy *policy, __u32 id);

/* The name of a zone. A flow may have zones of an earlier policy: "gone". A packet may have been dropped before it was clear where it goes. */
const char *ks_zone_text(const struct ks_policy *policy, unsigned zone);

#endif
