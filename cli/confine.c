/* SPDX-License-Identifier: BSD-2-Clause */
/* See confine.h. */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/landlock.h>

#include "cli/confine.h"
#include "core/types.h"
#include "text/scoped.h"

/* Everything that the first version of Landlock knows but reading. */
#define KS_DENIED                                                                                      \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |  \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |   \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)

static void keep_capabilities(__u32 mask)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, sets))
		return;
	for (unsigned i = 0; i < KS_ARRAY_SIZE(sets); i++) {
		sets[i].permitted &= i ? 0 : mask;
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	syscall(SYS_capset, &head, sets);
}

/* No rule allows anything of what is handled, so all of it is denied. Files that are open stay so. */
static void deny_files(__u64 access)
{
	const struct landlock_ruleset_attr attributes = { .handled_access_fs = access };
	ks_auto_fd int fd = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);

	if (fd >= 0)
		syscall(SYS_landlock_restrict_self, fd, 0);
}

void ks_cli_confine(bool writes)
{
	keep_capabilities(1U << CAP_DAC_READ_SEARCH);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!writes)
		deny_files(KS_DENIED);
}

void ks_cli_confine_all(void)
{
	tzset(); /* it reads a file, and schedules are in local time */
	keep_capabilities(0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	deny_files(KS_DENIED | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
}
