/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of the packet language, as tables; see words.c. */
#ifndef KS_POLICY_SCENARIO_WORDS_H
#define KS_POLICY_SCENARIO_WORDS_H

#include "policy/scenario/scenario.h"

struct ks_mod_info {
	const char *word;
	__u8 arg; /* enum ks_mod_arg */
	__u64 lo, hi;
	unsigned where; /* KS_FOR_* */
	const char *text;
};

extern const struct ks_mod_info ks_mod_infos[KS_MOD_MAX];

/* Each returns the number of a word, or -1. */
int ks_mod_from_word(const char *word); /* enum ks_mod_kind */
int ks_tcp_flag_from_word(const char *word); /* the bit, 0 for `none` */
int ks_icmp_type_from_word(const char *word, unsigned family); /* of ICMP or ICMPv6 */
int ks_icmp_code_from_word(const char *word, unsigned family);
int ks_chunk_from_word(const char *word); /* a type of chunk of SCTP */
int ks_dccp_type_from_word(const char *word);
int ks_kind_from_word(const char *word); /* enum ks_kind, as `expect records` names it */
int ks_extension_from_word(const char *word); /* an IPv6 extension header */

/* The bytes of an IPv4 option. Returns their number, 0 for an unknown word. */
size_t ks_ip_option_from_word(const char *word, const __u8 **data);

/* The nearest word that could stand behind the protocol, for complaints, or NULL. */
const char *ks_packet_word_nearest(const char *word);

#endif
