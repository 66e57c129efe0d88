/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules of ufw(8); see ufw.c. */
#ifndef KS_IMPORT_UFW_H
#define KS_IMPORT_UFW_H

#include "import/ruleset.h"

int ks_ufw_read(struct ks_import *import, const char *text, size_t length);

#endif
