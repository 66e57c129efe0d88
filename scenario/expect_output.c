// SPDX-License-Identifier: BSD-2-Clause
/* Packets as they leave: compares the bytes with the expectation of a step, and puts both in words. */
#include <stdio.h>
#include <string.h>

#include "core/header/wire.h"
#include "engine/big_endian.h"
#include "policy/value.h"
#include "scenario/layout.h"
#include "scenario/runner.h"
#include "scenario/verify.h"
#include "text/names.h"

static bool is_changed(const struct ks_frame *frame, const struct ks_passage *passage)
{
	return passage->output_len != frame->captured ||
	       memcmp(passage->output, frame->data, KS_MIN(passage->output_len, KS_PASSAGE_OUTPUT_MAX)) != 0;
}

/* Patterns. */

static bool pattern_fits(const struct ks_end_pattern *end, unsigned family, const struct ks_addr *addr, __u16 port)
{
	const struct ks_range *range = &end->addrs;
	__u64 value[2];

	if ((port < end->port_lo || port > end->port_hi) != end->port_not)
		return false;
	if (!end->family)
		return true;
	if (end->family != family)
		return false;
	ks_addr_to_value(addr, family, value);
	if (value[0] < range->lo[0] || value[0] > range->hi[0])
		return false;
	return (value[0] > range->lo[0] || value[1] >= range->lo[1]) &&
	       (value[0] < range->hi[0] || value[1] <= range->hi[1]);
}

static bool patterns_fit(const struct ks_ends_pattern *ends, const struct ks_layout *layout)
{
	return pattern_fits(&ends->src, layout->family, &layout->src, layout->sport) &&
	       pattern_fits(&ends->dst, layout->family, &layout->dst, layout->dport) &&
	       (ends->id < 0 || (layout->has_id && layout->id == ends->id));
}

/* The maximum segment size that a SYN offers; -1 without one. */
static int mss_of(const __u8 *data, const struct ks_layout *layout)
{
	size_t end = ks_layout_payload(data, layout);
	size_t at = layout->l4 + TCP_HEADER_LEN;

	while (layout->proto == KS_PROTO_TCP && at + 4 <= end && data[at] != TCP_OPT_END) {
		if (data[at] == TCP_OPT_MSS)
			return ks_get16(data + at + 2);
		at += data[at] == TCP_OPT_NOP ? 1 : KS_MAX(data[at + 1], 2);
	}
	return -1;
}

static bool number_fits(int expected, int number)
{
	return expected < 0 || expected == number;
}

static const char *header_fault(const struct ks_expect *expect, const __u8 *data, const struct ks_layout *layout)
{
	const __u8 *ip = data + layout->l3;
	bool v4 = layout->family == KS_IPV4;

	if (!number_fits(expect->ttl, v4 ? ip[8] : ip[7]))
		return "it leaves with another time to live";
	if (!number_fits(expect->dscp, (ks_get16(ip) >> (v4 ? 0 : 4) & 0xff) >> 2))
		return "it leaves with another code point";
	if (!number_fits(expect->df, v4 ? ip[6] >> 6 & 1 : -1))
		return "it leaves with another \"don't fragment\"";
	if (!number_fits(expect->ip_id, v4 ? ks_get16(ip + 4) : -1))
		return "it leaves with another identification";
	if (!number_fits(expect->mss, mss_of(data, layout)))
		return "it leaves with another maximum segment size";
	return NULL;
}

static const char *payload_fault(const struct ks_expect *expect, const __u8 *data, const struct ks_layout *layout)
{
	size_t at = ks_layout_payload(data, layout);

	if (!expect->payload || (layout->have - at == expect->payload_length &&
				 memcmp(data + at, expect->payload, expect->payload_length) == 0))
		return NULL;
	return "it leaves with another payload";
}

static const char *quoting_fault(const struct ks_expect *expect, const __u8 *data, const struct ks_layout *layout)
{
	struct ks_layout quote;

	if (!expect->quoting.given)
		return NULL;
	if (!ks_layout_is_error(data, layout) || !ks_layout_read_quote(data, layout, &quote))
		return "it quotes nothing";
	return patterns_fit(&expect->quoting, &quote) ? NULL : "it leaves quoting another packet";
}

/* Returns true if the step says more of the packet's octets than that they are the same. */
static bool asks_for_headers(const struct ks_expect *expect)
{
	return expect->as.given || expect->quoting.given || expect->payload || expect->ttl >= 0 || expect->mss >= 0 ||
	       expect->df >= 0 || expect->ip_id >= 0 || expect->dscp >= 0;
}

