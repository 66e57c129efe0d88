/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of static/, which are part of the program (embed.py), and dygraphs, which is read from the system if it is there. */
#ifndef KS_PAGE_ASSETS_H
#define KS_PAGE_ASSETS_H

#include <stddef.h>

struct ks_asset {
	const char *path; /* of the request: "/style.css" */
	const char *type;
	const unsigned char *data;
	size_t size;
};

extern const struct ks_asset ks_assets[];
extern const size_t ks_asset_count;

/* Reads dygraphs, while there are still files. Without it the page draws its own plots. */
void ks_assets_read_library(void);

/* Returns the file of a path, or NULL. */
const struct ks_asset *ks_asset_find(const char *path);

#endif
