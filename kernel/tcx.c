/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hooks by tcx links (Linux 6.6). A link is pinned as links/IFINDEX-ingress or
 * -egress, so that it outlives us; its program is replaced in place. It needs
 * no qdisc and touches nobody's: tcx programs run before all tc filters, and
 * ours before all other tcx programs.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/bpf.h"
#include "kernel/internal.h"

#define KS_TCX_PROGRAMS_MAX 64 /* the kernel's own bound */
#define KS_LINK_NAME 32

static const unsigned attach_types[] = {
	[KS_AT_INGRESS] = KS_BPF_TCX_INGRESS,
	[KS_AT_EGRESS] = KS_BPF_TCX_EGRESS,
};

static const char *const suffixes[] = { [KS_AT_INGRESS] = "ingress", [KS_AT_EGRESS] = "egress" };

static void link_name(char name[KS_LINK_NAME], unsigned ifindex, unsigned at)
{
	snprintf(name, KS_LINK_NAME, "%u-%s", ifindex, suffixes[at]);
}

/* Returns the pinned link if it is on the interface still, or -errno. */
static int link_get(const char *pin_dir, unsigned ifindex, unsigned at, __u32 *program)
{
	struct ks_bpf_link_info info;
	char name[KS_LINK_NAME];
	ks_auto_fd int fd = -1;

	link_name(name, ifindex, at);
	fd = ks_pin_get(pin_dir, KS_PIN_LINKS, name);
	if (fd < 0)
		return fd;
	if (ks_bpf_link_info(fd, &info) || info.type != KS_BPF_LINK_TYPE_TCX || info.tcx.ifindex != ifindex)
		return -ENODEV;
	*program = info.prog_id;
	return TAKE_FD(fd);
}

static bool link_is_first(unsigned ifindex, unsigned at, __u32 program)
{
	__u32 first = 0;
	unsigned count = 1;

	return !ks_bpf_tcx_query(ifindex, attach_types[at], &first, &count) && count && first == program;
}

void ks_tcx_state(const struct ks_kernel *kernel, unsigned ifindex, unsigned at, bool *present, bool *first)
{
	__u32 ids[KS_TCX_PROGRAMS_MAX], own = ks_bpf_program_id(ks_hook_program(kernel, at, KS_VARIANT_OWN));
	unsigned count = KS_TCX_PROGRAMS_MAX;

	*present = *first = false;
	if (ks_bpf_tcx_query(ifindex, attach_types[at], ids, &count))
		return;
	for (unsigned i = 0; i < count; i++)
		*present |= ids[i] == own;
	*first = count && ids[0] == own;
}

bool ks_tcx_has_others(unsigned ifindex, unsigned at)
{
	__u32 ids[KS_TCX_PROGRAMS_MAX];
	unsigned count = KS_TCX_PROGRAMS_MAX;

	return !ks_bpf_tcx_query(ifindex, attach_types[at], ids, &count) && count > 1;
}

static int complain_of_hook(unsigned ifindex, unsigned at, int err)
{
	ks_kernel_complain("cannot attach to the %s of interface %u: %s", suffixes[at], ifindex, strerror(-err));
	return err;
}

/* Makes the first link of the hook and pins it in place of the one that was. Returns it, or -errno. */
static int put_first(const struct ks_kernel *kernel, unsigned ifindex, unsigned at, enum ks_hook_variant variant)
{
	ks_auto_fd int fd = ks_bpf_tcx_attach(ks_hook_program(kernel, at, variant), ifindex, attach_types[at]);
	char name[KS_LINK_NAME];
	int err;

	if (fd < 0)
		return complain_of_hook(ifindex, at, fd);
	link_name(name, ifindex, at);
	err = ks_pin_make_folder(kernel->pin_dir, KS_PIN_LINKS) ?: ks_pin_put(fd, kernel->pin_dir, KS_PIN_LINKS, name);
	return err ?: TAKE_FD(fd);
}

