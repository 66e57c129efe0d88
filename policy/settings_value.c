/* SPDX-License-Identifier: BSD-2-Clause */
/* See settings_value.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "policy/settings_value.h"
#include "policy/value.h"

/* "60%-90%". */
static int read_shares(const char *text, __u64 *value)
{
	__u64 low, high;
	char part[16];
	const char *rest = strstr(text, "%-");
	size_t length = rest ? strlen(rest + 2) : 0;

	if (!rest || length < 2 || rest[1 + length] != '%' || (size_t)(rest - text) >= sizeof(part) ||
	    length >= sizeof(part))
		return -EINVAL;
	snprintf(part, sizeof(part), "%.*s", (int)(rest - text), text);
	if (ks_value_number(part, 1, 100, &low))
		return -EINVAL;
	snprintf(part, sizeof(part), "%.*s", (int)length - 1, rest + 2);
	if (ks_value_number(part, 1, 100, &high) || low >= high)
		return -EINVAL;
	*value = SHARES(low, high);
	return 0;
}

static int read_word(const struct ks_setting *setting, const char *text, __u64 *value)
{
	for (__u64 i = 0; i <= setting->max; i++) {
		if (strcmp(text, setting->words[i]) == 0) {
			*value = i;
			return 0;
		}
	}
	return -EINVAL;
}

/* "512M", "2G". */
static int read_size(const char *text, __u64 *value)
{
	size_t digits = strspn(text, "0123456789");
	char number[16];
	__u64 mib;

	if (!digits || digits >= sizeof(number) || (strcmp(text + digits, "M") && strcmp(text + digits, "G")))
		return -EINVAL;
	snprintf(number, sizeof(number), "%.*s", (int)digits, text);
	if (ks_value_number(number, 0, KS_JOURNAL_MAX, &mib))
		return -EINVAL;
	*value = text[digits] == 'G' ? mib * MIB_PER_GIB : mib;
	return 0;
}

int ks_setting_read(const struct ks_setting *setting, const char *text, __u64 *value)
{
	int err = 0;

	switch (setting->kind) {
	case KS_SETTING_SPAN:
		*value = 0;
		if (strcmp(text, "off") == 0 || !ks_value_number(text, 0, 0, value))
			return 0;
		/* fall through */
	case KS_SETTING_AGE:
	case KS_SETTING_TIMEOUT:
		err = ks_value_duration(text, value);
		break;
	case KS_SETTING_LIMIT:
		return ks_value_number(text, setting->min, setting->max, value);
	case KS_SETTING_SHARES:
	case KS_SETTING_NUMBER:
		*value = 0;
		if (strcmp(text, "off") == 0)
			return 0;
		return setting->kind == KS_SETTING_SHARES ? read_shares(text, value)
							  : ks_value_number(text, setting->min, setting->max, value);
	case KS_SETTING_SIZE:
		*value = 0;
		if (strcmp(text, "off") == 0)
			return 0;
		err = read_size(text, value);
		break;
	case KS_SETTING_CHOICE:
		return read_word(setting, text, value);
	default:
		*value = strcmp(text, "on") == 0;
		return *value || strcmp(text, "off") == 0 ? 0 : -EINVAL;
	}
	return err || *value < setting->min || *value > setting->max ? -EINVAL : 0;
}
