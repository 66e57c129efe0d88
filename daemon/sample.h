/* SPDX-License-Identifier: BSD-2-Clause */
/* The counters, read once a second: rates are shown from them, and refusals are told. */
#ifndef KS_DAEMON_SAMPLE_H
#define KS_DAEMON_SAMPLE_H

#include "daemon/daemon.h"

/* Takes the place of the older of daemon->samples. */
void ks_sample_take(struct ks_daemon *daemon);

#endif
