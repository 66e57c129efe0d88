/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Express on an interface (bpf/express.bpf.c), as `option express` wants it: XDP sends on the packets of known flows that come by
 * it, and sends by it what comes by others.
 *
 * Overview. Each direction is judged alone, so that an interface whose queue shapes what leaves by it gets its downloads by express
 * all the same. It may be taken where the short way may (short_way.h), where XDP is in front, where no filter of others would see
 * the packets, and out of an interface whose driver takes frames from XDP and whose queue is only a queue.
 *
 * Life cycle. Looked at again after news of an interface, and every second: drivers and others change their minds.
 */
#ifndef KS_DAEMON_INTERFACES_EXPRESS_H
#define KS_DAEMON_INTERFACES_EXPRESS_H

struct ks_guarded;
struct ks_interfaces;

enum ks_express_direction { KS_EXPRESS_FROM, KS_EXPRESS_TO, KS_EXPRESS_DIRECTIONS };

/* X(identifier, why it is not taken) */
#define KS_EXPRESS_STATES(X)                                                                             \
	X(OFF, "") /* the policy does not want it */                                                     \
	X(ON, "") /* it is taken */                                                                      \
	X(WAITS, "its hooks are not there yet")                                                          \
	X(LONG, "its packets go the long way")                                                           \
	X(FILTERS, "filters of others there must see the packets")                                       \
	X(NO_XDP, "XDP is not in front of it")                                                           \
	X(UNTOLD, "this kernel does not tell if its driver takes frames from XDP (Linux 6.3 does)")      \
	X(NO_DRIVER, "its driver takes no frames from XDP now (a veth does if XDP is on its other end)") \
	X(QUEUE, "its queue does more with packets than to queue them")

enum ks_express_state {
#define X(id, why) KS_EXPRESS_IS_##id,
	KS_EXPRESS_STATES(X)
#undef X
};

/* Why it is not taken there, NULL if it is, or is not wanted. */
const char *ks_express_why(enum ks_express_state state);

void ks_express_settle(struct ks_interfaces *interfaces);
void ks_express_watch(struct ks_interfaces *interfaces, struct ks_guarded *guarded);

#endif
