# SPDX-License-Identifier: BSD-2-Clause
"""Reads captures and packets for tools/conformance without Keepstate's own code, whose verdicts it has to check."""
