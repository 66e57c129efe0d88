/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random packets through all three homes: conversations that go on, go wrong
 * and go mad; every word of the packet language at random; bytes flipped.
 * For every packet tc and XDP must come to the verdict of the native home, and
 * the state tables must be the same. Usage: random_agree [PACKETS [SEED]]
 *
 * Time only moves in jumps that end every flow: the three homes have clocks of
 * their own, and would differ where a millisecond decides.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bpf/agree.h"
#include "scenario/craft.h"

#define PACKETS 8000 /* of each policy */
#define PACKETS_EMULATED 2000
#define SEED 1
#define MODS_MAX 12
#define TABLE_EVERY 500 /* packets between comparisons of the tables */
#define JUMP_EVERY 2500 /* packets between jumps of the clock */
#define JUMP (3600 * KS_NSEC_PER_SEC * 2)

#define ZONES                                                                                                \
	"zone lan { eth1, address 10.0.0.254, address fd00::fe }\n"                                          \
	"zone wan { eth0, address 203.0.113.1, address 2001:db8:f::1 }\n"                                    \
	"zone dmz { eth2 }\n"                                                                                \
	"timeout tcp.syn_sent 1h, tcp.syn_recv 1h, tcp.established 1h, tcp.fin_wait 1h, tcp.close_wait 1h\n" \
	"timeout tcp.last_ack 1h, tcp.time_wait 1h, tcp.close 1h, udp.single 1h, udp.stream 1h\n"            \
	"timeout icmp.request 1h, icmp.replied 1h, other.single 1h, other.stream 1h\n"                       \
	"timeout udp.dns 1h, udp.quic 1h, udp.wireguard 1h, udp.stun 1h, udp.sip 1h\n"                       \
	"timeout fragments 1h, nat.mapping 1h, helper.expected 1h, helper.memory 2h\n"                       \
	"option log-drops off\n"

static const struct policy_case {
	const char *name, *text;
} policies[] = {
	{ "filtering", ZONES "deny from lan to wan tcp port 25 log \"mail\"\n"
			     "bypass from lan udp port 4789\n"
			     "reject from wan to self\n"
			     "reject from lan to wan tcp port 113\n"
			     "allow from lan to { wan, dmz } source { 10.0.0.0/29, fd00::/64 } "
			     "port { 1-1000, 4000 } proto { tcp, udp }\n"
			     "allow from { lan, dmz } to any proto { icmp, icmpv6, 47, 50 }\n"
			     "allow from wan to dmz tcp port 80 source not 192.0.2.3\n"
			     "allow from self to any\n" },
	{ "masquerading", ZONES "nat from lan to wan masquerade\n"
				"nat from lan to wan family ipv6 masquerade\n"
				"bypass from lan udp port 4789\n"
				"allow from { lan, self } to any\n"
				"allow from wan to dmz\n" },
	{ "helpers and scrubbing", ZONES "option scrub-ttl 64, scrub-id on, scrub-df on, mss 1400\n"
					 "helper ftp from any to any tcp port { 80, 22 }\n"
					 "helper irc from any to any tcp port 25\n"
					 "helper tftp from any to any udp port 53\n"
					 "helper sip from any to any udp port 80\n"
					 "nat from lan to wan source 10.0.0.1 masquerade\n"
					 "allow from any to any\n" },
	{ "translation",
	  ZONES "forward from wan source { 192.0.2.1, 2001:db8::/64 } tcp port 40000 to lan 10.0.0.1 port 80\n"
		"forward from wan udp port 40000-40001 to lan { 10.0.0.1, 10.0.0.2 } port 5000\n"
		"forward from { wan, lan } destination 192.0.2.1 tcp port 22 to lan 10.0.0.1\n"
		"redirect from lan to wan tcp port 113 to self port 3128\n"
		"binat 10.0.0.4 to 203.0.113.4 on wan\n"
		"nptv6 fd00::/64 to 2001:db8:1::/64 on wan\n"
		"nat from lan to wan source 10.0.0.2 masquerade endpoint-independent filtering address-dependent\n"
		"nat from lan to wan source 10.0.0.3 masquerade endpoint-independent\n"
		"nat from lan to wan source 10.0.0.5 to 203.0.113.8-203.0.113.9 port 20000-20003\n"
		"nat from lan to wan to 203.0.113.16/30 random-port\n"
		"allow from { lan, self } to any\n"
		"allow from wan to { lan, dmz } tcp port 80\n" },
	{ "simultaneous open and pickup", ZONES "option simultaneous-open on, pickup on\n"
						"allow from { lan, self } to any\n" },
	{ "asymmetric routes", ZONES "option asymmetric on\n"
				     "allow from { lan, self } to any\n"
				     "allow from wan tcp source port 80\n" },
};

