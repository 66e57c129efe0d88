/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of the core's numbers for people, and back: one list each, from the X-macros of the core. */
#ifndef KS_TEXT_NAMES_H
#define KS_TEXT_NAMES_H

#include <stddef.h>

#include "core/table/flow.h"
#include "core/table/flow_event.h"
#include "core/verdict.h"

/* Each returns a static string; "?" for a number out of range. */
const char *ks_reason_name(unsigned reason); /* "no state" */
const char *ks_reason_text(unsigned reason); /* a sentence */
const char *ks_state_name(unsigned state); /* "ESTABLISHED" */
const char *ks_end_name(unsigned end); /* "expired": why a flow has ended */
const char *ks_action_name(unsigned action); /* "allow" "deny" "reject" "bypass" "hold" */
const char *ks_challenge_mode_name(unsigned mode); /* "auto" "always" "never" */
const char *ks_class_name(unsigned class); /* "new" "established" "related" "invalid" "untracked" "none" */

/* Each returns the number, or -1 for an unknown name. Case is ignored. */
int ks_reason_from_name(const char *name);
int ks_state_from_name(const char *name);
int ks_end_from_name(const char *name);
int ks_class_from_name(const char *name);

/* "tcp", "icmpv6", or the decimal number written into buf (at least 4 bytes). */
const char *ks_proto_name(unsigned proto, char *buf, size_t size);
int ks_proto_from_name(const char *name); /* a name or a number 0..255, else -1 */

/* All names of protocols. Returns how many there are. */
#define KS_PROTO_NAMES_MAX 32
size_t ks_proto_names(const char *names[KS_PROTO_NAMES_MAX]);

#define KS_ADDR_TEXT 46
#define KS_ENDPOINT_TEXT 56

/* Writes an address as people write it; returns buf. */
const char *ks_addr_text(const struct ks_addr *addr, unsigned family, char buf[KS_ADDR_TEXT]);

/* "192.0.2.1:53" or "[2001:db8::1]:53"; without the port when it is 0. */
const char *ks_endpoint_text(const struct ks_addr *addr, unsigned family, __be16 port, char buf[KS_ENDPOINT_TEXT]);

/* "cookie-echo": a type of chunk of SCTP, in the words of the test language. */
const char *ks_sctp_chunk_name(unsigned type);

#define KS_CHUNKS_TEXT 128

/* "init", "cookie-echo data": the chunks of an SCTP packet, in the words of the test language; writes buf. */
const char *ks_sctp_chunks_text(unsigned chunks, char buf[KS_CHUNKS_TEXT]);

/* "request": the type of a DCCP packet, in the words of the test language. */
const char *ks_dccp_type_text(unsigned type);

#define KS_KEY_TEXT 16

/* " key 100" or " call 7" for a GRE tunnel (core/header/gre.h) that has one, "" for everything else. */
const char *ks_gre_key_text(const struct ks_tuple *tuple, char buf[KS_KEY_TEXT]);

#endif
