/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * States that outlive the table: kept in a file of the persistent directory (persistent.h) when the firewall is stopped or its
 * daemon ends, and taken back by the next start that finds no table. saved/saved.h has the file.
 *
 * Life cycle. `stop --save` takes the hooks off, saves, and removes the table: nothing changes between these. A daemon that ends
 * by a signal saves too, because a reboot may follow; the programs go on meanwhile, so what moves after that is not in the file. The
 * next start takes the file if it had to make a table, and removes it in any case once the hooks are in place: it is used once.
 */
#ifndef KS_DAEMON_KEEP_H
#define KS_DAEMON_KEEP_H

#include <jansson.h>

#include "daemon/instance.h"
#include "kernel/kernel.h"
#include "policy/adopt.h"
#include "saved/saved.h"

#define KS_KEEP_FILE "states"
#define KS_KEEP_AGE_MAX_S 900U /* an older file is not taken: about as long Linux repeats what nobody acknowledges */
#define KS_KEEP_SECONDS 20U /* saving is given up after this: an init system waits for us */

/* The outcome of a start for a file that was there. All zeros: there was none. */
struct ks_kept {
	bool found;
	char refused[KS_SAVED_ERROR]; /* why nothing of it was taken; "" if it was */
	struct ks_saved_outcome outcome;
};

/*
 * Makes the persistent directory ready, and finds out if the states of a kernel can be saved there: before the firewall is taken away.
 * Returns 0 or -errno.
 */
int ks_keep_prepare(const struct ks_instance *instance, const struct ks_kernel *kernel);

/*
 * Saves the states of a kernel. `quiet`: its hooks are off. Sets *flows to how many there are. Returns 0 or -errno: no file is
 * there then, nor an older one.
 */
int ks_keep_save(const struct ks_instance *instance, const struct ks_kernel *kernel, const struct ks_ids *ids,
		 bool quiet, __u64 *flows);

/* Takes the file's states into the table of a kernel that has the policy and no hooks yet. Says what it did. */
void ks_keep_restore(const struct ks_instance *instance, struct ks_kernel *kernel, const struct ks_policy *policy,
		     struct ks_kept *kept);

void ks_keep_forget(const struct ks_instance *instance);

/* Returns true if there is a file. */
bool ks_keep_exists(const struct ks_instance *instance, char path[KS_INSTANCE_PATH]);

#define KS_KEEP_TEXT 400

/* "120 saved states were taken back; 3 were not: 2 expired": a sentence for people. */
void ks_keep_text(const struct ks_kept *kept, char text[KS_KEEP_TEXT]);

/* The same for GET /v1/status; null if there was no file. */
json_t *ks_keep_json(const struct ks_kept *kept);

#endif
