/* SPDX-License-Identifier: BSD-2-Clause */
/* Link types; see link.h. Layouts: pcap-linktype(7) and the LINKTYPE_ pages of tcpdump.org. */
#include "host/link.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "host/home.h"

#define ETHER_SIZE 14U
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd

/* Of no protocol: what a cut or foreign link header becomes. */
#define ETHERTYPE_NONE 0xffff

/* What the link header of a frame without Ethernet says. */
struct parsed {
	__u32 size; /* octets of it */
	__u16 type; /* an ethertype; 0 for bare IP of either version */
};

static void parse_raw(const struct ks_capture_frame *in, struct parsed *parsed, struct ks_link_info *info)
{
	parsed->type = in->link_type == DLT_IPV4 ? ETHERTYPE_IPV4 : in->link_type == DLT_IPV6 ? ETHERTYPE_IPV6 : 0;
}

/* Address families of IPv6 differ between the systems that wrote the capture. */
static __u16 type_of_family(__u32 family)
{
	switch (family) {
	case 2:
		return ETHERTYPE_IPV4;
	case 10: /* Linux */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* Darwin */
		return ETHERTYPE_IPV6;
	default:
		return ETHERTYPE_NONE;
	}
}

/* BSD loopback: the family in the byte order of the machine that captured, or big-endian (LOOP). Families are small. */
static void parse_null(const struct ks_capture_frame *in, struct parsed *parsed, struct ks_link_info *info)
{
	__u32 family = ks_load32(in->data);

	parsed->size = 4;
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	parsed->type = type_of_family(family);
}

static __u8 way_of(unsigned packet_type)
{
	return packet_type == 4 ? KS_WAY_OUT : packet_type < 3 ? KS_WAY_IN : KS_WAY_UNKNOWN;
}

static void parse_sll(const struct ks_capture_frame *in, struct parsed *parsed, struct ks_link_info *info)
{
	parsed->size = 16;
	parsed->type = ks_be16(ks_load16(in->data + 14));
	info->way = way_of(ks_be16(ks_load16(in->data)));
	if (ks_be16(ks_load16(in->data + 4)) == KS_MAC_SIZE)
		info->src_mac = in->data + 6;
}

static void parse_sll2(const struct ks_capture_frame *in, struct parsed *parsed, struct ks_link_info *info)
{
	parsed->size = 20;
	parsed->type = ks_be16(ks_load16(in->data));
	info->ifindex = ks_be32(ks_load32(in->data + 4));
	info->way = way_of(in->data[10]);
	if (in->data[11] == KS_MAC_SIZE)
		info->src_mac = in->data + 12;
}

static const struct link {
	__u16 type;
	__u8 header; /* octets that parse() looks at */
	const char *name;
	void (*parse)(const struct ks_capture_frame *in, struct parsed *parsed, struct ks_link_info *info);
} links[] = {
	{ DLT_EN10MB, 0, "Ethernet", NULL },
	{ DLT_RAW, 0, "raw IP", parse_raw },
	{ DLT_IPV4, 0, "raw IPv4", parse_raw },
	{ DLT_IPV6, 0, "raw IPv6", parse_raw },
	{ DLT_NULL, 4, "BSD loopback", parse_null },
	{ DLT_LOOP, 4, "OpenBSD loopback", parse_null },
	{ DLT_LINUX_SLL, 16, "Linux cooked", parse_sll },
	{ DLT_LINUX_SLL2, 20, "Linux cooked v2", parse_sll2 },
};

static const struct link *link_find(__u16 type)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(links); i++) {
		if (links[i].type == type)
			return &links[i];
	}
	return NULL;
}

bool ks_link_is_known(__u16 link_type)
{
	return link_find(link_type) != NULL;
}

const char *ks_link_name(__u16 link_type)
{
	const struct link *link = link_find(link_type);
	const char *name = link ? link->name : pcap_datalink_val_to_description(link_type);

	return name ? name : "unknown";
}

void ks_link_scratch_fini(struct ks_link_scratch *scratch)
{
	free(scratch->data);
	scratch->data = NULL;
	scratch->room = 0;
}

static int scratch_reserve(struct ks_link_scratch *scratch, __u32 size)
{
	__u8 *data;

	if (size <= scratch->room)
		return 0;
	data = realloc(scratch->data, size);
	if (!data)
		return -ENOMEM;
	scratch->data = data;
	scratch->room = size;
	return 0;
}

/* Makes an Ethernet frame of `type` from what stands behind the link header. */
static int rebuild(const struct ks_capture_frame *in, const struct parsed *parsed, struct ks_link_scratch *scratch,
		   struct ks_frame *out)
{
	__u32 size = KS_MIN(parsed->size, in->captured), rest = in->captured - size;
	int err = scratch_reserve(scratch, ETHER_SIZE + rest);

	if (err)
		return err;
	memset(scratch->data, 0, ETHER_SIZE - 2);
	scratch->data[ETHER_SIZE - 2] = (__u8)(parsed->type >> 8);
	scratch->data[ETHER_SIZE - 1] = (__u8)parsed->type;
	memcpy(scratch->data + ETHER_SIZE, in->data + size, rest);
	out->data = scratch->data;
	out->captured = ETHER_SIZE + rest;
	out->length = ETHER_SIZE + in->length - size;
	out->link = KS_LINK_ETHERNET;
	return 0;
}

/* Whether the payload is of the IP version that the link header says, or the header leaves it open. */
static bool is_plain_ip(const struct ks_capture_frame *in, const struct parsed *parsed)
{
	unsigned version;

	if (parsed->type == 0)
		return true;
	if (in->captured <= parsed->size)
		return false;
	version = in->data[parsed->size] >> 4;
	return (parsed->type == ETHERTYPE_IPV4 && version == 4) || (parsed->type == ETHERTYPE_IPV6 && version == 6);
}

static void ethernet_frame(const struct ks_capture_frame *in, struct ks_frame *out, struct ks_link_info *info)
{
	out->data = in->data;
	out->captured = in->captured;
	out->length = in->length;
	out->link = KS_LINK_ETHERNET;
	if (in->captured >= ETHER_SIZE) {
		info->dst_mac = in->data;
		info->src_mac = in->data + KS_MAC_SIZE;
	}
}

int ks_link_frame(const struct ks_capture_frame *in, struct ks_link_scratch *scratch, struct ks_frame *out,
		  struct ks_link_info *info)
{
	const struct link *link = link_find(in->link_type);
	struct parsed parsed = { 0 };

	if (!link)
		return -EOPNOTSUPP;
	*info = (struct ks_link_info){ .way = in->way };
	if (!link->parse) {
		ethernet_frame(in, out, info);
		return 0;
	}
	if (in->captured < link->header) {
		/* Not even a link header: an Ethernet frame that ends in its header is judged as such. */
		out->data = in->data;
		out->captured = KS_MIN(in->captured, ETHER_SIZE - 1);
		out->length = out->captured;
		out->link = KS_LINK_ETHERNET;
		return 0;
	}
	link->parse(in, &parsed, info);
	if (!is_plain_ip(in, &parsed))
		return rebuild(in, &parsed, scratch, out);
	out->data = in->data + parsed.size;
	out->captured = in->captured - parsed.size;
	out->length = in->length - parsed.size;
	out->link = KS_LINK_IP;
	return 0;
}
