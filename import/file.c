/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that a text names, for the entries of its sets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "import/ruleset.h"
#include "text/scoped.h"

/* Copies words: what stands behind '#' or ';' in a line is a comment. */
static void words_copy(const char *text, size_t length, char *out)
{
	bool comment = false;

	for (size_t i = 0; i < length; i++) {
		const char c = text[i];

		comment = c == '\n' ? false : comment || c == '#' || c == ';';
		*out++ = comment || c <= ' ' || c > '~' ? ' ' : c;
	}
	*out++ = ' ';
	*out = '\0';
}

int ks_import_file(struct ks_import *import, const char *path, char **words, const char **why)
{
	ks_auto_free char *text = NULL;
	size_t length = 0;
	char *copy;
	int err;

	*why = "files that it names are not read";
	if (!import->files || path[0] != '/')
		return -EINVAL;
	err = import->files(path, &text, &length);
	if (err) {
		*why = ks_import_format(import, "%.100s: %s", path, strerror(-err));
		return *why ? err : -ENOMEM;
	}
	copy = ks_pool_alloc(&import->pool, length + 2);
	if (!copy)
		return -ENOMEM;
	words_copy(text, length, copy);
	*words = copy;
	return 0;
}
