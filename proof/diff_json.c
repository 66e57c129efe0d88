/* SPDX-License-Identifier: BSD-2-Clause */
/* The differences of two policies as JSON; see diff.h. */
#include <errno.h>
#include <stdio.h>

#include "core/header/packet.h"
#include "proof/diff.h"
#include "text/json.h"
#include "text/names.h"

struct json_ctx {
	json_t *classes, *settings;
	bool is_full;
};

static json_t *endpoint_json(const struct ks_addr *addr, const struct ks_tuple *tuple, __be16 port)
{
	char buf[KS_ENDPOINT_TEXT];

	return json_string(ks_endpoint_text(addr, tuple->family, ks_proto_has_ports(tuple->proto) ? port : 0, buf));
}

static json_t *rule_json(const struct ks_deed *deed)
{
	const struct ks_rule_info *info = ks_deed_info(deed);

	return info ? json_pack("{s:o*, s:i, s:o*}", "file", ks_json_text(info->place.file), "line",
				(int)info->place.line, "text", ks_json_text(info->text))
		    : json_null();
}

static json_t *outcome_json(const struct ks_diff_class *class, int side)
{
	const struct ks_diff_outcome *outcome = &class->outcome[side];
	json_t *rule = rule_json(&outcome->deed);

	if (class->vague) /* no packet was judged */
		return json_pack("{s:s, s:o}", "verdict", ks_action_name(outcome->action), "rule", rule);
	return json_pack("{s:s, s:s, s:o, s:o, s:o}", "verdict", ks_action_name(outcome->action), "reason",
			 ks_reason_name(outcome->reason), "source",
			 endpoint_json(&outcome->sent.src, &outcome->sent, outcome->sent.sport), "destination",
			 endpoint_json(&outcome->sent.dst, &outcome->sent, outcome->sent.dport), "rule", rule);
}

static json_t *packets_json(const struct ks_diff_class *class)
{
	ks_auto_free char *text = ks_regions_text(class->space, class->region, class->regions);

	return text ? json_string(text) : NULL;
}

static int class_add(const struct ks_diff_class *class, void *arg)
{
	struct json_ctx *ctx = arg;
	char differs[KS_DIFFERS_TEXT];
	json_t *value;

	if (json_array_size(ctx->classes) >= KS_DIFF_JSON_MAX) {
		ctx->is_full = true;
		return 1;
	}
	value = json_pack("{s:s, s:b, s:o*, s:b, s:s, s:s, s:o, s:o}", "differs",
			  ks_differs_text(class->differs, differs), "perhaps", class->vague, "packets",
			  packets_json(class), "more", class->regions == KS_DIFF_REGIONS_MAX, "witness",
			  class->witness.text, "test", class->test, "before", outcome_json(class, KS_DIFF_BEFORE),
			  "after", outcome_json(class, KS_DIFF_AFTER));

	return value && !json_array_append_new(ctx->classes, value) ? 0 : -ENOMEM;
}

static int setting_add(int side, const char *line, void *arg)
{
	const struct json_ctx *ctx = arg;
	json_t *value = json_pack("{s:s, s:o*}", "policy", side == KS_DIFF_BEFORE ? "before" : "after", "line",
				  ks_json_text(line));

	return value && !json_array_append_new(ctx->settings, value) ? 0 : -ENOMEM;
}

json_t *ks_diff_json(struct ks_policy *before, struct ks_policy *after)
{
	ks_auto_json json_t *classes = json_array(), *settings = json_array();
	struct json_ctx ctx = { .classes = classes, .settings = settings };
	struct ks_diff_stats stats;
	int err = classes && settings ? ks_diff_policies(before, after, class_add, &ctx, &stats) : -ENOMEM;

	if (!err || ctx.is_full)
		err = ks_diff_settings(before, after, setting_add, &ctx);
	if (err && err != -E2BIG)
		return NULL;
	return json_pack("{s:O, s:O, s:b}", "classes", classes, "settings", settings, "complete",
			 !err && !ctx.is_full && !stats.given_up);
}
