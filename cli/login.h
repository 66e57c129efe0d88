/* SPDX-License-Identifier: BSD-2-Clause */
/* The remote login in which a command runs. */
#ifndef KS_CLI_LOGIN_H
#define KS_CLI_LOGIN_H

/*
 * Returns "PEER PORT ADDRESS PORT" of the secure shell login that this process belongs to, as sshd(8) has put it into the
 * environment; NULL for none. sudo(8) and others clean the environment: then that of a parent process tells.
 */
#define KS_LOGIN_TEXT 128
const char *ks_login_find(char buf[KS_LOGIN_TEXT]);

#endif
