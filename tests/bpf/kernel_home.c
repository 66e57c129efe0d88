/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's programs as a home of scenarios; see kernel_home.h. */
#include "tests/bpf/kernel_home.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/nat/port.h"
#include "engine/entries.h"
#include "kernel/internal.h"
#include "tests/bpf/kernel_clean.h"
#include "tests/bpf/kernel_told.h"
#include "tests/bpf/xdp_hold.h"

#define ETHER_HEADER 14
#define FRAME_MAX 3000
#define OUTPUT_MAX KS_PASSAGE_OUTPUT_MAX /* the length to which a frame may grow */
/* A test that fills its table waits after each turn of the clock until the sweeper has done its round. */
#define SMALL_LIMIT 4096U
#define SWEEP_POLL_MS 5
#define SWEEP_WAIT_MS 20000

struct kernel_home {
	struct ks_kernel *kernel;
	enum kernel_hook hook;
	struct kernel_home *owner; /* of the kernel: this home or the one that it shares with */
	const struct ks_policy *policy; /* in force; kept by the owner */
	int cpus, cpu;
	struct ks_scratch *scratch; /* one a CPU, as the map gives them */
	struct ks_bucket *table; /* the map's memory */
	size_t table_size;
	__u32 buckets; /* that the map was made with: its memory is rounded up to pages */
	__u64 packets; /* since the reset */
	bool held; /* the owner's: fragments may have been kept since the reset */
	bool short_of_ports; /* the same: a search for a port has failed */
	bool challenged; /* the same: a SYN was challenged */
	struct kernel_told told; /* the owner's */
	struct kernel_front front;
	__u32 ending; /* the same: how often a limit has ended the flows of a source, when the clock was last turned */
};

/* Stays on the CPU that it runs on now. */
static int cpu_pin(int *cpu)
{
	cpu_set_t set;

	*cpu = sched_getcpu();
	if (*cpu < 0)
		return -errno;
	CPU_ZERO(&set);
	CPU_SET((size_t)*cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static int table_map(struct kernel_home *home)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (size_t)ks_table_length(ks_kernel_shape(home->kernel)->buckets) * sizeof(struct ks_bucket);
	void *memory;

	size = (size + page - 1) / page * page;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ks_kernel_map_fd(home->kernel, KS_MAP_TABLE), 0);
	if (memory == MAP_FAILED)
		return -errno;
	home->table = memory;
	home->table_size = size;
	home->buckets = ks_kernel_shape(home->kernel)->buckets;
	return 0;
}

/* Sets how much of the map's memory is the table, which is empty when this is called first. */
static int shape_set(struct kernel_home *home, __u32 buckets)
{
	struct ks_table_shape shape = { .key = KS_HOME_KEY };
	__u32 zero = 0;

	shape.buckets = KS_MIN(home->buckets, buckets);
	return bpf_map_update_elem(ks_kernel_map_fd(home->kernel, KS_MAP_SHAPE), &zero, &shape, BPF_ANY) ? -errno : 0;
}

/* The table is as large as the policy's limit needs, as natively, so that it is full at the same flow. */
static int table_shape(struct kernel_home *home)
{
	const struct ks_policy *policy = home->owner->policy;

	return policy ? shape_set(home, ks_table_buckets(ks_table_entries(&policy->config))) : 0;
}

static int kernel_set_policy(void *self, const struct ks_policy *policy)
{
	struct kernel_home *home = self;
	__u32 buckets = ks_kernel_shape(home->kernel)->buckets;
	int err;

	if (home->owner->policy == policy)
		return 0; /* a change takes several grace periods of RCU */
	home->owner->policy = NULL;
	err = shape_set(home, ~0U) ?: ks_kernel_set_policy(home->kernel, policy);
	if (!err)
		home->owner->policy = policy;
	/* Present flows stay in their slots: the next reset makes the table fit. */
	return shape_set(home, buckets) ?: err;
}

static int held_free(int fd, __u32 place)
{
	static const struct ks_held none;

	return bpf_map_update_elem(fd, &place, &none, BPF_ANY) ? -errno : 0;
}

/* Drops the fragments that the last test left behind. */
static int held_reset(struct kernel_home *home)
{
	int err = 0;

	for (__u32 i = 0; home->owner->held && !err && i < KS_FRAGMENT_POOL; i++)
		err = held_free(ks_kernel_map_fd(home->kernel, KS_MAP_HELD), i);
	home->owner->held = false;
	return err;
}

