/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The persistent directory of an instance: files that outlive the machine's reboot, which /run/keepstate does not.
 *
 *   /var/lib/keepstate/NAME/policy     the last good policy
 *   /var/lib/keepstate/NAME/sets       the run-time sets that are kept
 *   /var/lib/keepstate/NAME/sets.beyond-limit  the file of a start at which they were more than the limit
 *   /var/lib/keepstate/NAME/sets.before  the run-time sets as a trial found them
 *   /var/lib/keepstate/NAME/unconfirmed  the note of a policy on trial
 *   /var/lib/keepstate/NAME/tried      that policy, which is the last good one if it is confirmed
 *   /var/lib/keepstate/NAME/owner      the boot and the network namespace that the directory belongs to; not for "host"
 *
 * A network namespace other than the host's ends with the boot at the latest, and the inode number in its NAME may be used again.
 * A directory of an earlier one is emptied before it is used. The firewall works without the directory: /var/lib may be read-only or
 * not mounted.
 */
#ifndef KS_DAEMON_PERSISTENT_H
#define KS_DAEMON_PERSISTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "daemon/instance.h"

/* Files that are removed with the firewall, unlike the others. */
#define KS_TRIAL_NOTE "unconfirmed"
#define KS_TRIED_POLICY "tried"
#define KS_SETS_TRIAL_FILE "sets.before"

/*
 * Makes the directory (mode 0700) if it is not there, and empties it if it is of another network namespace. To be called by
 * the holder of the lock, before a file in it is read or written. Returns 0 or -errno: there is no such directory then.
 */
int ks_persistent_prepare(const struct ks_instance *instance);

#define KS_OWNER_TEXT 128

/* Names the present boot and the network namespace, as the directory's owner is named. */
void ks_persistent_name_owner(const struct ks_instance *instance, char owner[KS_OWNER_TEXT]);

/* Reads whose directory it is, "" if nobody's: the boot, a space, the network namespace's cookie. Not for "host". */
void ks_persistent_owner(const struct ks_instance *instance, char owner[KS_OWNER_TEXT]);

/* Returns true if the directory is there and of this network namespace. */
bool ks_persistent_is_ours(const struct ks_instance *instance);

/* Writes the path of a file in the directory into `path`. Returns 0 or -ENAMETOOLONG. */
int ks_persistent_path(const struct ks_instance *instance, const char *name, char path[KS_INSTANCE_PATH]);

/* Writes the contents of a file. Returns 0 or -errno. */
typedef int ks_persistent_fn(FILE *out, void *arg);

/*
 * Replaces a file of the directory: `fill` writes its contents beside the old one, and once the disk has them they take its
 * place. After a crash the file is the old one or the new one, whole.
 */
int ks_persistent_replace(const struct ks_instance *instance, const char *name, ks_persistent_fn *fill, void *arg);

/* Reads all of a file, which is no link. Returns 0 or -errno; *bytes is the caller's to free. */
int ks_persistent_read(const char *path, char **bytes, size_t *size);

/* Puts a file of the directory in the place of another, as safely. */
int ks_persistent_rename(const struct ks_instance *instance, const char *from, const char *to);

#define KS_BOOT_TEXT 64

/* Names the present boot of the machine; "" where the kernel does not tell. */
void ks_persistent_boot(char boot[KS_BOOT_TEXT]);

/* Removes a file of the directory; 0 if it is not there. */
int ks_persistent_remove(const struct ks_instance *instance, const char *name);

#endif
