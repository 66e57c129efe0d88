/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scalars of a policy: `timeout NAME DURATION`, `limit NAME NUMBER`,
 * `limit adaptive LOW%-HIGH%`, `option NAME on|off`, `option NAME NUMBER` and
 * `option NAME WORD`.
 * Names, defaults and bounds stand in one table.
 */
#ifndef KS_POLICY_SETTINGS_H
#define KS_POLICY_SETTINGS_H

#include <stdio.h>

#include "policy/parse.h"

enum ks_setting_kind {
	KS_SETTING_TIMEOUT, /* ms */
	KS_SETTING_LIMIT,
	KS_SETTING_SHARES, /* a limit as two shares of another one: the field and the next one */
	KS_SETTING_OPTION, /* a bit of a field: `bit` */
	KS_SETTING_SPAN, /* an option with a duration in ms, 0 for off */
	KS_SETTING_NUMBER, /* an option with a number, 0 for off; `bit` of ks_config.scrub says whether it is on */
	KS_SETTING_SIZE, /* an option with a number of MiB, 0 for off */
	KS_SETTING_AGE, /* an option with a duration; the field has seconds, the value ms */
	KS_SETTING_CHOICE, /* an option with one of `words`; its value is the word's number */
};

struct ks_setting {
	enum ks_setting_kind kind;
	const char *name;
	size_t offset; /* in struct ks_config */
	__u32 bit;
	__u64 min, max, initial;
	size_t size; /* of the field */
	size_t twin; /* offset of a field that has the same value, or 0 */
	size_t base; /* offset of the limit that two shares are of */
	const char *const *words; /* KS_SETTING_CHOICE: up to max */
};

extern const struct ks_setting ks_settings[];
extern const size_t ks_setting_count;

/* "timeout", "limit", "option": the word that a setting stands behind. */
const char *ks_setting_keyword(enum ks_setting_kind kind);

/* The value in a config: ms, a number, 0 or 1; for KS_SETTING_SHARES two percentages, the lower one shifted by 8 bits. */
__u64 ks_setting_value(const struct ks_config *config, const struct ks_setting *setting);

/* The lower or the upper one of two shares, as a number of flows. */
__u32 ks_setting_share(const struct ks_config *config, const struct ks_setting *setting, bool upper);

/* A config with every default. */
void ks_config_init(struct ks_config *config);

/* The statements `timeout`, `limit` and `option`, the keyword consumed. Returns 0, or -EINVAL after a complaint. */
int ks_parse_settings(struct ks_parser *p, const char *keyword);

/* Computes and checks what depends on more than one setting; complains. */
void ks_settings_check(struct ks_parser *p);

/* Prints the statements for what differs from the defaults. */
void ks_settings_print(const struct ks_config *config, FILE *out);

#endif