static int shortages_reset(struct kernel_home *home)
{
	int err = home->owner->short_of_ports ? kernel_clean_shortages(home->kernel) : 0;

	home->owner->short_of_ports = false;
	return err;
}

static int challenges_reset(struct kernel_home *home)
{
	int err = home->owner->challenged ? kernel_clean_challenges(home->kernel) : 0;

	home->owner->challenged = false;
	return err;
}

static int kernel_tell_flows(void *self, ks_engine_tell_fn *tell, void *arg)
{
	struct kernel_home *owner = ((struct kernel_home *)self)->owner;

	return kernel_told_hear(&owner->told, owner->kernel, tell, arg);
}

/*
 * Entries of the last test may come again, in the same slots at the same time. Its table may have been larger: then the tags of
 * this one lie where that had entries.
 */
static void seats_reset(struct kernel_home *home)
{
	__u32 buckets = ks_kernel_shape(home->kernel)->buckets;

	for (__u32 i = 0; i < buckets; i++)
		memset(home->table[i].seat, 0, sizeof(home->table[i].seat));
	if (kernel_is_empty(ks_kernel_counts(home->kernel)))
		memset(&home->table[buckets], 0, (ks_table_length(buckets) - buckets) * sizeof(*home->table));
}

static int kernel_set_wall(void *self, __s64 seconds)
{
	struct kernel_home *home = self;
	__u64 now = ks_kernel_control(home->kernel)->test_now;

	ks_kernel_set_wall(home->kernel, seconds * (__s64)KS_NSEC_PER_SEC - (__s64)now);
	if (home->owner->policy)
		ks_kernel_tell_schedules(home->kernel, home->owner->policy);
	return 0;
}

/* Kills all flows and wipes dead entries that are not swept yet: every test starts from an empty table. */
static int kernel_reset(void *self)
{
	struct kernel_home *home = self;
	struct ks_control *control = ks_kernel_control(home->kernel);
	struct ks_table_counts none = { 0 };
	__u32 zero = 0;
	int err = kernel_clean_flows(home->kernel) ?: table_shape(home) ?: held_reset(home) ?: shortages_reset(home) ?:
		  kernel_clean_answers(home->kernel) ?: kernel_clean_ended(home->kernel) ?: challenges_reset(home) ?: kernel_clean_sets(home->kernel, home->owner->policy);

	if (err)
		return err;
	home->packets = 0;
	home->owner->ending = 0;
	control->test_now = KS_HOME_START;
	seats_reset(home);
	memset(control->test_listen, 0, sizeof(control->test_listen));
	control->settling.since = 0;
	kernel_set_wall(home, ks_home_wall());
	if (kernel_is_empty(ks_kernel_counts(home->kernel)))
		return kernel_told_forget(&home->owner->told);
	memset(home->table, 0, home->table_size);
	ks_kernel_recount(home->kernel);
	if (bpf_map_update_elem(ks_kernel_map_fd(home->kernel, KS_MAP_COUNTS), &zero, &none, BPF_ANY))
		return -errno;
	return kernel_told_forget(&home->owner->told); /* behind what the sweeper has found meanwhile */
}

static int flow_count(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	++*(__u32 *)arg;
	return 0;
}

static bool has_dead(struct kernel_home *home)
{
	const struct ks_table_counts *counts = ks_kernel_counts(home->kernel);
	__u32 live = 0, held = counts->flows;

	for (unsigned i = 0; i < KS_KIND_MAX; i++)
		held += counts->records[i];
	ks_entries_each(home->table, ks_kernel_shape(home->kernel)->buckets, ks_kernel_control(home->kernel)->test_now,
			flow_count, &live);
	return held != live;
}

static int kernel_advance(void *self, __u64 ns)
{
	struct kernel_home *home = self;
	unsigned waited = 0;

	if (kernel_await_ends(home->kernel, &home->owner->ending))
		return -ETIMEDOUT;
	ks_kernel_control(home->kernel)->test_now += ns;
	if (home->owner->policy)
		ks_kernel_tell_schedules(home->kernel, home->owner->policy);
	if (!home->owner->policy || home->owner->policy->config.limit_states > SMALL_LIMIT)
		return 0;
	for (; has_dead(home) && waited < SWEEP_WAIT_MS; waited += SWEEP_POLL_MS)
		usleep(SWEEP_POLL_MS * 1000);
	return waited < SWEEP_WAIT_MS ? 0 : -ETIMEDOUT;
}

