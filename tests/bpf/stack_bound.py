#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Checks that every program stays within the kernel's 512 bytes of stack, as the strictest kernel counts them.

Older kernels round each frame of a chain of calls up to 32 bytes, newer ones with a JIT to 16; and all bound a chain to
eight frames. The verifier here accepts what 6.1 would refuse, so the chains are added up by hand from the linked object:
what the functions store below r10, and whom they call or give to bpf_loop() as a callback. One line a program.

  stack_bound.py OBJECT
"""
import re
import shutil
import subprocess
import sys

STACK, FRAMES, ROUND = 512, 8, 32
CALL, LOAD64 = 0x85, 0x18  # opcodes
PSEUDO_CALL = 1  # source register of a call of our own functions
SLOT = 8  # bytes of an instruction

HEADING = re.compile(r"Disassembly of section (\S+):")
LABEL = re.compile(r"([0-9a-f]+) <(.+)>:")
INSTRUCTION = re.compile(r"\s*(\d+):\t((?:[0-9a-f]{2} )*[0-9a-f]{2})\t(.*)")
RELOCATION = re.compile(r"\s+[0-9a-f]+:\s+R_BPF_64_(?:32|64)\t(\S+)")
STORED = re.compile(r"\(r10 - (0x[0-9a-f]+)\)|r\d+ \+= -(0x[0-9a-f]+)")


class Function:
    def __init__(self, section, name):
        self.section, self.name, self.depth = section, name, 1
        self.uses = []  # [is a call, place of the instruction, its immediate, the symbol it is relocated by]

    def read(self, place, code, text):
        for found in STORED.finditer(text):
            below = int(found[1] or found[2], 16)
            if below <= STACK:
                self.depth = max(self.depth, below)
        if (code[0] == CALL and code[1] >> 4 == PSEUDO_CALL) or code[0] == LOAD64:
            self.uses.append([code[0] == CALL, place, int.from_bytes(code[4:8], "little", signed=True), None])

    def callees(self, names):
        """Places, as (section, offset), of what it calls or takes the address of."""
        for is_call, place, immediate, symbol in self.uses:
            if symbol in names:
                yield names[symbol]
            elif symbol:
                yield symbol, (immediate + 1) * SLOT if is_call else immediate
            elif is_call:
                yield self.section, (place + 1 + immediate) * SLOT


def functions_of(path):
    tool = next(filter(None, map(shutil.which, ("llvm-objdump-19", "llvm-objdump-18", "llvm-objdump-17", "llvm-objdump-16",
                                                "llvm-objdump"))), None)
    if not tool:
        print("SKIP: no llvm-objdump")
        sys.exit(77)
    functions, section, current = {}, None, None
    for line in subprocess.run([tool, "-d", "-r", path], capture_output=True, text=True, check=True).stdout.splitlines():
        if found := HEADING.match(line):
            section = found[1]
        elif found := LABEL.match(line):
            current = functions[section, int(found[1], 16)] = Function(section, found[2])
        elif found := INSTRUCTION.match(line):
            current.read(int(found[1]), bytes.fromhex(found[2]), found[3])
        elif (found := RELOCATION.match(line)) and current.uses:
            current.uses[-1][3] = found[1]
    return functions


def chains(functions):
    """For each program its deepest chain in bytes, with the functions of it, and its longest in frames."""
    names = {function.name: place for place, function in functions.items()}
    programs = {place for place, function in functions.items() if function.section != ".text"}
    known = {}

    def chain(place):
        if place not in known:
            function = functions[place]
            known[place] = 0, [], 0  # recursion ends here; the verifier refuses it anyway
            below = [chain(callee) for callee in function.callees(names) if callee in functions and callee not in programs]
            depth, path, _ = max(below, default=(0, [], 0))
            frame = (function.depth + ROUND - 1) // ROUND * ROUND
            known[place] = (frame + depth, [f"{function.name} {function.depth}"] + path,
                            1 + max((frames for _, _, frames in below), default=0))
        return known[place]

    return {functions[place].name: chain(place) for place in sorted(programs)}


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    wrong = 0
    found = chains(functions_of(sys.argv[1]))
    for name, (depth, path, frames) in found.items():
        bad = depth > STACK or frames > FRAMES
        wrong += bad
        print(f"{'not ok' if bad else 'ok'}: {name}: {depth} bytes, {frames} frames: {', '.join(path)}")
    if not any(len(path) > 3 for _, path, _ in found.values()):
        sys.exit("no chain of calls was found: is this the linked object?")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
