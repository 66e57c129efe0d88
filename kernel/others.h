/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Others of this network namespace who want to see the packets that it forwards: rules of netfilter (nftables, iptables)
 * and IPsec policies. A packet that goes the short way (bpf/short.bpf.c) meets none of them.
 */
#ifndef KS_KERNEL_OTHERS_H
#define KS_KERNEL_OTHERS_H

#include <stddef.h>

#define KS_OTHERS_TEXT 128

/*
 * Writes who would see forwarded packets by netfilter, as "nftables: chain forward of table inet filter"; "" if nobody. Returns
 * 0, or -errno if the kernel cannot be asked.
 */
int ks_others_in_netfilter(char *text, size_t size);

/* The same for IPsec: "an IPsec policy". */
int ks_others_in_ipsec(char *text, size_t size);

#endif