/* xorshift64*: the same packets for the same seed everywhere. */
struct dice {
	uint64_t state;
};

static uint32_t roll(struct dice *dice, uint32_t sides)
{
	dice->state ^= dice->state >> 12;
	dice->state ^= dice->state << 25;
	dice->state ^= dice->state >> 27;
	return (uint32_t)((dice->state * 0x2545f4914f6cdd1dULL) >> 32) % sides;
}

struct bench {
	struct agreement all;
	struct ks_crafter *crafter;
	struct dice dice;
	struct ks_mod mods[MODS_MAX];
	struct ks_packet_spec quote;
	__u8 frame[2048];
	bool has_last; /* the last packet was let through */
	struct ks_tuple last; /* as it left */
	__u8 last_from, last_to;
};

static void addr_roll(struct bench *bench, struct ks_packet_spec *spec, bool lan, struct ks_addr *addr)
{
	static const __u8 nets6[2][8] = { { 0x20, 0x01, 0x0d, 0xb8 }, { 0xfd, 0x00 } };

	memset(addr, 0, sizeof(*addr));
	addr->b[15] = (__u8)(roll(&bench->dice, 8) ? 1 : 1 + roll(&bench->dice, 5));
	if (spec->family == KS_IPV6)
		memcpy(addr->b, nets6[lan], 8);
	else
		memcpy(addr->b + 12, lan ? (const __u8[]){ 10, 0, 0 } : (const __u8[]){ 192, 0, 2 }, 3);
}

/* Few hosts and ports, so that packets meet flows. */
static void ends_roll(struct bench *bench, struct ks_packet_spec *spec)
{
	static const __u16 ports[] = { 80, 53, 25, 113, 4789, 4000, 0, 22 };
	static const __u8 protos[] = { 6, 6, 6, 6, 6, 17, 17, 17, 1, 1, 47, 50, 132, 132, 33, 136, 58 };
	bool back = roll(&bench->dice, 5) < 2;

	spec->family = roll(&bench->dice, 2) ? KS_IPV6 : KS_IPV4;
	spec->proto = protos[roll(&bench->dice, sizeof(protos))];
	if (spec->proto == KS_PROTO_ICMP && spec->family == KS_IPV6)
		spec->proto = KS_PROTO_ICMPV6;
	spec->has_ports = true;
	addr_roll(bench, spec, true, &spec->src);
	addr_roll(bench, spec, false, &spec->dst);
	spec->sport = (__u16)(40000 + roll(&bench->dice, 2));
	spec->dport = ports[roll(&bench->dice, roll(&bench->dice, 8) ? 1 : KS_ARRAY_SIZE(ports))];
	spec->from = KS_ZONE_FIRST; /* lan, as the policy names them */
	spec->to = KS_ZONE_FIRST + 1;
	spec->conversation =
		roll(&bench->dice, 4) !=
		0; /* to the address by which the sender knows the receiver; else to the one that is written */
	if (roll(&bench->dice, 20) == 0)
		spec->from = (__u8)(1 + roll(&bench->dice, 4));
	if (roll(&bench->dice, 20) == 0)
		spec->to = (__u8)roll(&bench->dice, 5);
	if (!back)
		return;
	struct ks_addr addr = spec->src;
	__u16 port = spec->sport;
	__u8 zone = spec->from;

	spec->src = spec->dst;
	spec->dst = addr;
	spec->sport = spec->dport;
	spec->dport = port;
	spec->from = spec->to;
	spec->to = zone;
}

