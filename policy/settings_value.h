/* SPDX-License-Identifier: BSD-2-Clause */
/* The values of settings as words. */
#ifndef KS_POLICY_SETTINGS_VALUE_H
#define KS_POLICY_SETTINGS_VALUE_H

#include "policy/settings.h"

#define MIB_PER_GIB 1024U

/* The value of KS_SETTING_SHARES: two percentages. 0 is off. */
#define SHARE_LOW_SHIFT 8
#define SHARE_HIGH_MASK 0xffU
#define SHARES(low, high) ((__u64)(low) << SHARE_LOW_SHIFT | (high))

/* Reads a word as the value of a setting. Returns 0 or -EINVAL; bounds are held, too. */
int ks_setting_read(const struct ks_setting *setting, const char *text, __u64 *value);

#endif
