/* SPDX-License-Identifier: BSD-2-Clause */
/* See rights.h. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/landlock.h>

#include "core/types.h"
#include "page/rights.h"
#include "text/scoped.h"

#define KS_PAGE_USER "keepstate-page"
#define KS_NOBODY 65534

/* Everything that the first version of Landlock knows. */
#define KS_CHANGES                                                                                     \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |  \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define KS_READS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

/* Nothing that is executed from here on gets any. It needs CAP_SETPCAP; without, no_new_privs is what holds. */
static void bound(void)
{
	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap);
}

int ks_rights_drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };

	bound();
	if (syscall(SYS_capset, &head, sets) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return 0;
}

int ks_rights_become_page(void)
{
	const struct passwd *user = geteuid() ? NULL : getpwnam(KS_PAGE_USER);
	uid_t uid = user ? user->pw_uid : KS_NOBODY;
	gid_t gid = user ? user->pw_gid : KS_NOBODY;

	if (geteuid())
		return 0;
	bound(); /* while there is the right to */
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return -errno;
	return 0;
}

/* No rule allows anything of what is handled, so all of it is denied. */
static void deny(__u64 accesses)
{
	const struct landlock_ruleset_attr attributes = { .handled_access_fs = accesses };
	ks_auto_fd int fd = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);

	if (fd >= 0)
		syscall(SYS_landlock_restrict_self, fd, 0);
}

void ks_rights_deny_files(void)
{
	deny(KS_CHANGES | KS_READS);
}

void ks_rights_deny_changes(void)
{
	deny(KS_CHANGES);
}