static struct ks_mod *mod_add(struct bench *bench, struct ks_packet_spec *spec, enum ks_mod_kind kind, __s64 value)
{
	struct ks_mod *mod = &bench->mods[spec->mod_count];

	if (spec->mod_count == MODS_MAX)
		return mod - 1;
	*mod = (struct ks_mod){ .kind = (__u8)kind, .value = value, .value2 = -1 };
	spec->mod_count++;
	return mod;
}

/* Mostly the next number, sometimes one near it, rarely any. */
static void number_roll(struct bench *bench, struct ks_packet_spec *spec, enum ks_mod_kind kind)
{
	uint32_t choice = roll(&bench->dice, 10);
	struct ks_mod *mod;

	if (choice < 6)
		return;
	mod = mod_add(bench, spec, kind, (__s64)roll(&bench->dice, 200) - 100);
	mod->base = KS_SEQ_NEXT;
	if (choice == 8)
		mod->value *= 1000;
	if (choice == 9) {
		mod->base = KS_SEQ_ABSOLUTE;
		mod->value = roll(&bench->dice, 0xffffffffU);
	}
}

static void tcp_roll(struct bench *bench, struct ks_packet_spec *spec)
{
	static const __u8 flags[] = { KS_TCP_SYN,
				      KS_TCP_SYN,
				      KS_TCP_SYN | KS_TCP_ACK,
				      KS_TCP_ACK,
				      KS_TCP_ACK | KS_TCP_PSH,
				      KS_TCP_ACK,
				      KS_TCP_RST,
				      KS_TCP_FIN | KS_TCP_ACK,
				      KS_TCP_RST | KS_TCP_ACK,
				      KS_TCP_ACK,
				      KS_TCP_FIN | KS_TCP_ACK };

	spec->tcp_flags = flags[roll(&bench->dice, sizeof(flags))];
	if (roll(&bench->dice, 30) == 0)
		spec->tcp_flags = (__u8)roll(&bench->dice, 256);
	number_roll(bench, spec, KS_MOD_SEQ);
	number_roll(bench, spec, KS_MOD_ACK);
	if (roll(&bench->dice, 2))
		mod_add(bench, spec, KS_MOD_WIN, roll(&bench->dice, 4) ? roll(&bench->dice, 65536) : 0);
	if (spec->tcp_flags & KS_TCP_SYN && roll(&bench->dice, 2))
		mod_add(bench, spec, KS_MOD_WSCALE, roll(&bench->dice, 16));
	if (spec->tcp_flags & KS_TCP_SYN && roll(&bench->dice, 2))
		mod_add(bench, spec, KS_MOD_SACKOK, 0);
	if (!(spec->tcp_flags & KS_TCP_SYN) && roll(&bench->dice, 8) == 0)
		mod_add(bench, spec, KS_MOD_SACK, roll(&bench->dice, 2000))->value2 = roll(&bench->dice, 4000);
}

/* An error about the last packet, by its receiver or by a router on its way. */
static void last_quote(struct bench *bench, struct ks_packet_spec *spec)
{
	bench->quote =
		(struct ks_packet_spec){ .kind = KS_SPEC_LAST, .family = spec->family, .seen = KS_SEEN_RECEIVED };
	spec->dst = bench->last.src;
	if (roll(&bench->dice, 2))
		spec->src = bench->last.dst;
	spec->from = bench->last_to;
	spec->to = bench->last_from;
	spec->quote = &bench->quote;
}

