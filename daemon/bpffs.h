/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bpf file system that has the pins. Every mount of one is another file system, and a mount namespace that ends takes those
 * with it that nobody else has. `ip netns exec` makes such a namespace, and so does a sandbox of systemd. So it is mounted
 * where process 1 sees it, and the same one is shown in our namespace.
 */
#ifndef KS_DAEMON_BPFFS_H
#define KS_DAEMON_BPFFS_H

/*
 * Mounts it on a directory whose path is the same in both namespaces, unless it is there. Returns 0; 1 if it could only be
 * mounted in our own namespace, with which it ends; or -errno.
 */
int ks_bpffs_mount(const char *dir);

#endif
