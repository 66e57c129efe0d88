/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of nft(8) that programs change, as run-time sets. */
#include <errno.h>
#include <string.h>

#include "import/nft.h"
#include "import/words.h"
#include "policy/value.h"

#define TIMEOUT_MAX 315360000000ULL /* milliseconds, as our sets have */

/* The time after which entries end that have none of their own: seconds in the JSON, "1h30m" in the text; NULL: they stay. */
static const char *timeout_of(struct ks_import *import, const json_t *set)
{
	const json_t *timeout = json_object_get(set, "timeout");
	const char *text = json_string_value(timeout);
	__u64 ms = json_is_integer(timeout) ? (__u64)json_integer_value(timeout) * 1000 : 0;
	char buf[KS_DURATION_TEXT];

	if ((text && ks_value_duration(text, &ms)) || ms < 1000 || ms > TIMEOUT_MAX)
		return NULL;
	ms -= ms % 1000;
	ks_duration_text(ms, buf);
	return ks_import_copy(import, buf, strlen(buf));
}

/* Returns true if an entry ends by itself. */
static bool is_passing(const json_t *set, const json_t *entry)
{
	const json_t *element = json_object_get(entry, "elem");

	return json_object_get(set, "timeout") || json_object_get(element, "timeout") ||
	       json_object_get(element, "expires");
}

int ks_nft_dynamic_make(struct ks_import *import, const json_t *set, struct ks_named_spans **made)
{
	ks_auto_ranges struct ks_ranges stay = { 0 }, pass = { 0 };
	const json_t *entry;
	size_t i;
	int err = 0;

	json_array_foreach(json_object_get(set, "elem"), i, entry)
	{
		err = ks_nft_address(entry, is_passing(set, entry) ? &pass : &stay);
		if (err)
			return err;
	}
	err = ks_import_dynamic(import, json_string_value(json_object_get(set, "name")), made);
	err = err ? err : ks_ranges_take(import, &stay, (*made)->spans);
	err = err ? err : ks_ranges_take(import, &pass, (*made)->passing);
	if (!err)
		(*made)->timeout = timeout_of(import, set);
	return err;
}
