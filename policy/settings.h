/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scalars of a policy: `timeout NAME DURATION`, `limit NAME NUMBER`,
 * `option NAME on|off`. Names, defaults and bounds stand in one table.
 */
#ifndef KS_POLICY_SETTINGS_H
#define KS_POLICY_SETTINGS_H

#include <stdio.h>

#include "policy/parse.h"

enum ks_setting_kind {
	KS_SETTING_TIMEOUT, /* ms */
	KS_SETTING_LIMIT,
	KS_SETTING_OPTION, /* a bit of ks_config.options: `bit` */
};

struct ks_setting {
	enum ks_setting_kind kind;
	const char *name;
	size_t offset; /* in struct ks_config */
	__u32 bit;
	__u64 min, max, initial;
};

extern const struct ks_setting ks_settings[];
extern const size_t ks_setting_count;

/* "timeout", "limit", "option". */
const char *ks_setting_keyword(enum ks_setting_kind kind);

/* A config with every default. */
void ks_config_init(struct ks_config *config);

/* Settles what depends on more than one value; complains. */
void ks_settings_check(struct ks_parser *p);

/* Prints the statements for what differs from the defaults. */
void ks_settings_print(const struct ks_config *config, FILE *out);

#endif