static void icmp_roll(struct bench *bench, struct ks_packet_spec *spec)
{
	static const __u8 types[2][10] = { { 8, 8, 0, 13, 14, 3, 3, 11, 12, 5 },
					   { 128, 128, 129, 1, 1, 2, 3, 135, 134, 143 } };
	__u8 type = types[spec->proto == KS_PROTO_ICMPV6][roll(&bench->dice, 10)];
	bool error = spec->proto == KS_PROTO_ICMP ? type == 3 || type == 11 || type == 12 : type < 5;

	if (roll(&bench->dice, 20) == 0)
		type = (__u8)roll(&bench->dice, 256);
	mod_add(bench, spec, KS_MOD_TYPE, type);
	mod_add(bench, spec, KS_MOD_ID, roll(&bench->dice, 3));
	if (roll(&bench->dice, 6) == 0)
		mod_add(bench, spec, KS_MOD_CODE, roll(&bench->dice, 20));
	if (!error)
		return;
	if (bench->has_last && bench->last.family == spec->family && roll(&bench->dice, 2)) {
		last_quote(bench, spec);
		return;
	}
	/* It quotes a packet of a conversation of its own receiver. */
	bench->quote = (struct ks_packet_spec){ 0 };
	ends_roll(bench, &bench->quote);
	bench->quote.family = spec->family;
	bench->quote.proto = roll(&bench->dice, 2) ? KS_PROTO_TCP : KS_PROTO_UDP;
	addr_roll(bench, &bench->quote, true, &bench->quote.src);
	addr_roll(bench, &bench->quote, false, &bench->quote.dst);
	bench->quote.seen = (__u8)(KS_SEEN_SENT + roll(&bench->dice, 2));
	if (roll(&bench->dice, 4))
		spec->dst = bench->quote.src;
	spec->quote = &bench->quote;
}

/* One or two chunks, mostly of those that begin and carry on an association. */
static void sctp_roll(struct bench *bench, struct ks_packet_spec *spec)
{
	static const __u8 chunks[] = { 1, 1, 1, 2, 2, 10, 10, 11, 11, 0, 0, 3, 4, 5, 6, 7, 8, 14, 9, 64 };

	mod_add(bench, spec, KS_MOD_CHUNK, chunks[roll(&bench->dice, sizeof(chunks))]);
	if (roll(&bench->dice, 8) == 0)
		mod_add(bench, spec, KS_MOD_TBIT, 0);
	if (roll(&bench->dice, 20) == 0)
		mod_add(bench, spec, KS_MOD_CHUNK_LENGTH, roll(&bench->dice, 40));
	if (roll(&bench->dice, 6) == 0)
		mod_add(bench, spec, KS_MOD_CHUNK, chunks[roll(&bench->dice, sizeof(chunks))]);
	if (roll(&bench->dice, 10) == 0)
		mod_add(bench, spec, KS_MOD_VTAG, roll(&bench->dice, 3));
}

static void dccp_roll(struct bench *bench, struct ks_packet_spec *spec)
{
	mod_add(bench, spec, KS_MOD_TYPE, roll(&bench->dice, 3) ? roll(&bench->dice, 5) : roll(&bench->dice, 11));
	if (roll(&bench->dice, 8) == 0)
		number_roll(bench, spec, KS_MOD_SEQ);
	if (roll(&bench->dice, 8) == 0)
		mod_add(bench, spec, KS_MOD_COVERAGE, roll(&bench->dice, 16));
}

static void gre_roll(struct bench *bench, struct ks_packet_spec *spec)
{
	if (roll(&bench->dice, 2))
		mod_add(bench, spec, roll(&bench->dice, 2) ? KS_MOD_GRE_KEY : KS_MOD_CALL, roll(&bench->dice, 3));
}

