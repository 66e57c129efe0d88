/* SPDX-License-Identifier: BSD-2-Clause */
/* Giving up rights, for good: capabilities, the user, files. */
#ifndef KS_PAGE_RIGHTS_H
#define KS_PAGE_RIGHTS_H

/* Leaves no capability, and none to whatever it would execute. Returns 0 or -errno. */
int ks_rights_drop_capabilities(void);

/* Becomes the user keepstate-page, or nobody where there is none; whoever is not root stays who he is. Returns 0 or -errno. */
int ks_rights_become_page(void);

/* From here on no file can be opened (Landlock, from Linux 5.13); what is open stays so. */
void ks_rights_deny_files(void);

/* The same, but files can still be read. */
void ks_rights_deny_changes(void);

#endif
