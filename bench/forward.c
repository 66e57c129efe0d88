// SPDX-License-Identifier: BSD-2-Clause
/*
 * The bare router of bench.bpf.c on the interfaces of --device (names between commas), until standard input ends: the least that
 * forwarding by XDP costs where nothing is remembered.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "bench/bench.h"
#include "bench/programs.h"
#include "bench/bench.skel.h"

#define DEVICES_MAX 16U

static int devices_parse(const char *text, unsigned devices[DEVICES_MAX], unsigned *count)
{
	char names[DEVICES_MAX * IF_NAMESIZE], *rest = names, *name;

	*count = 0;
	snprintf(names, sizeof(names), "%s", text ? text : "");
	while ((name = strsep(&rest, ",")) && *count < DEVICES_MAX) {
		unsigned ifindex = if_nametoindex(name);

		if (!ifindex)
			return bench_fail(-ENODEV, "%s", name);
		devices[(*count)++] = ifindex;
	}
	return 0;
}

/* Attaches to one, and lets frames be sent by it. */
static int put(const struct bench_programs *programs, __u32 device)
{
	const struct bench_bpf *s = programs->skeleton;
	int err;

	if (bpf_map_update_elem(bpf_map__fd(s->maps.bare_devices), &device, &device, BPF_ANY))
		return bench_fail(-errno, "the map of devices");
	err = bpf_xdp_attach((int)device, bpf_program__fd(s->progs.bare_forward), XDP_FLAGS_DRV_MODE, NULL);
	return err ? bench_fail(err, "XDP in the driver of interface %u", device) : 0;
}

int bench_forward(const struct bench_opts *opts)
{
	struct bench_programs programs = { 0 };
	unsigned devices[DEVICES_MAX], count = 0, attached = 0;
	int err = devices_parse(opts->device, devices, &count);

	if (!err && !count)
		return bench_fail(-EINVAL, "forward needs --device");
	if (!err)
		err = bench_programs_init(&programs, BENCH_HOOK_XDP, 1);
	if (err)
		return err;
	while (!err && attached < count)
		err = put(&programs, devices[attached++]);
	if (!err) {
		puts("{\"ready\": true}");
		while (getchar() != EOF)
			;
	}
	while (attached)
		bpf_xdp_detach((int)devices[--attached], XDP_FLAGS_DRV_MODE, NULL);
	bench_programs_fini(&programs);
	return err;
}
