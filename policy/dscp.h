/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of code points of differentiated services; see dscp.c. */
#ifndef KS_POLICY_DSCP_H
#define KS_POLICY_DSCP_H

#define KS_DSCP_TEXT 12

/* The code point of a name such as "ef", or of a number; -1 if it is none. */
int ks_dscp_from_text(const char *text);

/* The name of a code point, or its number. Returns buf or a constant. */
const char *ks_dscp_text(unsigned dscp, char buf[KS_DSCP_TEXT]);

#endif
