#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs codespell over everything that people read. Words that are right stand in spelling.txt, one a line."""
import subprocess
from pathlib import Path

import common

DATA = (".pcap", ".pcapng", ".seed")

if __name__ == "__main__":
    paths = [path for path in common.our_files() if path.suffix not in DATA and "corpus" not in path.parts]
    found = subprocess.run([common.tool("codespell"), "--ignore-words", Path(__file__).with_name("spelling.txt"), *paths],
                           cwd=common.ROOT, capture_output=True, text=True, check=False).stdout
    common.end(found.splitlines(), "A word that is right is added to tests/check/spelling.txt.")
