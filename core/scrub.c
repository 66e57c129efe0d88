// SPDX-License-Identifier: BSD-2-Clause
/* The options that change passing packets; see scrub.h. */
#include "core/scrub.h"

#include "core/env.h"
#include "core/header/checksum.h"
#include "core/header/wire.h"
#include "core/stage.h"

static bool scrub_ipv4(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, __u32 ip)
{
	__u16 old[4], word[4];
	__u32 diff = 0, ttl;

	/* Identification, fragment word, TTL and protocol, checksum: read again, because a translation has changed them. */
	if (!env_packet_read(env, ip + IPV4_ID_OFF, old, sizeof(old)))
		return false;
	for (__u32 i = 0; i < 4; i++)
		word[i] = old[i];
	if (config->scrub & KS_SCRUB_RANDOM_ID && !(ks_be16(old[1]) & IPV4_FRAGMENT_MASK))
		word[0] = (__u16)env_random(env);
	if (config->scrub & KS_SCRUB_NO_DF)
		word[1] = old[1] & ks_be16((__u16)~IPV4_DONT_FRAGMENT);
	ttl = ks_be16(old[2]) >> 8;
	if (config->scrub & KS_SCRUB_TTL && ttl < config->min_ttl)
		word[2] = ks_be16((ks_be16(old[2]) & 0xff) | config->min_ttl << 8);
	for (__u32 i = 0; i < 3; i++)
		diff += ks_checksum_diff16(old[i], word[i]);
	word[3] = ks_checksum_apply(old[3], diff);
	return env_packet_write(env, ip + IPV4_ID_OFF, word, sizeof(word));
}

static bool scrub_ipv6(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, __u32 ip)
{
	if (!(config->scrub & KS_SCRUB_TTL) || insp->pkt.hop_limit >= config->min_ttl)
		return true;
	return env_packet_write(env, ip + IPV6_HOP_LIMIT_OFF, &config->min_ttl, sizeof(config->min_ttl));
}

/* The options of a SYN, one after the other; insp->pkt.cursor is the offset of the next. */
struct mss_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	const __u8 *head;
	__u32 max_mss;
	bool failed;
};

static long mss_option_step(__u32 n, void *arg)
{
	struct mss_ctx *ctx = arg;
	__u32 off = ctx->insp->pkt.cursor, len = 1, mss;
	const __u8 *opt = ks_head_at(ctx->head, off);
	__be16 word;

	if (off >= ctx->insp->pkt.payload_off || opt[0] == TCP_OPT_END)
		return 1;
	if (opt[0] != TCP_OPT_NOP)
		len = opt[1];
	if (len == 0 || off + len > ctx->insp->pkt.payload_off)
		return 1;
	ctx->insp->pkt.cursor = (__u16)(off + len);
	if (opt[0] != TCP_OPT_MSS || len != TCP_OPT_MSS_LEN)
		return 0;
	mss = ks_be16(ks_load16(opt + 2));
	if (mss <= ctx->max_mss)
		return 1;
	word = ks_be16(ctx->max_mss);
	ctx->failed =
		!env_packet_write(ctx->env, off + 2, &word, sizeof(word)) ||
		!env_checksum_add(ctx->env, ctx->insp->pkt.l4_off + TCP_CHECKSUM_OFF,
				  /* An option at an odd offset lies across two words of the sum. */
				  (off - ctx->insp->pkt.l4_off) & 1
					  ? ks_checksum_fold(ks_checksum_diff16(__builtin_bswap16(ks_load16(opt + 2)),
										__builtin_bswap16(word)))
					  : ks_checksum_diff16(ks_load16(opt + 2), word),
				  false, false);
	return 1;
}

bool ks_mss_lower(struct ks_env *env, struct ks_inspection *insp, const __u8 *head, __u32 max_mss)
{
	struct mss_ctx ctx = { .env = env, .insp = insp, .head = head, .max_mss = max_mss };

	insp->pkt.cursor = insp->pkt.l4_off + TCP_HEADER_LEN;
	ks_loop(TCP_OPTIONS_MAX, mss_option_step, &ctx);
	return !ctx.failed;
}

__u32 ks_scrub(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, const __u8 *head)
{
	bool ok;

	if (insp->pkt.tuple.family == KS_IPV4)
		ok = scrub_ipv4(env, config, insp, insp->pkt.l3_off);
	else
		ok = scrub_ipv6(env, config, insp, insp->pkt.l3_off);
	if (ok && config->scrub & KS_SCRUB_MSS && insp->pkt.tcp_flags & KS_TCP_SYN && !ks_is_altered(insp, config))
		ok = ks_mss_lower(env, insp, head, config->max_mss);
	return ok ? 0 : KS_REASON_TRANSLATE;
}
