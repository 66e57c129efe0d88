/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front (bpf/front.bpf.c) on interfaces: an XDP link in the driver, pinned as links/IFINDEX-xdp. An interface has one XDP
 * program; another one that is there is left alone, and while our link is there nobody else's takes its place.
 *
 * The program is loaded when the first interface wants it: most firewalls do without, and a kernel whose verifier refuses it
 * keeps all the rest.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kernel/bpf.h"
#include "kernel/internal.h"

#define KS_LINK_NAME 32

static void link_name(char name[KS_LINK_NAME], unsigned ifindex)
{
	snprintf(name, KS_LINK_NAME, "%u" KS_FRONT_SUFFIX, ifindex);
}

/* Returns the pinned link if it is on the interface still, or -errno. */
static int link_get(const char *pin_dir, unsigned ifindex, __u32 *program)
{
	struct ks_bpf_link_info info;
	char name[KS_LINK_NAME];
	ks_auto_fd int fd = -1;

	link_name(name, ifindex);
	fd = ks_pin_get(pin_dir, KS_PIN_LINKS, name);
	if (fd < 0)
		return fd;
	if (ks_bpf_link_info(fd, &info) || info.type != BPF_LINK_TYPE_XDP || info.xdp.ifindex != ifindex)
		return -ENODEV;
	*program = info.prog_id;
	return TAKE_FD(fd);
}

bool ks_front_link_is_alive(const char *pin_dir, unsigned ifindex)
{
	__u32 program;
	ks_auto_fd int fd = link_get(pin_dir, ifindex, &program);

	return fd >= 0;
}

/* Loads the program and pins it, so that whoever takes over finds it. */
static int program_get(struct ks_kernel *kernel)
{
	char build[KS_BUILD_TEXT];
	int err;

	if (kernel->programs[KS_PROGRAM_FRONT] >= 0)
		return 0;
	if (kernel->front_error)
		return kernel->front_error;
	ks_kernel_build(build);
	err = ks_kernel_load_front(kernel)
		      ?: ks_pin_put(kernel->programs[KS_PROGRAM_FRONT], kernel->pin_dir, build,
				    ks_kernel_program_name(KS_PROGRAM_FRONT));
	kernel->front_error = err ? -ENOEXEC : 0;
	return kernel->front_error;
}

static int attach_new(const struct ks_kernel *kernel, unsigned ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_DRV_MODE);
	ks_auto_fd int fd = bpf_link_create(kernel->programs[KS_PROGRAM_FRONT], (int)ifindex, BPF_XDP, &opts);
	char name[KS_LINK_NAME];

	if (fd < 0)
		return errno == EEXIST ? -EBUSY : -errno; /* EEXIST: one in generic mode */
	link_name(name, ifindex);
	return ks_pin_make_folder(kernel->pin_dir, KS_PIN_LINKS) ?: ks_pin_put(fd, kernel->pin_dir, KS_PIN_LINKS, name);
}

int ks_kernel_attach_front(struct ks_kernel *kernel, unsigned ifindex)
{
	int err = kernel->pin_dir ? program_get(kernel) : -EOPNOTSUPP;
	ks_auto_fd int fd = -1;
	__u32 program;

	if (err)
		return err;
	fd = link_get(kernel->pin_dir, ifindex, &program);
	if (fd < 0)
		return attach_new(kernel, ifindex);
	if (program == ks_bpf_program_id(kernel->programs[KS_PROGRAM_FRONT]))
		return 0;
	return ks_bpf_link_update(fd, kernel->programs[KS_PROGRAM_FRONT]);
}

int ks_kernel_detach_front(const char *pin_dir, unsigned ifindex)
{
	char name[KS_LINK_NAME];

	link_name(name, ifindex);
	return ks_pin_is_there(pin_dir, KS_PIN_LINKS, name) ? ks_pin_remove_link(pin_dir, name) : 0;
}

bool ks_kernel_has_front(const struct ks_kernel *kernel, unsigned ifindex)
{
	__u32 program = 0;
	ks_auto_fd int fd = kernel->pin_dir ? link_get(kernel->pin_dir, ifindex, &program) : -1;

	return fd >= 0 && program == ks_bpf_program_id(kernel->programs[KS_PROGRAM_FRONT]);
}
