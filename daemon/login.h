/* SPDX-License-Identifier: BSD-2-Clause */
/* The remote login from which a policy is put in force: would that policy let it open again? */
#ifndef KS_DAEMON_LOGIN_H
#define KS_DAEMON_LOGIN_H

#include "daemon/daemon.h"

/*
 * `login` is "PEER PORT ADDRESS PORT", as sshd(8) gives it in SSH_CONNECTION. Returns a sentence to be freed if `policy` would not
 * let the peer open it again, with the line that is missing; NULL if it would, if no packet of the peer is judged here, or if
 * that cannot be told.
 */
char *ks_login_warning(struct ks_daemon *daemon, const struct ks_policy *policy, const char *login);

/* Adds the sentence to a change (ks_change_tell()); nothing for a NULL login. */
void ks_login_add(struct ks_daemon *daemon, const struct ks_policy *policy, const char *login, json_t **change);

#endif
