/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages to the administrator: on standard error, each line with its priority if that is the journal,
 * or to syslog(3) in the background. Any thread may send some.
 */
#ifndef KS_DAEMON_REPORT_H
#define KS_DAEMON_REPORT_H

#include "policy/policy.h"

__attribute__((format(printf, 1, 2))) void ks_report(const char *format, ...);
__attribute__((format(printf, 1, 2))) void ks_report_error(const char *format, ...);
void ks_report_diags(const struct ks_diags *diags);

/* Messages go to syslog(3) from here on. */
void ks_report_to_syslog(void);

bool ks_report_is_detached(void);

#endif
