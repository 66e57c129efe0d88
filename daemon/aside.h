/* SPDX-License-Identifier: BSD-2-Clause */
/* Work that takes long, done by a second thread while the daemon's own goes on to guard interfaces that come. */
#ifndef KS_DAEMON_ASIDE_H
#define KS_DAEMON_ASIDE_H

struct ks_daemon;

/*
 * Calls fn(arg) in a second thread, and returns when it has ended; meanwhile news of interfaces and routes are taken, and no
 * client is served. fn changes nothing of the daemon's, and reads nothing of it that the news change.
 */
void ks_aside_run(struct ks_daemon *daemon, void (*fn)(void *arg), void *arg);

/*
 * The same, and clients of the control API are served. fn reads nothing of the daemon's at all, and whoever calls is no handler of
 * a request.
 */
void ks_aside_run_serving(struct ks_daemon *daemon, void (*fn)(void *arg), void *arg);

#endif
