/* SPDX-License-Identifier: BSD-2-Clause */
/* See ethtool.h. */
#include "kernel/ethtool.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "text/scoped.h"

/* Returns 0, or a negative number if the interface does not answer. */
static int ask(const char *interface, void *question)
{
	ks_auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_data = question };

	if (fd < 0)
		return -1;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	return ioctl(fd, SIOCETHTOOL, &request);
}

void ks_ethtool_driver(const char *interface, char driver[KS_DRIVER_NAME])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };

	if (ask(interface, &info))
		memset(&info, 0, sizeof(info));
	snprintf(driver, KS_DRIVER_NAME, "%.31s", info.driver);
}

bool ks_ethtool_untags(const char *interface)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };

	return !ask(interface, &flags) && flags.data & ETH_FLAG_RXVLAN;
}
