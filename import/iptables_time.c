/* SPDX-License-Identifier: BSD-2-Clause */
/* The module time of iptables(8). Its hours are those of UTC unless a word of the rule says otherwise. */
#include <errno.h>
#include <string.h>

#include "import/iptables.h"

static int text_append(struct ks_iptables *ipt, const char *option, const char *value)
{
	struct ks_times *times = &ipt->draft.times;

	times->text = ks_import_format(ipt->import, "%.120s%s%s%s%.60s", times->text ? times->text : "",
				       times->text ? " " : "", option, value ? " " : "", value ? value : "");
	return times->text ? 1 : -ENOMEM;
}

/* Words without a value. Returns true if the option is one. */
static bool word_read(struct ks_iptables *ipt, const char *option)
{
	const bool local = !strcmp(option, "--kerneltz") || !strcmp(option, "--localtz");
	const bool contiguous = !strcmp(option, "--contiguous");

	ipt->local_time |= local;
	ipt->draft.times.contiguous |= contiguous;
	return local || contiguous || !strcmp(option, "--utc");
}

/* Words with one. Returns true if the option is one; days of the month and moments are no times of ours. */
static bool value_read(struct ks_iptables *ipt, const char *option, const char *value, bool negated)
{
	static const char *const others[] = { "--monthdays", "--datestart", "--datestop" };
	struct ks_times *times = &ipt->draft.times;
	const char **where = !strcmp(option, "--timestart")  ? &times->start
			     : !strcmp(option, "--timestop") ? &times->stop
			     : !strcmp(option, "--weekdays") ? &times->days
							     : NULL;
	bool other = false;

	for (size_t i = 0; i < KS_ARRAY_SIZE(others); i++)
		other |= !strcmp(others[i], option);
	ipt->odd_time |= other;
	if (where)
		*where = value;
	times->other_days |= negated;
	return where || other;
}

int ks_iptables_time(struct ks_iptables *ipt, const char *option, bool negated)
{
	const char *value = ks_words_peek(&ipt->words);

	if (word_read(ipt, option))
		return text_append(ipt, option, NULL);
	if (!value_read(ipt, option, value, negated))
		return 0;
	ks_words_take(&ipt->words);
	if (!value)
		return ks_import_fail(ipt->import, "line %u: nothing stands behind '%.40s'", ipt->import->line, option);
	return text_append(ipt, option, value);
}

void ks_iptables_time_end(struct ks_iptables *ipt)
{
	struct ks_times *times = &ipt->draft.times;

	if (ipt->odd_time)
		times->elsewhere = "a day or a moment that comes once";
	else if (!ipt->local_time)
		times->elsewhere =
			"hours of UTC: with --kerneltz they would be those of the clock, as 'during' has them";
}