static void oddity_roll(struct bench *bench, struct ks_packet_spec *spec)
{
	static const __u8 extensions[] = { 0, 60, 43, 44, 51, 135 };
	struct ks_mod *mod;

	switch (roll(&bench->dice, 14)) {
	case 0:
		mod_add(bench, spec, KS_MOD_VLAN, 5);
		break;
	case 1:
		mod_add(bench, spec, KS_MOD_TOTAL_LENGTH, roll(&bench->dice, 200));
		mod_add(bench, spec, KS_MOD_PAYLOAD_LENGTH, roll(&bench->dice, 200));
		break;
	case 2:
		mod_add(bench, spec, KS_MOD_IHL, roll(&bench->dice, 16));
		break;
	case 3:
		mod_add(bench, spec, KS_MOD_VERSION, roll(&bench->dice, 16));
		break;
	case 4:
		mod_add(bench, spec, KS_MOD_TOS, roll(&bench->dice, 256));
		break;
	case 5:
		mod_add(bench, spec, KS_MOD_CHECKSUM, roll(&bench->dice, 2));
		break;
	case 6:
	case 7:
		if (spec->family == KS_IPV6) {
			mod = mod_add(bench, spec, KS_MOD_EXT, extensions[roll(&bench->dice, sizeof(extensions))]);
			mod->value2 = roll(&bench->dice, 4);
		}
		break;
	case 8:
		mod_add(bench, spec, KS_MOD_TRUNCATE, 60 + roll(&bench->dice, 60));
		break;
	case 9:
		mod_add(bench, spec, KS_MOD_PAD, roll(&bench->dice, 50));
		break;
	case 10:
		mod_add(bench, spec, KS_MOD_DATA_OFFSET, roll(&bench->dice, 16));
		break;
	case 11:
		mod_add(bench, spec, KS_MOD_UDP_LENGTH, roll(&bench->dice, 60));
		break;
	case 12:
		mod_add(bench, spec, KS_MOD_IP_CHECKSUM, roll(&bench->dice, 65536));
		break;
	default:
		mod_add(bench, spec, KS_MOD_TTL, roll(&bench->dice, 256));
	}
}

static void spec_roll(struct bench *bench, struct ks_packet_spec *spec)
{
	*spec = (struct ks_packet_spec){ .mods = bench->mods };
	ends_roll(bench, spec);
	if (spec->proto == KS_PROTO_TCP)
		tcp_roll(bench, spec);
	if (spec->proto == KS_PROTO_ICMP || spec->proto == KS_PROTO_ICMPV6)
		icmp_roll(bench, spec);
	if (spec->proto == KS_PROTO_SCTP)
		sctp_roll(bench, spec);
	if (spec->proto == KS_PROTO_DCCP)
		dccp_roll(bench, spec);
	if (spec->proto == KS_PROTO_GRE)
		gre_roll(bench, spec);
	if (roll(&bench->dice, 3))
		mod_add(bench, spec, KS_MOD_LEN, roll(&bench->dice, 200));
	if (roll(&bench->dice, 6) == 0)
		oddity_roll(bench, spec);
}

/* Flips a few bytes of some frames. */
static void frame_mutate(struct bench *bench, struct ks_frame *frame)
{
	if (frame->length > sizeof(bench->frame) || roll(&bench->dice, 6))
		return;
	memcpy(bench->frame, frame->data, frame->length);
	for (uint32_t n = 1 + roll(&bench->dice, 3); n > 0; n--)
		bench->frame[roll(&bench->dice, KS_MIN(frame->length, 120U))] = (__u8)roll(&bench->dice, 256);
	if (roll(&bench->dice, 10))
		frame_mend(bench->frame, frame->length);
	frame->data = bench->frame;
}

/* Sends one frame; sender and receiver learn its numbers. */
static int frame_agree(struct bench *bench, struct ks_frame *frame, unsigned number)
{
	const struct ks_passage *passage = &bench->all.passages[0];
	int differs = agreement_frame(&bench->all, frame, "packet", number);

	bench->has_last = false;
	if (differs)
		return differs == -EAGAIN ? 0 : 1;
	if (passage->insp.verdict.action != KS_ALLOW && passage->insp.verdict.action != KS_BYPASS)
		return 0;
	bench->has_last = true;
	bench->last = *ks_tuple_sent(&passage->insp);
	bench->last_from = frame->from;
	bench->last_to = frame->to;
	if (passage->output_len <= sizeof(passage->output))
		ks_crafter_delivered(bench->crafter, passage->output, passage->output_len, KS_ZONE_UNKNOWN);
	return 0;
}

