/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A flow with its aliases, the keys by which its sides know it where addresses are
 * translated (core/nat/alias.h), taken out of one table to be put into another. A flow
 * and its aliases name each other by slot ids, which mean nothing outside of their
 * table, so these are made again. `keepstate explain` judges a packet by a copy of its
 * live flow this way.
 */
#ifndef KS_ENGINE_TRANSPLANT_H
#define KS_ENGINE_TRANSPLANT_H

#include "engine/engine.h"

struct ks_transplant {
	struct ks_flow_key key;
	struct ks_flow flow;
	bool has_alias[2]; /* by enum ks_dir of the side */
	struct ks_flow_key alias_key[2];
	struct ks_flow alias[2];
};

/*
 * Gives the flow, whose key, flags, zones and rule are set, the alias by which a side knows it: `tuple` is what that side
 * sees, in the direction of the originator.
 */
void ks_transplant_name(struct ks_transplant *transplant, enum ks_dir side, const struct ks_tuple *tuple);

/* Puts the flow and its aliases into an engine. Returns 0, -EEXIST or -ENOSPC; then none of them is there. */
int ks_engine_transplant(struct ks_engine *engine, const struct ks_transplant *transplant);

#endif