/* A test run of an skb demands a whole IP header behind the Ethernet header that announces it, and at least a byte. */
static const char *kernel_refuses(void *self, const struct ks_frame *frame)
{
	const struct kernel_home *home = self;
	__u32 least = ETHER_HEADER + (home->hook != HOOK_XDP);

	if (frame->link != KS_LINK_ETHERNET)
		return "a test run of the kernel takes frames with an Ethernet header only";
	if (frame->length != frame->captured)
		return "a test run of the kernel takes whole frames only";
	if (home->hook != HOOK_XDP && frame->length >= ETHER_HEADER) {
		if (frame->data[12] == 0x08 && frame->data[13] == 0x00)
			least = ETHER_HEADER + 20;
		if (frame->data[12] == 0x86 && frame->data[13] == 0xdd)
			least = ETHER_HEADER + 40;
	}
	return frame->length < least || frame->length > FRAME_MAX ? "a test run of the kernel refuses its length"
								  : NULL;
}

/* Runs the programs of the hook: the one that decides last is that whose results are in *opts. */
static int programs_run(struct kernel_home *home, bool resumed, struct bpf_test_run_opts *opts)
{
	enum ks_kernel_program program = home->hook == HOOK_XDP ? KS_PROGRAM_XDP : KS_PROGRAM_TC_INGRESS;
	__u32 room = opts->data_size_out;

	if (home->hook == HOOK_FRONT && !resumed) {
		if (bpf_prog_test_run_opts(ks_kernel_program_fd(home->kernel, KS_PROGRAM_FRONT), opts))
			return -errno;
		home->front.refused += opts->retval == XDP_DROP;
		home->front.sent += opts->retval == XDP_TX;
		if (opts->retval != XDP_PASS)
			return 0;
		opts->data_size_out = room;
	}
	return bpf_prog_test_run_opts(ks_kernel_program_fd(home->kernel, program), opts) ? -errno : 0;
}

static int kernel_run(struct kernel_home *home, const struct ks_frame *frame, bool resumed, struct ks_passage *passage)
{
	struct ks_control *control = ks_kernel_control(home->kernel);
	__u32 zero = 0;
	static __u8 output[OUTPUT_MAX];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame->data, .data_size_in = frame->length, .data_out = output,
		    .data_size_out = sizeof(output), .repeat = 1);
	const struct ks_scratch *scratch = &home->scratch[home->cpu];
	int err;

	control->test_from = frame->from;
	control->test_to = frame->to;
	control->test_resumed = resumed;
	kernel_set_facts(control, frame);
	if (!resumed)
		control->test_random = ks_home_random(home->packets++);
	err = programs_run(home, resumed, &opts);
	if (err)
		return err;
	if (bpf_map_lookup_elem(ks_kernel_map_fd(home->kernel, KS_MAP_SCRATCH), &zero, home->scratch))
		return -errno;
	passage->insp = scratch->insp;
	home->owner->held |= passage->insp.verdict.action == KS_HOLD;
	home->owner->short_of_ports |= passage->insp.verdict.reason == KS_REASON_NO_PORT;
	home->owner->challenged |= passage->insp.verdict.reason == KS_REASON_CHALLENGED;
	passage->answer_len = scratch->answer_len;
	memcpy(passage->answer, scratch->answer, sizeof(passage->answer));
	passage->output_len = 0;
	if (passage->insp.verdict.action == KS_ALLOW || passage->insp.verdict.action == KS_BYPASS) {
		passage->output_len = opts.data_size_out;
		memcpy(passage->output, output, KS_MIN(opts.data_size_out, sizeof(passage->output)));
	}
	return 0;
}

/* The oldest fragment that may go on; returns its place, or -1. */
static int held_find(int fd, struct ks_held *oldest)
{
	struct ks_held held;
	int place = -1;

	for (__u32 i = 0; i < KS_FRAGMENT_POOL; i++) {
		if (bpf_map_lookup_elem(fd, &i, &held) || held.state != KS_HELD_RELEASED)
			continue;
		if (place >= 0 && held.order >= oldest->order)
			continue;
		*oldest = held;
		place = (int)i;
	}
	return place;
}