/* The same datagram in two or three fragments, mostly in order, sometimes with an overlap or a repetition. */
static int fragments_agree(struct bench *bench, struct ks_packet_spec *spec, unsigned number)
{
	__s64 first = 8 * (1 + (__s64)roll(&bench->dice, 12)), second = first + 8 * (__s64)roll(&bench->dice, 10);
	const __s64 cuts[3][2] = { { 0, first }, { first, second }, { second, 65535 } };
	unsigned start = roll(&bench->dice, 4) ? 0 : roll(&bench->dice, 3);
	struct ks_frame frame;

	if (spec->mod_count > MODS_MAX - 2)
		return 0;
	mod_add(bench, spec, KS_MOD_IP_ID, number & 0xffff);
	mod_add(bench, spec, KS_MOD_PART, 0);
	for (int i = 0; i < 3; i++) {
		struct ks_mod *part = &bench->mods[spec->mod_count - 1];

		part->value = cuts[(i + start) % 3][0];
		part->value2 = cuts[(i + start) % 3][1];
		if (part->value && roll(&bench->dice, 20) == 0)
			part->value -= 8;
		if (part->value == part->value2 || ks_crafter_craft(bench->crafter, spec, &frame))
			continue;
		if (frame_agree(bench, &frame, number))
			return 1;
		if (roll(&bench->dice, 20) == 0)
			i--;
	}
	return 0;
}

/* Returns 0, or 1 after it has said what is different. */
static int packet_agree(struct bench *bench, unsigned number)
{
	struct ks_packet_spec spec;
	struct ks_frame frame;

	spec_roll(bench, &spec);
	if (roll(&bench->dice, 12) == 0)
		return fragments_agree(bench, &spec, number);
	if (ks_crafter_craft(bench->crafter, &spec, &frame))
		return 0; /* the words contradict each other */
	frame_mutate(bench, &frame);
	return frame_agree(bench, &frame, number);
}

static int run(struct bench *bench, unsigned packets)
{
	for (unsigned n = 1; n <= packets; n++) {
		if (packet_agree(bench, n))
			return 1;
		if ((n % TABLE_EVERY == 0 || n == packets) && agreement_tables(&bench->all, "packet", n))
			return 1;
		if (n % JUMP_EVERY)
			continue;
		agreement_advance(&bench->all, JUMP);
		ks_crafter_reset(bench->crafter);
	}
	return 0;
}

static int policy_run(struct bench *bench, unsigned number, unsigned packets, uint64_t seed)
{
	const struct policy_case *test = &policies[number];
	int differs;

	bench->dice.state = seed + number;
	ks_crafter_reset(bench->crafter);
	if (agreement_begin(&bench->all, test->text)) {
		printf("not ok %u - %s: the homes take up the policy\n", number + 1, test->name);
		return 1;
	}
	memset(bench->all.reasons, 0, sizeof(bench->all.reasons));
	bench->all.changed = 0;
	differs = run(bench, packets);
	agreement_summary(&bench->all);
	printf("%sok %u - %s: %u random packets of seed %" PRIu64 " come to the same natively, in tc and in XDP\n",
	       differs ? "not " : "", number + 1, test->name, packets, seed);
	return differs;
}

int main(int argc, char **argv)
{
	unsigned packets = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : PACKETS;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : SEED;
	static struct bench bench;
	int err, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!packets) /* a directory, from the runner in the emulator, which gives one to every test here and is slow */
		packets = PACKETS_EMULATED;
	err = agreement_open(&bench.all);
	if (err)
		return err;
	if (ks_crafter_create(&bench.crafter)) {
		printf("Bail out! no memory\n");
		return 1;
	}
	printf("1..%zu\n", KS_ARRAY_SIZE(policies));
	for (unsigned i = 0; i < KS_ARRAY_SIZE(policies); i++)
		failed |= policy_run(&bench, i, packets, seed ? seed : SEED);
	ks_crafter_destroy(bench.crafter);
	agreement_close(&bench.all);
	return failed;
}
