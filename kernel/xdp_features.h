/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts about a driver's XDP, as the kernel tells them since Linux 6.3. */
#ifndef KS_KERNEL_XDP_FEATURES_H
#define KS_KERNEL_XDP_FEATURES_H

#define KS_XDP_SENDS 0x04U /* it takes frames that XDP redirects to it, now */
#define KS_XDP_SENDS_LARGE 0x40U /* frames in several buffers, too */

/* Returns bits of the above and others (NETDEV_XDP_ACT_* of the kernel), -EOPNOTSUPP if this kernel does not tell, or -errno. */
int ks_xdp_features(unsigned ifindex);

#endif
