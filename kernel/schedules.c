/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The schedules of the policy in the kernel (core/schedule.h). Told again every second or less often, in the half that no packet
 * reads: one that began to read it a second ago has ended long since.
 */
#include <string.h>
#include <time.h>

#include "kernel/internal.h"
#include "policy/calendar.h"

__s64 ks_kernel_wall(const struct ks_kernel *kernel)
{
	struct timespec now = { 0 };

	if (kernel->has_wall)
		return kernel->wall;
	clock_gettime(CLOCK_REALTIME, &now);
	return (__s64)now.tv_sec * (__s64)KS_NSEC_PER_SEC + now.tv_nsec - (__s64)ks_kernel_packet_clock(kernel);
}

void ks_kernel_set_wall(struct ks_kernel *kernel, __s64 wall)
{
	kernel->wall = wall;
	kernel->has_wall = true;
}

void ks_kernel_tell_slot(struct ks_kernel *kernel, const struct ks_policy *policy, __u32 slot)
{
	struct ks_config *config = &kernel->configs[slot];
	__u64 turn = config->schedule_turn + 1;
	struct ks_schedule *half = config->schedule[turn & (KS_SCHEDULE_HALVES - 1)];

	if (!policy->config.schedules)
		return;
	ks_calendars_tell(policy->calendars, policy->config.schedules, ks_kernel_packet_clock(kernel),
			  ks_kernel_wall(kernel), half);
	__atomic_store_n(&config->schedule_turn, turn, __ATOMIC_RELEASE);
}

void ks_kernel_tell_schedules(struct ks_kernel *kernel, const struct ks_policy *policy)
{
	ks_kernel_tell_slot(kernel, policy, kernel->control->active & 1);
}

const struct ks_schedule *ks_kernel_schedules(const struct ks_kernel *kernel)
{
	const struct ks_config *config = ks_kernel_config(kernel);

	return config->schedule[config->schedule_turn & (KS_SCHEDULE_HALVES - 1)];
}
