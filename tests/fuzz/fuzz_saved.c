/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes files of saved states, with their checksum made right: any bytes are refused whole with a message, or every entry of
 * them has numbers in range. What is taken into a table can be saved again, and comes back the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/helper/id.h"
#include "engine/internal.h"
#include "saved/form.h"
#include "saved/saved.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policy_text[] = "zone lan { eth1, network 10.0.0.0/8 }\n"
				  "zone wan { eth0 }\n"
				  "limit states 64\n"
				  "allow from any to any\n"
				  "nat from lan to wan masquerade endpoint-independent\n"
				  "helper ftp from lan to wan tcp port 21\n";

static void check(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static int look(const struct ks_saved_entry *entry, void *arg)
{
	check(entry->of.flow.state < KS_STATE_MAX, "a state out of range");
	if (entry->of.key.kind == KS_KIND_FLOW)
		check(entry->of.flow.helper < KS_HELPER_MAX && entry->of.flow.class < KS_UDP_CLASSES,
		      "numbers out of range");
	return 0;
}

static int save(const struct ks_engine *engine, const struct ks_ids *ids, char **text, size_t *size)
{
	const struct ks_saved_table table = {
		.buckets = engine->buckets, .count = engine->shape.buckets, .now = engine->now, .ids = ids
	};
	const struct ks_saved_moment moment = { .wall = 1, .boottime = 1, .boot = { 1 } };
	FILE *out = open_memstream(text, size);
	__u64 flows;
	int err = ks_saved_write(out, &table, &moment, &flows);

	fclose(out);
	return err;
}

/* Takes the file into a table, and saves that. */
static void restore(const struct ks_saved *saved, const struct ks_policy *policy, const struct ks_ids *ids)
{
	const struct ks_tables tables = ks_policy_tables(policy);
	char error[KS_SAVED_ERROR] = "", *text = NULL;
	struct ks_saved_outcome outcome;
	struct ks_engine *engine;
	struct ks_saved *again;
	size_t size;

	check(ks_engine_create(&tables, &engine) == 0, "no memory");
	ks_engine_set_time(engine, 1ULL << 42);
	check(ks_saved_restore(saved, ks_saved_moment(saved), engine, policy, &outcome) == 0, "no memory");
	check(ks_engine_counts(engine)->flows <= policy->config.limit_states, "more states than the limit");
	check(save(engine, ids, &text, &size) == 0, "the table cannot be saved");
	check(ks_saved_open(text, size, &again, error) == 0, "what was saved cannot be read");
	check(ks_saved_unknown(again) == 0, "what was saved is not known");
	ks_saved_close(again);
	free(text);
	ks_engine_destroy(engine);
}

static void put_sum(uint8_t *bytes, size_t size)
{
	__u32 sum = ks_saved_crc(0, bytes, size - KS_SAVED_CRC_SIZE);

	for (unsigned i = 0; i < KS_SAVED_CRC_SIZE; i++)
		bytes[size - 1 - i] = (uint8_t)(sum >> 8 * i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ks_policy *policy;
	static struct ks_ids ids;
	char error[KS_SAVED_ERROR] = "";
	struct ks_saved *saved = NULL;
	uint8_t *bytes = malloc(size + 1);

	if (!policy) {
		struct ks_diags diags;

		check(ks_policy_load_text(policy_text, strlen(policy_text), "fuzz", NULL, &policy, &diags) == 0,
		      "the policy does not load");
		ks_diags_fini(&diags);
		check(ks_ids_of(policy, &ids) == 0, "no memory");
	}
	check(bytes != NULL, "no memory");
	memcpy(bytes, data, size);
	if (size >= KS_SAVED_CRC_SIZE)
		put_sum(bytes, size);
	if (ks_saved_open(bytes, size, &saved, error)) {
		check(*error, "refused without a message");
	} else {
		ks_saved_each(saved, look, NULL);
		restore(saved, policy, &ids);
		ks_saved_close(saved);
	}
	free(bytes);
	return 0;
}