static const char *expectation_fault(const struct ks_frame *frame, const struct ks_expect *expect,
				     const struct ks_passage *passage)
{
	struct ks_layout layout;
	const char *fault;

	if (expect->same && is_changed(frame, passage))
		return "it leaves changed";
	if (!ks_layout_read(passage->output, passage->output_len, frame->link, &layout))
		return asks_for_headers(expect) ? "it leaves as no IP packet" : NULL;
	if (expect->as.given && !patterns_fit(&expect->as, &layout))
		return "it leaves with other addresses or ports";
	fault = quoting_fault(expect, passage->output, &layout);
	if (!fault)
		fault = payload_fault(expect, passage->output, &layout);
	return fault ? fault : header_fault(expect, passage->output, &layout);
}

/* Faults that no step need mention, because no packet may have them. */
static const char *translation_fault(const struct ks_runner *runner, const struct ks_frame *frame,
				     const struct ks_passage *passage)
{
	const struct ks_inspection *insp = &passage->insp;
	const struct ks_bytes_view was = { frame->data, frame->captured };
	const struct ks_bytes_view is = { passage->output, passage->output_len };
	const struct ks_config *config = &runner->policy->config;
	unsigned may = config->scrub || config->alters ? KS_VERIFY_SCRUBBED : 0;

	if (!is_changed(frame, passage))
		return NULL;
	if (insp->verdict.action == KS_BYPASS)
		return "a packet that is bypassed was changed";
	if (insp->verdict.state != KS_STATE_NONE && insp->flow.after.helper)
		may |= KS_VERIFY_REWRITTEN;
	return ks_translation_fault(&was, &is, frame->link, may);
}

/* The mark of the packet as it leaves: what it came with, and what the inspection has put on it. */
static bool mark_fits(const struct ks_frame *frame, const struct ks_expect *expect, const struct ks_inspection *insp)
{
	__u32 mark = (frame->mark & ~insp->mark_mask) | (insp->mark & insp->mark_mask);

	return expect->mark < 0 || (__u32)expect->mark == mark;
}

const char *ks_leaving_fault(const struct ks_runner *runner, const struct ks_frame *frame, const struct ks_step *step,
			     const struct ks_passage *passage)
{
	const char *fault;

	if (!mark_fits(frame, &step->expect, &passage->insp))
		return "it leaves with another mark";
	if (passage->output_len > sizeof(passage->output) || frame->captured < frame->length)
		return step->expect.same || asks_for_headers(&step->expect)
			       ? "not all of it is here, so that nobody can tell how it leaves"
			       : NULL;
	if (passage->resumed_fault)
		return passage->resumed_fault;
	fault = translation_fault(runner, frame, passage);
	return fault ? fault : expectation_fault(frame, &step->expect, passage);
}

/* Texts. */

/* Writes two words, as far as they fit. Returns the length of the text. */
static size_t text_put(char *text, size_t size, const char *word, const char *value)
{
	int length = snprintf(text, size, "%s%s", word, value);

	return length < 0 ? 0 : KS_MIN((size_t)length, size - 1);
}

static const char *pattern_text(const struct ks_end_pattern *end, char *buf, size_t size)
{
	char lo[KS_ADDR_TEXT], hi[KS_ADDR_TEXT], ports[16] = "";
	struct ks_addr addr;
	bool one = memcmp(end->addrs.lo, end->addrs.hi, sizeof(end->addrs.lo)) == 0;

	if (end->port_lo == end->port_hi)
		snprintf(ports, sizeof(ports), ":%s%u", end->port_not ? "!" : "", end->port_lo);
	else if (end->port_lo || end->port_hi != 65535)
		snprintf(ports, sizeof(ports), ":%s%u-%u", end->port_not ? "!" : "", end->port_lo, end->port_hi);
	if (!end->family) {
		snprintf(buf, size, "*%s", ports);
		return buf;
	}
	ks_addr_from_value(end->addrs.lo, end->family, &addr);
	ks_addr_text(&addr, end->family, lo);
	ks_addr_from_value(end->addrs.hi, end->family, &addr);
	ks_addr_text(&addr, end->family, hi);
	snprintf(buf, size, end->family == KS_IPV6 && ports[0] ? "[%s%s%s]%s" : "%s%s%s%s", lo, one ? "" : "-",
		 one ? "" : hi, ports);
	return buf;
}

