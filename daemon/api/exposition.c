/* SPDX-License-Identifier: BSD-2-Clause */
/* See exposition.h. */
#include "daemon/api/exposition.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text/utf8.h"

#define OPEN_TYPE "application/openmetrics-text"
#define PLAIN_TYPE "text/plain"

const char *ks_exposition_type(bool open)
{
	return open ? OPEN_TYPE "; version=1.0.0; charset=utf-8" : PLAIN_TYPE "; version=0.0.4; charset=utf-8";
}

/* The weight of one element of Accept, from behind its type: 1 without `q`. */
static double element_weight(const char *parameters, const char *end)
{
	for (const char *at = parameters; (at = memchr(at, ';', (size_t)(end - at))); at++) {
		const char *name = at + 1 + strspn(at + 1, " \t");

		if (name < end && (*name == 'q' || *name == 'Q') && name[1] == '=')
			return strtod(name + 2, NULL);
	}
	return 1;
}

/* The largest weight that the list gives a type; 0: it does not have it. */
static double accept_weight(const char *accept, const char *type)
{
	size_t length = strlen(type);
	double best = 0;

	while (*accept) {
		const char *element = accept + strspn(accept, " \t,"), *end = element + strcspn(element, ",");

		if (!strncasecmp(element, type, length) && strchr("; \t,", element[length])) {
			double weight = element_weight(element + length, end);

			best = weight > best ? weight : best;
		}
		accept = end;
	}
	return best;
}

bool ks_exposition_negotiate(const char *accept)
{
	double open;

	if (!accept)
		return false;
	open = accept_weight(accept, OPEN_TYPE);
	return open > 0 && open >= accept_weight(accept, PLAIN_TYPE);
}

/* Writes a text with backslash, line feed and quotation mark escaped. Bytes that are no UTF-8 become U+FFFD. */
static void print_escaped(FILE *out, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		size_t good = ks_utf8_length(text, left);

		for (size_t i = 0; i < good; i++) {
			if (text[i] == '\n')
				fputs("\\n", out);
			else if (text[i] == '\\' || text[i] == '"')
				fprintf(out, "\\%c", text[i]);
			else
				fputc(text[i], out);
		}
		if (good < left) {
			fputs("\xef\xbf\xbd", out);
			good++;
		}
		text += good;
		left -= good;
	}
}

static const char *type_name(const struct ks_exposition *exposition)
{
	if (exposition->family->type == KS_METRIC_COUNTER)
		return "counter";
	return exposition->family->type == KS_METRIC_INFO && exposition->open ? "info" : "gauge";
}

/* The end of a sample's name. In Prometheus' format it belongs to the family's name. */
static const char *suffix(const struct ks_metric_family *family)
{
	static const char *const suffixes[] = {
		[KS_METRIC_COUNTER] = "_total", [KS_METRIC_GAUGE] = "", [KS_METRIC_INFO] = "_info"
	};

	return suffixes[family->type];
}

void ks_metric_begin(struct ks_exposition *exposition, const struct ks_metric_family *family)
{
	const char *end = exposition->open ? "" : suffix(family);

	exposition->family = family;
	fprintf(exposition->out, "# HELP %s%s ", family->name, end);
	print_escaped(exposition->out, family->help);
	fprintf(exposition->out, "\n# TYPE %s%s %s\n", family->name, end, type_name(exposition));
	if (exposition->open && *family->unit)
		fprintf(exposition->out, "# UNIT %s %s\n", family->name, family->unit);
}

static void print_labels(FILE *out, va_list labels)
{
	const char *name;
	char before = '{';

	while ((name = va_arg(labels, const char *))) {
		fprintf(out, "%c%s=\"", before, name);
		print_escaped(out, va_arg(labels, const char *));
		fputc('"', out);
		before = ',';
	}
	if (before == ',')
		fputc('}', out);
}

static void begin_sample(const struct ks_exposition *exposition, va_list labels)
{
	fprintf(exposition->out, "%s%s", exposition->family->name, suffix(exposition->family));
	print_labels(exposition->out, labels);
}

void ks_metric_count(const struct ks_exposition *exposition, __u64 value, ...)
{
	va_list labels;

	va_start(labels, value);
	begin_sample(exposition, labels);
	va_end(labels);
	fprintf(exposition->out, " %llu\n", value);
}

void ks_metric_real(const struct ks_exposition *exposition, double value, ...)
{
	va_list labels;

	va_start(labels, value);
	begin_sample(exposition, labels);
	va_end(labels);
	fprintf(exposition->out, " %.9g\n", value);
}

void ks_exposition_end(const struct ks_exposition *exposition)
{
	if (exposition->open)
		fputs("# EOF\n", exposition->out);
}
