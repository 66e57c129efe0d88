/* SPDX-License-Identifier: BSD-2-Clause */
/* `meta hour` and `meta day` of nft rules. */
#include <errno.h>

#include "import/nft.h"

/* The days of a list, with a blank between two; NULL if one of them is no text, or without memory. */
static const char *days_join(struct ks_import *import, const json_t *entries)
{
	const char *all = "";
	const json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry)
	{
		const char *day = json_string_value(ks_nft_element(entry));

		all = day && all ? ks_import_format(import, "%s %.12s", all, day) : NULL;
	}
	return all;
}

static int hours_read(struct ks_times *times, const json_t *entries)
{
	const json_t *range = json_object_get(ks_nft_element(json_array_get(entries, 0)), "range");
	const char *start = json_string_value(json_array_get(range, 0));
	const char *stop = json_string_value(json_array_get(range, 1));

	if (times->start || !start || !stop || json_array_size(entries) != 1)
		return -EINVAL;
	times->start = start;
	times->stop = stop;
	return 0;
}

static int days_read(struct ks_import *import, struct ks_times *times, const json_t *entries, bool negated)
{
	const char *days = times->days ? NULL : days_join(import, entries);

	if (!days)
		return -EINVAL;
	times->days = days;
	times->other_days = negated;
	return 0;
}

int ks_nft_times(struct ks_nft *nft, struct ks_draft *draft, const json_t *entries, bool days, bool negated)
{
	struct ks_times *times = &draft->times;
	int err = -EINVAL;

	if (days)
		err = days_read(nft->import, times, entries, negated);
	else if (!negated)
		err = hours_read(times, entries);
	if (err)
		return err;
	times->text = ks_import_format(nft->import, "%.80s%s%s", times->text ? times->text : "",
				       times->text ? ", " : "", days ? "day" : "hour");
	return times->text ? 0 : -ENOMEM;
}
