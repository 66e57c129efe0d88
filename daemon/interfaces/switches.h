/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's own switches of its forwarding. What goes past that (bpf/way.bpf.c) asks the routes, whose lookup does not know all
 * of them: rp_filter it leaves out, and of IPv6 it asks the interface where the kernel asks for all of them.
 */
#ifndef KS_DAEMON_SWITCHES_H
#define KS_DAEMON_SWITCHES_H

struct ks_interfaces;

/* Reads them, and tells the programs what has changed (ks_guard.forward): with new links, and when news say so. */
void ks_switches_note(struct ks_interfaces *interfaces);

#endif
