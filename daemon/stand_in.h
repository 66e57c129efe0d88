/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy that is in force in place of the one that was named: because that does not load (fallback.h), or was not confirmed (trial.h). */
#ifndef KS_DAEMON_STAND_IN_H
#define KS_DAEMON_STAND_IN_H

#include <jansson.h>

struct ks_daemon;

/* All NULL while the policy that was named is in force. */
struct ks_stand_in {
	char *why; /* a sentence, for status and log */
	char *name; /* of the policy in force: it is no file, or not as the file is now */
	char *instead_of; /* the file that is not in force */
};

/*
 * Notes that another policy is in force, until a reload succeeds. The texts are owned from now on, also after an error. Returns 0 or
 * -ENOMEM: one of them is NULL.
 */
int ks_stand_in_set(struct ks_stand_in *stand_in, char *why, char *name, char *instead_of);

void ks_stand_in_fini(struct ks_stand_in *stand_in);

/* Returns the name of the policy in force, for people. */
const char *ks_stand_in_name(const struct ks_daemon *daemon);

#endif
