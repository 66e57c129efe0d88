/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A policy from traffic: few rules that allow what was asked and answered, tests made of it, and in words what is left out.
 * Requests become atoms (atoms.h), and atoms rules (merge.h). Where requests come from is another matter: captures
 * (observe.h), or the journal (cli/suggest.c).
 */
#ifndef KS_SUGGEST_SUGGEST_H
#define KS_SUGGEST_SUGGEST_H

#include "suggest/atoms.h"
#include "suggest/forwards.h"

/* X(identifier, the words for one, for several). */
#define KS_LEFTS(X)                                                                                                 \
	X(MIDSTREAM, "TCP connection whose beginning was not seen", "TCP connections whose beginning was not seen") \
	X(NOWHERE, "connection with an end in no zone", "connections with an end in no zone")                       \
	X(FORWARDED, "connection that a forward or redirect rule sent elsewhere",                                   \
	  "connections that forward or redirect rules sent elsewhere")                                              \
	X(UNREAD, "flow of the journal that is not understood", "flows of the journal that are not understood")     \
	X(FORGOTTEN, "connection for which there was no room", "connections for which there was no room")

enum ks_left {
#define X(id, one, several) KS_LEFT_##id,
	KS_LEFTS(X)
#undef X
		KS_LEFT_MAX
};

struct ks_suggestion {
	struct ks_suggest_wish wish;
	bool takes_unanswered; /* requests that nobody answered count, too */
	const struct ks_policy *settings; /* its statements that are no rules are kept; NULL: the zones' */
	struct ks_atoms asked, unanswered;
	struct ks_forwards forwards;
	__u64 left[KS_LEFT_MAX];
	__u64 dropped[KS_REASON_MAX]; /* packets that are invalid */
};

void ks_suggestion_fini(struct ks_suggestion *suggestion);

KS_SCOPED_STRUCT(ks_auto_suggestion, struct ks_suggestion, ks_suggestion_fini)
#define ks_auto_suggestion ks_scoped(ks_auto_suggestion)

/*
 * Makes a policy of the zones and translations of another one that lets everything pass which is not invalid. Returns as
 * ks_policy_load_text().
 */
int ks_suggest_watch(const struct ks_policy *policy, struct ks_policy **watch, struct ks_diags *diags);

/* Adds a connection by its first packet. Returns 0 or -ENOMEM. */
int ks_suggestion_add(struct ks_suggestion *suggestion, const struct ks_request *request, bool is_answered);

/* Adds one that went to another address than it asked for, or counts it as left out. Returns 0 or -ENOMEM. */
int ks_suggestion_forward(struct ks_suggestion *suggestion, const struct ks_request *request, bool is_answered,
			  const struct ks_addr *to, __be16 port);

/*
 * Writes the policy: *text is the caller's to free. It was loaded, and its tests were run; samples that a translation or the
 * lack of a network keeps from being tests are left out of these. `origin` says where requests come from ("2 captures").
 * Returns 0, -ENOMEM, or -EPROTO with the text if it is no policy, which is a fault.
 */
int ks_suggestion_write(struct ks_suggestion *suggestion, const char *origin, char **text);

#endif
