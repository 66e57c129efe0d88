/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose journal it is. A network namespace other than the host's has the number of its inode as its name, which another one gets when it is gone:
 * that must not continue the journal of a stranger. So the boot and the namespace's cookie, which is never used again, lie beside the file.
 */
#ifndef KS_JOURNAL_OWNER_H
#define KS_JOURNAL_OWNER_H

#include "daemon/instance.h"

/*
 * Puts the files of another network namespace aside, as journal.db.old, and notes whose they are from now on. To be called as root, before the
 * file is opened. Returns 0 or -errno.
 */
int ks_owner_settle(const struct ks_instance *instance, int directory_fd);

#endif