/* In test runs the programs only mark what may go on behind the packet; it is offered to them again here. */
static int held_resume(struct kernel_home *home, const struct ks_frame *behind, struct ks_passage *passage)
{
	int fd = ks_kernel_map_fd(home->kernel, KS_MAP_HELD), place, err = 0;
	static struct ks_passage own;
	static struct ks_held held;

	/* Only another fragment releases them, and to look for them takes longer than to decide a packet. */
	while (!err && home->owner->held && passage->insp.pkt.flags & KS_PKT_FRAGMENT &&
	       (place = held_find(fd, &held)) >= 0) {
		struct ks_frame frame = { .data = held.bytes,
					  .captured = held.length,
					  .length = held.length,
					  .from = behind->from,
					  .to = behind->to };

		err = held_free(fd, (__u32)place);
		if (!err)
			err = kernel_run(home, &frame, true, &own);
		passage->resumed +=
			!err && (own.insp.verdict.action == KS_ALLOW || own.insp.verdict.action == KS_BYPASS);
	}
	return err;
}

static int kernel_inspect(void *self, const struct ks_frame *frame, struct ks_passage *passage)
{
	int err = kernel_run(self, frame, false, passage);

	passage->resumed = 0;
	passage->resumed_fault = NULL;
	return err ? err : held_resume(self, frame, passage);
}

static int kernel_each_entry(void *self, ks_home_flow_fn *fn, void *arg)
{
	struct kernel_home *home = self;

	return ks_entries_each(home->table, ks_kernel_shape(home->kernel)->buckets,
			       ks_kernel_control(home->kernel)->test_now, fn, arg);
}

/* Picks the flows from a walk over all entries. */
struct kernel_flows_ctx {
	ks_home_flow_fn *fn;
	void *arg;
};

static int kernel_flow_pick(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct kernel_flows_ctx *walk = arg;

	return ks_flow_is_shown(key, flow) ? walk->fn(key, flow, walk->arg) : 0;
}

static int kernel_each_flow(void *self, ks_home_flow_fn *fn, void *arg)
{
	struct kernel_flows_ctx walk = { fn, arg };

	return kernel_each_entry(self, kernel_flow_pick, &walk);
}

static struct ks_set_store *kernel_sets(void *self, __u64 *now)
{
	struct kernel_home *home = self;

	*now = ks_kernel_control(home->kernel)->test_now;
	return ks_kernel_sets(home->kernel);
}

static void kernel_table(void *self, struct ks_review_table *table)
{
	struct kernel_home *home = self;

	*table = (struct ks_review_table){ .buckets = home->table,
					   .count = ks_kernel_shape(home->kernel)->buckets,
					   .now = ks_kernel_control(home->kernel)->test_now };
}

static int kernel_kill(void *self, const struct ks_flow_key *keys, size_t count)
{
	struct kernel_home *home = self;
	long killed = ks_kernel_kill(home->kernel, keys, count, KS_END_KILLED);

	return killed < 0 ? (int)killed : 0;
}

static int kernel_listen(void *self, __u8 proto, __u16 port)
{
	struct kernel_home *home = self;

	return kernel_take_port(home->kernel, proto, port);
}

static int kernel_settle(void *self)
{
	struct kernel_home *home = self;
	struct ks_control *control = ks_kernel_control(home->kernel);

	control->settling.since = control->test_now;
	return 0;
}

static int kernel_counts(void *self, struct ks_table_counts *counts)
{
	struct kernel_home *home = self;

	*counts = *ks_kernel_counts(home->kernel);
	return 0;
}

#define KERNEL_OPS(hook)                         \
	{                                        \
		.name = hook,                    \
		.refuses = kernel_refuses,       \
		.set_policy = kernel_set_policy, \
		.reset = kernel_reset,           \
		.advance = kernel_advance,       \
		.inspect = kernel_inspect,       \
		.each_flow = kernel_each_flow,   \
		.each_entry = kernel_each_entry, \
		.listen = kernel_listen,         \
		.settle = kernel_settle,         \
		.set_wall = kernel_set_wall,     \
		.counts = kernel_counts,         \
		.sets = kernel_sets,             \
		.table = kernel_table,           \
		.kill = kernel_kill,             \
		.tell_flows = kernel_tell_flows, \
	}

