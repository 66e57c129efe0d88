#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Fails on an include that points up: each layer uses only those before it. Folders of one
line stand side by side and do not know each other."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# A folder, or files by their stem where a folder has several layers. The first that matches a path is its layer.
LAYERS = [
    ["core/address", "core/effect.h", "core/env", "core/home", "core/match.h", "core/protection", "core/protocol", "core/rate", "core/rules.h", "core/schedule", "core/stages", "core/state", "core/tree.h", "core/types", "core/verdict"],
    ["core/header/", "core/table/"],
    ["core/members", "core/members_change", "core/members_internal"],
    ["core/event", "core/flood", "core/hop_limit", "core/inspection", "core/link", "core/match", "core/protect.h", "core/rules"],
    ["core/nat/"],
    ["core/track/"],
    ["core/challenge", "core/checksum", "core/judge", "core/stage"],
    ["core/fragment/", "core/helper/"],
    ["core/"],
    ["text/"],
    ["policy/"],
    ["engine/"],
    ["capture/", "explain/", "saved/", "scenario/"],
    ["proof/"],
    ["import/", "suggest/"],
    ["bpf/"],
    ["kernel/"],
    ["daemon/"],
    ["cli/http"],
    ["page/"],
    ["cli/", "bench/"],
    ["journal/"],
]

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.MULTILINE)


def layer(path):
    """Returns (height, name) of a path's layer; paths that are in none stand above all."""
    named = [(len(name), height, name) for height, names in enumerate(LAYERS) for name in names
             if path.startswith(name) and (name.endswith("/") or re.match(r"(\.\w+)?$", path[len(name):]))]
    return max(named)[1:] if named else (len(LAYERS), "")


def arrows_up():
    for source in sorted(path for name in {name.split("/")[0] for names in LAYERS for name in names}
                         for path in (ROOT / name).rglob("*.[ch]")):
        path = str(source.relative_to(ROOT))
        here = layer(path)
        for quote, included in INCLUDE.findall(source.read_text()):
            if quote == "<" and not (ROOT / included).exists():
                continue  # the system's
            there = layer(included)
            beside = there[0] == here[0] and there[1] != here[1] and there[1].endswith("/") and here[1].endswith("/")
            if there[0] > here[0] or beside:
                yield f"{path} includes {included}: {here[1]} must not use {there[1] or 'that'}"


if __name__ == "__main__":
    found = list(arrows_up())
    print(*found, f"{len(found)} includes point up", sep="\n")
    sys.exit(bool(found))
