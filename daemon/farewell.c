/* SPDX-License-Identifier: BSD-2-Clause */
/* See farewell.h. */
#include "daemon/farewell.h"

#include <unistd.h>

#include "daemon/api/api.h"
#include "daemon/events.h"

#define TURN_US 1000
#define TURNS 10 /* for answers that are on their way */
#define TURNS_MAX 500 /* for followers who read slowly: those that do not read at all hold nothing up */

static void send_rest(struct ks_daemon *daemon)
{
	for (int i = 0; i < TURNS || (i < TURNS_MAX && daemon->events && ks_events_are_unread(daemon->events)); i++) {
		ks_api_work(daemon->api);
		usleep(TURN_US);
	}
}

void ks_farewell_say(struct ks_daemon *daemon)
{
	if (daemon->events && daemon->remove)
		ks_events_tell_stop(daemon->events, daemon->save);
	if (daemon->events)
		ks_events_end(daemon->events);
	ks_api_refuse_put_off(daemon->api);
	if (daemon->api)
		send_rest(daemon);
	ks_api_destroy(daemon->api);
	ks_events_destroy(daemon->events);
	ks_rates_fini(&daemon->rates);
}