static const struct ks_home_ops kernel_ops[] = {
	[HOOK_TC] = KERNEL_OPS("tc"),
	[HOOK_XDP] = KERNEL_OPS("xdp"),
	[HOOK_FRONT] = KERNEL_OPS("front"),
};

static int home_init(struct kernel_home *home)
{
	int err;

	home->cpus = libbpf_num_possible_cpus();
	if (home->cpus < 1)
		return home->cpus;
	home->scratch = calloc((size_t)home->cpus, sizeof(*home->scratch));
	if (!home->scratch)
		return -ENOMEM;
	err = cpu_pin(&home->cpu);
	if (!err)
		err = table_map(home);
	return err ?: xdp_hold(home->kernel, home->hook);
}

static int home_create(struct ks_kernel *kernel, enum kernel_hook hook, struct kernel_home *owner, struct ks_home *home)
{
	struct kernel_home *made = calloc(1, sizeof(*made));
	int err;

	*home = (struct ks_home){ .ops = &kernel_ops[hook], .self = made };
	if (!made)
		return -ENOMEM;
	made->kernel = kernel;
	made->hook = hook;
	made->owner = owner ? owner : made;
	if (!owner)
		ks_kernel_control(kernel)->test_now = ks_kernel_now(kernel);
	err = home_init(made);
	if (err)
		kernel_home_close(home);
	return err;
}

int kernel_home_share(const struct ks_home *home, enum kernel_hook hook, struct ks_home *other)
{
	struct kernel_home *owner = home->self;

	return home_create(owner->kernel, hook, owner, other);
}

void kernel_home_close(struct ks_home *home)
{
	struct kernel_home *made = home->self;

	if (!made)
		return;
	xdp_let_go(made->hook);
	if (made->table)
		munmap(made->table, made->table_size);
	kernel_told_fini(&made->told);
	if (made->owner == made)
		ks_kernel_close(made->kernel);
	free(made->scratch);
	free(made);
	home->self = NULL;
}

void kernel_home_forget_policy(struct ks_home *home)
{
	struct kernel_home *made = home->self;

	made->owner->policy = NULL;
}

const struct kernel_front *kernel_home_front(const struct ks_home *home)
{
	return &((const struct kernel_home *)home->self)->front;
}

const struct ks_kernel *kernel_home_kernel(const struct ks_home *home)
{
	const struct kernel_home *made = home->self;

	return made->kernel;
}

__u64 kernel_home_now(const struct ks_home *home)
{
	const struct kernel_home *made = home->self;

	return ks_kernel_control(made->kernel)->test_now;
}

/* Loads the programs with the default limits. */
static int programs_load(struct ks_kernel **kernel)
{
	static const char text[] = "zone lan { eth0 }\nallow from lan to self\n";
	const struct ks_kernel_opts opts = { .test_mode = true };
	struct ks_policy *policy;
	struct ks_diags diags;
	int err = ks_policy_load_text(text, sizeof(text) - 1, "first policy", NULL, &policy, &diags);

	ks_diags_fini(&diags);
	if (err)
		return err;
	err = ks_kernel_load(policy, &opts, kernel);
	ks_policy_destroy(policy);
	return err;
}

static int skip(const char *why, int err)
{
	printf("1..0 # SKIP %s%s%s\n", why, err ? ": " : "", err ? strerror(err) : "");
	return KERNEL_SKIP;
}

static int give_up(int err)
{
	printf("Bail out! the programs do not load: %s\n%s\n", strerror(-err), ks_kernel_complaint());
	return 1;
}

int kernel_home_open(enum kernel_hook hook, struct ks_home *home)
{
	static bool has_namespace;
	struct ks_kernel *kernel;
	int err;

	home->self = NULL;
	if (geteuid() != 0)
		return skip("needs root, to load programs into the kernel", 0);
	if (!has_namespace && unshare(CLONE_NEWNET))
		return skip("cannot make a network namespace", errno);
	has_namespace = true;
	err = programs_load(&kernel);
	if (err == -EPERM || err == -ENOSYS || err == -EOPNOTSUPP)
		return skip("this kernel does not let us load programs", -err);
	if (err)
		return give_up(err);
	err = home_create(kernel, hook, NULL, home);
	return err ? give_up(err) : 0;
}
