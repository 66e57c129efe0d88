/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The backstop's hooks (bpf/backstop.bpf.c): four netfilter links, pinned as
 * links/FAMILY-HOOK. They cannot be updated, so programs of another build are
 * replaced by adding a link and then dropping the old one. BPF programs of one
 * hook must have different priorities: a few numbers from the earliest one on are ours.
 *
 * The earliest place, because nothing that other netfilter users decide or
 * translate here matters to a seal, and they shall neither answer nor log what
 * never should have come so far. Destinations are translated before, in
 * prerouting, and that changes no seal.
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

/* Of linux/netfilter.h, which does not go together with net/if.h. */
enum { PF_IPV4 = 2, PF_IPV6 = 10 };
enum { HOOK_LOCAL_IN = 1, HOOK_FORWARD = 2 };

static const struct {
	const char *name;
	unsigned pf;
	unsigned hook;
	enum ks_kernel_program program;
} places[] = {
	{ "ipv4-input", PF_IPV4, HOOK_LOCAL_IN, KS_PROGRAM_BACKSTOP_INPUT },
	{ "ipv4-forward", PF_IPV4, HOOK_FORWARD, KS_PROGRAM_BACKSTOP_FORWARD },
	{ "ipv6-input", PF_IPV6, HOOK_LOCAL_IN, KS_PROGRAM_BACKSTOP_INPUT },
	{ "ipv6-forward", PF_IPV6, HOOK_FORWARD, KS_PROGRAM_BACKSTOP_FORWARD },
};

/* Returns the pinned link of a place and the id of its program, or -errno. */
static int get(const struct ks_kernel *kernel, unsigned place, __u32 *program)
{
	struct ks_bpf_link_info info;
	int fd = ks_pin_get(kernel->pin_dir, KS_PIN_LINKS, places[place].name);

	if (fd < 0)
		return fd;
	if (ks_bpf_link_info(fd, &info)) {
		close(fd);
		return -EINVAL;
	}
	*program = info.prog_id;
	return fd;
}

static int attach(const struct ks_kernel *kernel, unsigned place)
{
	int fd = -EBUSY;

	for (int i = 0; i < KS_PRIORITIES && fd == -EBUSY; i++)
		fd = ks_bpf_netfilter_attach(kernel->programs[places[place].program], places[place].pf,
					     places[place].hook, KS_PRIORITY_FIRST + i);
	return fd;
}

static int raise_one(const struct ks_kernel *kernel, unsigned place)
{
	__u32 program = 0;
	int old = get(kernel, place, &program), new, err = 0;

	if (old >= 0 && program == ks_bpf_program_id(kernel->programs[places[place].program])) {
		close(old);
		return 0;
	}
	new = attach(kernel, place);
	if (new >= 0)
		err = ks_pin_put(new, kernel->pin_dir, KS_PIN_LINKS, places[place].name);
	if (new >= 0 && !err && old >= 0)
		ks_bpf_link_detach(old);
	if (old >= 0)
		close(old);
	if (new < 0)
		return new;
	close(new);
	return err;
}

static void tell_programs(struct ks_control *control, bool in_force)
{
	if (in_force)
		__atomic_fetch_or(&control->flags, KS_CONTROL_BACKSTOP, __ATOMIC_RELEASE);
	else
		__atomic_fetch_and(&control->flags, ~KS_CONTROL_BACKSTOP, __ATOMIC_RELEASE);
}

/* Returns true if every place has a link, of this build or of another one. */
static bool is_everywhere(const struct ks_kernel *kernel)
{
	bool all = true;

	for (unsigned i = 0; all && i < KS_ARRAY_SIZE(places); i++) {
		__u32 program;
		int fd = get(kernel, i, &program);

		all = fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	return all;
}

int ks_kernel_raise_backstop(struct ks_kernel *kernel)
{
	int err;

	if (!kernel->pin_dir || kernel->programs[KS_PROGRAM_BACKSTOP_INPUT] < 0)
		return -EOPNOTSUPP;
	err = ks_pin_make_folder(kernel->pin_dir, KS_PIN_LINKS);
	for (unsigned i = 0; !err && i < KS_ARRAY_SIZE(places); i++)
		err = raise_one(kernel, i);
	if (err)
		ks_kernel_complain("cannot attach the backstop to netfilter: %s", strerror(-err));
	tell_programs(kernel->control, is_everywhere(kernel));
	return err;
}

/* The control block of an instance that perhaps nobody has open. */
static void tell_pinned(const char *pin_dir)
{
	int fd = ks_pin_get(pin_dir, KS_PIN_MAPS, ks_kernel_map_name(KS_MAP_CONTROL));
	struct ks_control *control;

	if (fd < 0)
		return;
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (control != MAP_FAILED) {
		tell_programs(control, false);
		munmap(control, sizeof(*control));
	}
	close(fd);
}

int ks_kernel_lower_backstop(const char *pin_dir)
{
	int err = 0;

	tell_pinned(pin_dir); /* first: what is undecided must not be let through for the backstop to judge */
	for (unsigned i = 0; i < KS_ARRAY_SIZE(places); i++)
		err = ks_pin_remove_link(pin_dir, places[i].name) ?: err;
	return err;
}

bool ks_kernel_backstop(const struct ks_kernel *kernel)
{
	bool all = kernel->control->flags & KS_CONTROL_BACKSTOP;

	for (unsigned i = 0; all && i < KS_ARRAY_SIZE(places); i++) {
		__u32 program = 0;
		int fd = get(kernel, i, &program);

		all = fd >= 0 && program == ks_bpf_program_id(kernel->programs[places[i].program]);
		if (fd >= 0)
			close(fd);
	}
	return all;
}