/* Puts our program into the link, after any filter of ours behind it is gone. */
static int switch_link(unsigned ifindex, unsigned at, int link, int own)
{
	int err = ks_clsact_detach(ifindex, at) ?: ks_bpf_link_update(link, own);

	return err ? complain_of_hook(ifindex, at, err) : 0;
}

/* Makes a link where there is none, and removes a filter of ours from clsact. bpf/hook.bpf.c explains the steps. */
static int attach_new(const struct ks_kernel *kernel, unsigned ifindex, unsigned at)
{
	int by_clsact = ks_clsact_step_back(kernel, ifindex, at);
	ks_auto_fd int fd = -1;

	if (by_clsact < 0)
		return by_clsact;
	fd = put_first(kernel, ifindex, at, by_clsact ? KS_VARIANT_FIRST : KS_VARIANT_OWN);
	if (fd < 0)
		return fd;
	return by_clsact ? switch_link(ifindex, at, fd, ks_hook_program(kernel, at, KS_VARIANT_OWN)) : 0;
}

/* Somebody is before our link. A link cannot be moved, so another one replaces it. */
static int replace_link(const struct ks_kernel *kernel, unsigned ifindex, unsigned at, int old)
{
	int err = ks_bpf_link_update(old, ks_hook_program(kernel, at, KS_VARIANT_LATER));
	ks_auto_fd int new = -1;

	if (err)
		return complain_of_hook(ifindex, at, err);
	new = put_first(kernel, ifindex, at, KS_VARIANT_FIRST);
	if (new < 0) /* still guarded, but not first: it is tried again */
		return new;
	ks_bpf_link_detach(old);
	err = ks_bpf_link_update(new, ks_hook_program(kernel, at, KS_VARIANT_OWN));
	return err ? complain_of_hook(ifindex, at, err) : 0;
}

int ks_tcx_attach(const struct ks_kernel *kernel, unsigned ifindex, unsigned at)
{
	int own = ks_hook_program(kernel, at, KS_VARIANT_OWN);
	__u32 program;
	ks_auto_fd int fd = link_get(kernel->pin_dir, ifindex, at, &program);

	if (fd < 0)
		return attach_new(kernel, ifindex, at);
	if (!link_is_first(ifindex, at, program))
		return replace_link(kernel, ifindex, at, fd);
	return program == ks_bpf_program_id(own) ? 0 : switch_link(ifindex, at, fd, own);
}

int ks_tcx_detach(const char *pin_dir, unsigned ifindex, unsigned at)
{
	char name[KS_LINK_NAME];

	link_name(name, ifindex, at);
	return ks_pin_remove_link(pin_dir, name);
}

/* Drops a link that nobody will ask for again: its interface is gone or not guarded, or a move was cut short. */
static void prune_one(const char *name, void *arg)
{
	const struct ks_kernel *kernel = arg;
	char suffix[KS_LINK_NAME];
	struct ks_guard guard;
	unsigned ifindex;
	__u32 program;
	ks_auto_fd int fd = -1;

	if (sscanf(name, "%u%31s", &ifindex, suffix) == 2 && !strcmp(suffix, KS_FRONT_SUFFIX) &&
	    ks_kernel_guard(kernel, ifindex, &guard) && ks_front_link_is_alive(kernel->pin_dir, ifindex))
		return;
	if (sscanf(name, "%u-%31s", &ifindex, suffix) != 2) { /* of the backstop */
		if (name[strlen(name) - 1] == KS_PIN_FRESH[0])
			ks_pin_remove_link(kernel->pin_dir, name);
		return;
	}
	for (unsigned at = 0; at < KS_AT_MAX; at++) {
		if (!strcmp(suffix, suffixes[at]) && ks_kernel_guard(kernel, ifindex, &guard))
			fd = link_get(kernel->pin_dir, ifindex, at, &program);
	}
	if (fd < 0)
		ks_pin_remove_link(kernel->pin_dir, name);
}

void ks_tcx_prune(struct ks_kernel *kernel)
{
	ks_pin_each(kernel->pin_dir, KS_PIN_LINKS, prune_one, kernel);
}
