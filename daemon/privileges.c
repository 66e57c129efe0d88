/* SPDX-License-Identifier: BSD-2-Clause */
/* See privileges.h. By the system calls themselves: there are two, and a library would bring more than them. */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "core/types.h"
#include "daemon/privileges.h"
#include "daemon/report.h"

static const unsigned needed[] = {
	CAP_BPF, /* maps and programs: a reload, another build's table */
	CAP_PERFMON, /* programs that compare pointers */
	CAP_NET_ADMIN, /* hooks, news of interfaces and routes */
	CAP_NET_RAW, /* resets of connections whose address is lost */
	CAP_DAC_READ_SEARCH, /* a policy in somebody's own directory */
};

static __u64 needed_mask(void)
{
	__u64 mask = 0;

	for (unsigned i = 0; i < KS_ARRAY_SIZE(needed); i++)
		mask |= 1ULL << needed[i];
	return mask;
}

/* Leaves what is not in the mask out of the set that an executed program could get. It needs CAP_SETPCAP; without, it is left as it is. */
static void bound(__u64 mask)
{
	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
		if (!(mask & 1ULL << cap))
			prctl(PR_CAPBSET_DROP, cap);
	}
}

static int drop(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
	__u64 mask = needed_mask();

	if (syscall(SYS_capget, &head, sets))
		return -errno;
	bound(mask);
	for (unsigned i = 0; i < KS_ARRAY_SIZE(sets); i++) {
		sets[i].permitted &= (__u32)(mask >> (32 * i));
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, sets) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return 0;
}

void ks_privileges_drop(void)
{
	int err = drop();

	if (err)
		ks_report_error("cannot drop the capabilities that are not needed any more: %s", strerror(-err));
}
