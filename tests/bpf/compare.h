/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares the results of two homes for the same packets. Clocks and versions differ between homes and are left out. */
#ifndef KS_TESTS_BPF_COMPARE_H
#define KS_TESTS_BPF_COMPARE_H

#include "scenario/scenario.h"

#define DIFFERENCE_TEXT 256

/* Each returns true and says in `text` what is different first: "state: 3 and 4". */
bool passages_differ(const struct ks_passage *a, const struct ks_passage *b, char text[DIFFERENCE_TEXT]);

/* The live entries of a home's table, flows and all others, sorted by their key. */
struct flow_list {
	struct listed_flow {
		struct ks_flow_key key;
		struct ks_flow flow;
	} *flows;
	size_t count, room;
};

int flow_list_take(struct flow_list *list, const struct ks_home *home);
void flow_list_fini(struct flow_list *list);
bool flow_lists_differ(const struct flow_list *a, const struct flow_list *b, char text[DIFFERENCE_TEXT]);

/* Events of flows, sorted by their flow and what they tell. */
struct event_list {
	struct ks_flow_event *events;
	size_t count, room;
	bool no_memory;
};

/* Adds one to the list, `arg`. */
void event_list_add(const struct ks_flow_event *event, void *arg);
/*
 * Adds the ends of flows that have expired, and wait in the table of a home for its sweeper; sorts the list, and takes one of two
 * where the sweeper was there in the meantime.
 */
void event_list_complete(struct event_list *list, const struct ks_home *home);
void event_list_fini(struct event_list *list);
bool event_lists_differ(const struct event_list *a, const struct event_list *b, char text[DIFFERENCE_TEXT]);

#endif
