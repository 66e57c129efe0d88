/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of other builds: which layouts can be read (core/table/layout.h), and when a
 * takeover makes a new table instead of keeping the old one.
 */
#include <errno.h>

#include <bpf/bpf.h>

#include "core/table/layout.h"
#include "kernel/internal.h"

/* The tags moved with layout 4, from the heads of the buckets to behind them; the entries are the same. */
static bool entry_keep(struct ks_slot *slot)
{
	(void)slot;
	return true;
}

/*
 * A build of layout `to` can take over a table of layout `from`: by a function
 * that makes a new entry of an old one, or as it is (NULL), where states and kinds
 * were only appended, and what was always zero got another meaning besides.
 */
static const struct {
	__u32 from, to;
	ks_convert_fn *convert;
} layouts[] = {
	{ KS_TABLE_LAYOUT, KS_TABLE_LAYOUT, NULL },
	/* KS_MEMORY_HIGH came within 3: a memory without it is looked for on the other side when one makes room, nothing else. */
	{ 1, KS_TABLE_LAYOUT, entry_keep },
	{ 2, KS_TABLE_LAYOUT, entry_keep },
	{ 3, KS_TABLE_LAYOUT, entry_keep },
	{ 4, KS_TABLE_LAYOUT, NULL }, /* ks_flow.outer was zero */
};

static int read_shape(int fd, struct ks_table_shape *shape)
{
	struct bpf_map_info info = { 0 };
	__u32 length = sizeof(info), zero = 0;

	*shape = (struct ks_table_shape){ 0 };
	if (bpf_obj_get_info_by_fd(fd, &info, &length))
		return -errno;
	if (info.value_size != sizeof(*shape))
		return 0; /* from before layouts had numbers */
	return bpf_map_lookup_elem(fd, &zero, shape) ? -errno : 0;
}

static int refuse_layout(__u32 layout)
{
	ks_kernel_complain(
		"the running firewall was started by another version of Keepstate, whose table has layout %u "
		"(here: %u): its states cannot be read. Stop it by its own `keepstate stop --save`, then start again: "
		"they come along in a file",
		layout, KS_TABLE_LAYOUT);
	return -EMEDIUMTYPE;
}

int ks_takeover_plan(int shape_fd, const struct ks_policy *policy, struct ks_takeover *takeover)
{
	__u32 wanted = policy ? ks_table_buckets(ks_table_entries(&policy->config)) : 0;
	struct ks_table_shape shape;
	int err = read_shape(shape_fd, &shape);
	size_t i = 0;

	if (err)
		return err;
	while (i < KS_ARRAY_SIZE(layouts) && (layouts[i].from != shape.layout || layouts[i].to != KS_TABLE_LAYOUT))
		i++;
	if (i == KS_ARRAY_SIZE(layouts))
		return refuse_layout(shape.layout);
	takeover->convert = layouts[i].convert;
	takeover->old = shape;
	takeover->buckets = takeover->convert || wanted > shape.buckets ? KS_MAX(wanted, shape.buckets) : 0;
	return 0;
}
