/* SPDX-License-Identifier: BSD-2-Clause */
/* Announcements as text: how a helper rewrites one for another address and port. */
#ifndef KS_CORE_HELPER_ANNOUNCEMENT_H
#define KS_CORE_HELPER_ANNOUNCEMENT_H

#include "core/inspection.h"

/* Composes the text of an announcement, insp->helping.text, from insp->helping's form and text_port and insp->sent's source. */
void ks_announcement_write(struct ks_inspection *insp);

/* Composes an address as text in insp->helping.text. */
void ks_announcement_address(struct ks_inspection *insp, const struct ks_addr *addr);

#endif
