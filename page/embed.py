#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the files of the page as a C file: embed.py OUTPUT FILE... Called by the build."""
import sys
from pathlib import Path

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def array(number, data):
    lines = [", ".join(str(byte) for byte in data[at:at + 24]) + "," for at in range(0, len(data), 24)]
    return f"static const unsigned char file_{number}[] = {{\n" + "\n".join(lines) + "\n};\n"


def main(output, names):
    text = '/* Made by page/embed.py. */\n#include "page/assets.h"\n\n'
    rows = ""
    for number, name in enumerate(names):
        path = Path(name)
        text += array(number, path.read_bytes())
        where = "/" if path.name == "index.html" else "/" + path.name
        rows += f'\t{{ "{where}", "{TYPES[path.suffix]}; charset=utf-8", file_{number}, sizeof(file_{number}) }},\n'
    text += f"\nconst struct ks_asset ks_assets[] = {{\n{rows}}};\n"
    text += f"const size_t ks_asset_count = {len(names)};\n"
    Path(output).write_text(text)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
