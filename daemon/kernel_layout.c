/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of other builds: which layouts can be read (core/layout.h). */
#include <errno.h>

#include <bpf/bpf.h>

#include "core/layout.h"
#include "kernel_priv.h"

int ks_kernel_check_layout(int shape_fd)
{
	struct ks_table_shape shape = { 0 };
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info), zero = 0;

	if (bpf_obj_get_info_by_fd(shape_fd, &info, &length))
		return -errno;
	if (info.value_size == sizeof(shape) && bpf_map_lookup_elem(shape_fd, &zero, &shape))
		return -errno;
	if (shape.layout == KS_TABLE_LAYOUT)
		return 0;
	ks_kernel_complain("the running firewall was started by another version of Keepstate, whose table has layout %u "
			   "(here: %u): its states cannot be read. Stop it (keepstate stop), then start again",
			   shape.layout, KS_TABLE_LAYOUT);
	return -EMEDIUMTYPE;
}
