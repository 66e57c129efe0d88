/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts about a network card that only the ioctl of ethtool(8) tells. */
#ifndef KS_KERNEL_ETHTOOL_H
#define KS_KERNEL_ETHTOOL_H

#include <stdbool.h>

#define KS_DRIVER_NAME 32

/* The name of the interface's driver, "" if it has none. */
void ks_ethtool_driver(const char *interface, char driver[KS_DRIVER_NAME]);

/* Returns true if it takes VLAN tags off the frames that it receives (`ethtool -K DEVICE rxvlan`). */
bool ks_ethtool_untags(const char *interface);

#endif
