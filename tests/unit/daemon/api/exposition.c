/* SPDX-License-Identifier: BSD-2-Clause */
/* The text formats of figures: which a client prefers, and how names, labels and ends are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/types.h"
#include "daemon/api/exposition.h"

static void test_negotiate(void **state)
{
	static const struct {
		const char *accept;
		bool open;
	} cases[] = {
		{ "application/openmetrics-text", true },
		{ "application/openmetrics-text; version=1.0.0; charset=utf-8", true },
		{ "text/plain, Application/OpenMetrics-Text;version=1.0.0", true },
		{ "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true },
		{ "application/openmetrics-text;q=0.3,text/plain;q=0.5", false },
		{ "application/openmetrics-text;q=0.3,text/plain;q=0.2,application/openmetrics-text;q=0.1", true },
		{ "application/openmetrics-text;q=0", false },
		{ "application/openmetrics-text ; q=0.000", false },
		{ "application/openmetrics-texts", false },
		{ "text/plain", false },
		{ "*/*", false },
		{ "", false },
		{ ",;,; q=,", false },
		{ NULL, false },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(cases); i++)
		assert_int_equal(ks_exposition_negotiate(cases[i].accept), cases[i].open);
}

static const struct ks_metric_family packets = { "x_packets", KS_METRIC_COUNTER, "", "Of all\nkinds: \\." };
static const struct ks_metric_family bytes = { "x_bytes", KS_METRIC_COUNTER, "bytes", "Bytes." };
static const struct ks_metric_family seconds = { "x_seconds", KS_METRIC_GAUGE, "seconds", "Seconds." };
static const struct ks_metric_family build = { "x_build", KS_METRIC_INFO, "", "Build." };

static void check(bool open, const char *expected)
{
	struct ks_exposition exposition = { .open = open };
	char *text = NULL;
	size_t size;

	exposition.out = open_memstream(&text, &size);
	ks_metric_begin(&exposition, &packets);
	ks_metric_count(&exposition, UINT64_MAX, "a", "one \"two\"\\\nthree", "b", "\xff\xc3\xa4\xe2\x82", NULL);
	ks_metric_begin(&exposition, &bytes);
	ks_metric_count(&exposition, 0, NULL);
	ks_metric_begin(&exposition, &seconds);
	ks_metric_real(&exposition, 0.25, "c", "", NULL);
	ks_metric_begin(&exposition, &build);
	ks_metric_count(&exposition, 1, "version", "1", NULL);
	ks_exposition_end(&exposition);
	fclose(exposition.out);
	assert_string_equal(text, expected);
	free(text);
}

static void test_prometheus(void **state)
{
	check(false,
	      "# HELP x_packets_total Of all\\nkinds: \\\\.\n"
	      "# TYPE x_packets_total counter\n"
	      "x_packets_total{a=\"one \\\"two\\\"\\\\\\nthree\",b=\"\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\"} "
	      "18446744073709551615\n"
	      "# HELP x_bytes_total Bytes.\n"
	      "# TYPE x_bytes_total counter\n"
	      "x_bytes_total 0\n"
	      "# HELP x_seconds Seconds.\n"
	      "# TYPE x_seconds gauge\n"
	      "x_seconds{c=\"\"} 0.25\n"
	      "# HELP x_build_info Build.\n"
	      "# TYPE x_build_info gauge\n"
	      "x_build_info{version=\"1\"} 1\n");
}

static void test_open(void **state)
{
	check(true,
	      "# HELP x_packets Of all\\nkinds: \\\\.\n"
	      "# TYPE x_packets counter\n"
	      "x_packets_total{a=\"one \\\"two\\\"\\\\\\nthree\",b=\"\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\"} "
	      "18446744073709551615\n"
	      "# HELP x_bytes Bytes.\n"
	      "# TYPE x_bytes counter\n"
	      "# UNIT x_bytes bytes\n"
	      "x_bytes_total 0\n"
	      "# HELP x_seconds Seconds.\n"
	      "# TYPE x_seconds gauge\n"
	      "# UNIT x_seconds seconds\n"
	      "x_seconds{c=\"\"} 0.25\n"
	      "# HELP x_build Build.\n"
	      "# TYPE x_build info\n"
	      "x_build_info{version=\"1\"} 1\n"
	      "# EOF\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_negotiate),
		cmocka_unit_test(test_prometheus),
		cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
