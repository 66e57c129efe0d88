# SPDX-License-Identifier: BSD-2-Clause
"""The table of results: what was measured, ours, the peer's, the ratio (none to a peer that did nothing)."""
import math
import statistics

NOISY = 1.3  # greatest over least, from which a row is marked as noisy
HEADINGS = ("what", "Keepstate", "peer", "ratio")


def number(value):
    """A number in as many digits as a reader wants."""
    if value >= 1e6:
        return f"{value / 1e6:.2f} M"
    if value >= 1e4:
        return f"{value / 1e3:.1f} k"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def spread(values):
    """Median with least and greatest."""
    median = statistics.median(values)
    if len(values) == 1:
        return number(median)
    noisy = " ~" if max(values) > NOISY * min(values) else ""
    return f"{number(median)} ({number(min(values))} .. {number(max(values))}){noisy}"


class Table:
    """Rows are kept until the end; notes follow them."""

    def __init__(self, markdown=False):
        self.markdown = markdown
        self.rows = []
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    def _add(self, what, unit, ours, peer_name, peer, ratio):
        text = f"{peer_name} {spread(peer)}" if peer else "none"
        self.rows.append((f"{what}, {unit}", spread(ours), text, f"{ratio:.2f}" if peer and ratio == ratio else ""))

    def rate(self, what, unit, ours, peer_name="", peer=None):
        """More is better."""
        ratio = statistics.median(ours) / (statistics.median(peer) or math.nan) if peer else 0
        self._add(what, unit, ours, peer_name, peer, ratio)

    def cost(self, what, unit, ours, peer_name="", peer=None):
        """Less is better."""
        ratio = statistics.median(peer) / statistics.median(ours) if peer else 0
        self._add(what, unit, ours, peer_name, peer, ratio)

    def print(self):
        if self.rows and self.markdown:
            for row in (HEADINGS, ("---",) * len(HEADINGS), *self.rows):
                print("| " + " | ".join(row) + " |")
        elif self.rows:
            widths = [max(len(row[i]) for row in (HEADINGS, *self.rows)) for i in range(len(HEADINGS))]
            for row in (HEADINGS, tuple("-" * w for w in widths), *self.rows):
                print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        if self.rows:
            print(f"\nA ratio above 1: Keepstate is the faster, or the smaller. ~: least and greatest are more than "
                  f"{NOISY} times apart.")
        for text in self.notes:
            print(text)
