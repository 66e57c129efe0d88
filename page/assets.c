/* SPDX-License-Identifier: BSD-2-Clause */
/* See assets.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"
#include "page/assets.h"
#include "text/memory_file.h"
#include "text/scoped.h"

#define KS_LIBRARY_DIR "/usr/share/javascript/dygraphs/" /* Debian's libjs-dygraphs */
#define KS_LIBRARY_MAX (4U << 20)

static struct ks_asset library[] = {
	{ .path = "/dygraph.js", .type = "text/javascript; charset=utf-8" },
	{ .path = "/dygraph.css", .type = "text/css; charset=utf-8" },
};

static const char *const library_files[] = { KS_LIBRARY_DIR "dygraph.min.js", KS_LIBRARY_DIR "dygraph.min.css" };

static void read_file(const char *path, struct ks_asset *asset)
{
	ks_auto_free unsigned char *data = malloc(KS_LIBRARY_MAX);
	ks_auto_file FILE *file = fopen(path, "re");
	size_t size = file && data ? fread(data, 1, KS_LIBRARY_MAX, file) : 0;

	if (!size || size == KS_LIBRARY_MAX)
		return;
	asset->data = TAKE(data);
	asset->size = size;
}

void ks_assets_read_library(void)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(library); i++)
		read_file(library_files[i], &library[i]);
}

const struct ks_asset *ks_asset_find(const char *path)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(library); i++) {
		if (library[i].size && !strcmp(library[i].path, path))
			return &library[i];
	}
	for (size_t i = 0; i < ks_asset_count; i++) {
		if (!strcmp(ks_assets[i].path, path))
			return &ks_assets[i];
	}
	return NULL;
}