static size_t ends_expected(const struct ks_ends_pattern *ends, const char *word, char *text, size_t size)
{
	char src[128], dst[128], id[16] = "";
	int length;

	if (!ends->given)
		return 0;
	if (ends->id >= 0)
		snprintf(id, sizeof(id), " id %d", ends->id);
	length = snprintf(text, size, " %s %s > %s%s", word, pattern_text(&ends->src, src, sizeof(src)),
			  pattern_text(&ends->dst, dst, sizeof(dst)), id);
	return length < 0 ? 0 : KS_MIN((size_t)length, size - 1);
}

static size_t number_expected(const char *word, int number, char *text, size_t size)
{
	char value[16];

	if (number < 0)
		return 0;
	snprintf(value, sizeof(value), "%d", number);
	return text_put(text, size, word, value);
}

/* Writes bytes as a string of the language, as many as fit. Returns the length of the text. */
static size_t payload_put(const __u8 *data, size_t length, char *text, size_t size)
{
	size_t at = text_put(text, size, " payload \"", "");

	for (size_t i = 0; i < length && at + 8 < size; i++) {
		if (data[i] == '\r' || data[i] == '\n' || data[i] == '"' || data[i] == '\\')
			at += (size_t)snprintf(text + at, size - at, "\\%c",
					       data[i] == '\r'	 ? 'r'
					       : data[i] == '\n' ? 'n'
								 : data[i]);
		else
			at += (size_t)snprintf(text + at, size - at, data[i] < ' ' || data[i] > '~' ? "." : "%c",
					       data[i]);
	}
	return at + text_put(text + at, size - at, "\"", "");
}

void ks_leaving_expected(const struct ks_expect *expect, char *text, size_t size)
{
	size_t at = ends_expected(&expect->as, "as", text, size);

	at += ends_expected(&expect->quoting, "quoting", text + at, size - at);
	if (expect->payload)
		at += payload_put(expect->payload, expect->payload_length, text + at, size - at);
	at += number_expected(" ttl ", expect->ttl, text + at, size - at);
	at += number_expected(" mss ", expect->mss, text + at, size - at);
	at += number_expected(" dscp ", expect->dscp, text + at, size - at);
	at += number_expected(" mark ", expect->mark < 0 ? -1 : (int)expect->mark, text + at, size - at);
	at += number_expected(" ip-id ", expect->ip_id, text + at, size - at);
	if (expect->df >= 0)
		at += text_put(text + at, size - at, expect->df ? " df" : " no-df", "");
	at += number_expected(" resumes ", expect->resumes, text + at, size - at);
	if (expect->same)
		text_put(text + at, size - at, " same", "");
}

static size_t layout_put(const struct ks_layout *layout, const char *word, char *text, size_t size)
{
	char src[KS_ENDPOINT_TEXT], dst[KS_ENDPOINT_TEXT], id[16] = "";
	int length;

	if (layout->has_id)
		snprintf(id, sizeof(id), " id %u", layout->id);
	length = snprintf(text, size, " %s %s > %s%s", word,
			  ks_endpoint_text(&layout->src, layout->family, ks_be16(layout->sport), src),
			  ks_endpoint_text(&layout->dst, layout->family, ks_be16(layout->dport), dst), id);
	return length < 0 ? 0 : KS_MIN((size_t)length, size - 1);
}

void ks_leaving_text(const struct ks_frame *frame, const struct ks_passage *passage, char *text, size_t size)
{
	const __u8 *data = passage->output;
	struct ks_layout layout, quote;
	size_t at, payload;

	if (passage->resumed) {
		int length = snprintf(text, size, " resumes %u", passage->resumed);

		text += length;
		size -= (size_t)length;
	}
	if (!passage->output_len || passage->output_len > sizeof(passage->output) || !is_changed(frame, passage) ||
	    !ks_layout_read(data, passage->output_len, frame->link, &layout))
		return;
	at = layout_put(&layout, "as", text, size);
	if (ks_layout_is_error(data, &layout) && ks_layout_read_quote(data, &layout, &quote))
		at += layout_put(&quote, "quoting", text + at, size - at);
	payload = ks_layout_payload(data, &layout);
	if (passage->output_len != frame->captured)
		payload_put(data + payload, layout.have - payload, text + at, size - at);
}
