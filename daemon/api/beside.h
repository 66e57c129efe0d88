/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts beside the policy by which a packet that it allows does not arrive: steps of an explanation that the inspection knows nothing of. */
#ifndef KS_DAEMON_API_BESIDE_H
#define KS_DAEMON_API_BESIDE_H

#include <jansson.h>

#include "daemon/daemon.h"
#include "scenario/craft.h"

/* Adds to the `steps` of an explanation: no route leads there, the kernel does not forward, another program translates. */
void ks_beside_add(struct ks_daemon *daemon, const struct ks_packet_spec *spec, json_t *explanation);

#endif
