/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests of captures: the connections of a replay that lets everything pass which is not invalid. */
#ifndef KS_SUGGEST_OBSERVE_H
#define KS_SUGGEST_OBSERVE_H

#include "capture/capture.h"
#include "capture/zone_map.h"
#include "suggest/suggest.h"

struct ks_observe {
	const struct ks_policy *watch; /* ks_suggest_watch(); the zones of the suggestion are its own */
	const struct ks_zone_map *zones;
	const char *const *paths; /* the last one is NULL */
	bool arriving_only, ignores_checksums; /* as of a replay */
};

/*
 * Reads the captures into a suggestion. A TCP connection was answered if its SYN was, and others if anything came back. Returns
 * 0, or as ks_replay_file() with *failed, the path.
 */
int ks_suggest_observe(struct ks_suggestion *suggestion, const struct ks_observe *observe, const char **failed,
		       char error[KS_CAPTURE_ERROR]);

#endif
