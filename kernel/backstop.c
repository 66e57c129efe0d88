/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hooks of the backstop (bpf/backstop.bpf.c): four netfilter links, pinned
 * as links/FAMILY-HOOK. A netfilter link cannot be updated, so programs of
 * another build are replaced by adding a link and then dropping the old one. BPF
 * programs of one hook must have different priorities: a few numbers from the
 * earliest one on are ours.
 *
 * Ours run before all other netfilter users. Those could not change a seal, and
 * must neither answer nor log a packet that the backstop drops. Only the
 * translation of destinations, in prerouting, runs earlier; it changes no seal.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/bpf.h"
#include "kernel/internal.h"

#define KS_PRIORITY_FIRST (INT_MIN + 1) /* INT_MIN itself is refused to BPF programs */
#define KS_PRIORITIES 8

/* From linux/netfilter.h, which cannot be included together with net/if.h. */
enum { PF_IPV4 = 2, PF_IPV6 = 10 };
enum { HOOK_LOCAL_IN = 1, HOOK_FORWARD = 2 };

static const struct {
	const char *name;
	unsigned pf;
	unsigned hook;
	enum ks_kernel_program program;
} sites[] = {
	{ "ipv4-input", PF_IPV4, HOOK_LOCAL_IN, KS_PROGRAM_BACKSTOP_INPUT },
	{ "ipv4-forward", PF_IPV4, HOOK_FORWARD, KS_PROGRAM_BACKSTOP_FORWARD },
	{ "ipv6-input", PF_IPV6, HOOK_LOCAL_IN, KS_PROGRAM_BACKSTOP_INPUT },
	{ "ipv6-forward", PF_IPV6, HOOK_FORWARD, KS_PROGRAM_BACKSTOP_FORWARD },
};

/* Returns the pinned link of a site, with the id of its program in *program, or -errno. */
static int get_link(const struct ks_kernel *kernel, unsigned site, __u32 *program)
{
	struct ks_bpf_link_info info;
	ks_auto_fd int fd = ks_pin_get(kernel->pin_dir, KS_PIN_LINKS, sites[site].name);

	if (fd >= 0 && ks_bpf_link_info(fd, &info))
		return -EINVAL;
	if (fd >= 0)
		*program = info.prog_id;
	return TAKE_FD(fd);
}

static int attach_netfilter(const struct ks_kernel *kernel, unsigned site)
{
	int fd = -EBUSY;

	for (int i = 0; i < KS_PRIORITIES && fd == -EBUSY; i++)
		fd = ks_bpf_netfilter_attach(kernel->programs[sites[site].program], sites[site].pf, sites[site].hook,
					     KS_PRIORITY_FIRST + i);
	return fd;
}

static int raise_one(const struct ks_kernel *kernel, unsigned site)
{
	__u32 program = 0;
	ks_auto_fd int old = get_link(kernel, site, &program);
	ks_auto_fd int new = -1;
	int err;

	if (old >= 0 && program == ks_bpf_program_id(kernel->programs[sites[site].program]))
		return 0;
	new = attach_netfilter(kernel, site);
	if (new < 0)
		return new;
	err = ks_pin_put(new, kernel->pin_dir, KS_PIN_LINKS, sites[site].name);
	if (!err && old >= 0)
		ks_bpf_link_detach(old);
	return err;
}

static void tell_programs(struct ks_control *control, bool in_force)
{
	if (in_force)
		__atomic_fetch_or(&control->flags, KS_CONTROL_BACKSTOP, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(&control->flags, ~(__u32)KS_CONTROL_BACKSTOP, __ATOMIC_RELEASE);
}

/* Returns true if every site has a link, of this build or of another one. */
static bool is_everywhere(const struct ks_kernel *kernel)
{
	bool all = true;

	for (unsigned i = 0; all && i < KS_ARRAY_SIZE(sites); i++) {
		__u32 program;
		ks_auto_fd int fd = get_link(kernel, i, &program);

		all = fd >= 0;
	}
	return all;
}

int ks_kernel_raise_backstop(struct ks_kernel *kernel)
{
	bool everywhere;
	int err;

	if (!kernel->pin_dir || kernel->programs[KS_PROGRAM_BACKSTOP_INPUT] < 0)
		return -EOPNOTSUPP;
	err = ks_pin_make_folder(kernel->pin_dir, KS_PIN_LINKS);
	for (unsigned i = 0; !err && i < KS_ARRAY_SIZE(sites); i++)
		err = raise_one(kernel, i);
	everywhere = is_everywhere(kernel);
	tell_programs(kernel->control, everywhere);
	if (!err && !everywhere) /* somebody removes pins at this moment */
		err = -EAGAIN;
	if (err)
		ks_kernel_complain("cannot attach the backstop to netfilter: %s", strerror(-err));
	return err;
}

/* Tells the programs through the pinned control block: there may be no daemon that has it open. */
static void tell_pinned(const char *pin_dir)
{
	ks_auto_fd int fd = ks_pin_get(pin_dir, KS_PIN_MAPS, ks_kernel_map_name(KS_MAP_CONTROL));
	struct ks_control *control;

	if (fd < 0)
		return;
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (control != MAP_FAILED) {
		tell_programs(control, false);
		munmap(control, sizeof(*control));
	}
}

int ks_kernel_lower_backstop(const char *pin_dir)
{
	int err = 0;

	tell_pinned(pin_dir); /* first: what is undecided must not be let through for the backstop to judge */
	for (unsigned i = 0; i < KS_ARRAY_SIZE(sites); i++)
		err = ks_pin_remove_link(pin_dir, sites[i].name) ?: err;
	return err;
}

bool ks_kernel_backstop(const struct ks_kernel *kernel)
{
	bool all = kernel->control->flags & KS_CONTROL_BACKSTOP;

	for (unsigned i = 0; all && i < KS_ARRAY_SIZE(sites); i++) {
		__u32 program = 0;
		ks_auto_fd int fd = get_link(kernel, i, &program);

		all = fd >= 0 && program == ks_bpf_program_id(kernel->programs[sites[i].program]);
	}
	return all;
}
