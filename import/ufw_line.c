/* SPDX-License-Identifier: BSD-2-Clause */
/* See ufw_line.h. */
#include "import/ufw_line.h"

#include <string.h>

bool ks_ufw_is_named(const char *word)
{
	const char *slash = strrchr(word, '/');

	return !strcmp(slash ? slash + 1 : word, "ufw");
}

bool ks_ufw_is_compound(const struct ks_words_line *words)
{
	for (unsigned i = 0; i < words->count && strcmp(words->word[i], "comment") != 0; i++) {
		if (strpbrk(words->word[i], ";&|$`<>"))
			return true;
	}
	return false;
}
