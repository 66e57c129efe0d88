// SPDX-License-Identifier: BSD-2-Clause
/* Addresses that mean something else on every link; see link.h. */
#include "core/link.h"

#include "core/env.h"

__u16 ks_link_find(struct ks_env *env, const struct ks_inspection *insp, const struct ks_tuple *tuple)
{
	__u32 to = insp->to;

	if (to == KS_ZONE_UNKNOWN)
		to = ks_addr_is_group(&tuple->dst, tuple->family) ? KS_ZONE_SELF
								  : env_zone_to(env, tuple, KS_ZONE_UNKNOWN);
	return ks_link_between(insp->home.from, to);
}
