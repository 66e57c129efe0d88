/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XDP in front of an interface's hooks (core/front.h), as `option xdp` wants it.
 *
 * Overview. Only an interface that is judged at its own ingress, and of whose frames XDP sees what ingress sees, gets it.
 * Where the driver has no XDP, or somebody else's program is there, the hooks judge alone, as without it: nothing is less safe.
 *
 * Life cycle. It comes after both hooks are there and goes before they do. ks_front_settle() looks at all interfaces whenever
 * one changes, ks_front_watch() every second: a program of others may have gone, or come.
 */
#ifndef KS_DAEMON_INTERFACES_FRONT_H
#define KS_DAEMON_INTERFACES_FRONT_H

struct ks_guarded;
struct ks_interfaces;

/* X(identifier, why it is not in force) */
#define KS_FRONT_STATES(X)                                                                   \
	X(OFF, "") /* the policy does not want it */                                         \
	X(ON, "") /* it is in force */                                                       \
	X(WAITS, "its hooks are not there yet")                                              \
	X(SHARES, "it stands for several interfaces, or is one of several")                  \
	X(NO_ADDRESS, "it has no link address")                                              \
	X(COSTS, "it would cost TCP its large packets there (option xdp always)")            \
	X(TAGS, "its card takes VLAN tags off before XDP sees them (ethtool -K rxvlan off)") \
	X(NO_DRIVER, "its driver has no XDP")                                                \
	X(OTHERS, "somebody else's XDP program is there")                                    \
	X(NO_PROGRAM, "this kernel does not load the program")                               \
	X(REFUSED, "its driver refuses it: for large frames, for one")

enum ks_front_state {
#define X(id, why) KS_FRONT_##id,
	KS_FRONT_STATES(X)
#undef X
};

const char *ks_front_why(enum ks_front_state state);

void ks_front_settle(struct ks_interfaces *interfaces);
void ks_front_watch(struct ks_interfaces *interfaces, struct ks_guarded *guarded);

#endif
