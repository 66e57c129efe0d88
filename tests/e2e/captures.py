# SPDX-License-Identifier: BSD-2-Clause
"""Captures that `keepstate log --write` has written."""
import struct


def packets_of(capture):
    """The packets of a pcapng file, each as its bytes and its comment."""
    found, at = [], 0
    while at < len(capture):
        kind, size = struct.unpack_from("<II", capture, at)
        if kind == 6:
            captured, = struct.unpack_from("<I", capture, at + 20)
            option = at + 28 + (captured + 3 & ~3)
            code, length = struct.unpack_from("<HH", capture, option)
            assert code == 1, code
            found.append((capture[at + 28:at + 28 + captured], capture[option + 4:option + 4 + length].decode()))
        at += size
    return found
