/* SPDX-License-Identifier: BSD-2-Clause */
/* See state_text.h. */
#include "cli/state_text.h"

#include <stdio.h>
#include <string.h>

#include "explain/json.h"

const char *ks_state_end_text(const json_t *state, bool source, char buf[KS_STATE_END_TEXT])
{
	const char *address = ks_member_text(state, source ? "source" : "destination");
	const json_t *port = json_object_get(state, source ? "source_port" : "destination_port");
	const json_t *id = json_object_get(state, "icmp_id") ?: json_object_get(state, "id");
	bool v6 = strchr(address, ':') != NULL;

	if (port)
		snprintf(buf, KS_STATE_END_TEXT, v6 ? "[%s]:%d" : "%s:%d", address, (int)json_integer_value(port));
	else if (json_is_integer(id) && source) /* the "id" of an event is a string, and names the flow */
		snprintf(buf, KS_STATE_END_TEXT, "%s id %d", address, (int)json_integer_value(id));
	else
		snprintf(buf, KS_STATE_END_TEXT, "%s", address);
	return buf;
}
