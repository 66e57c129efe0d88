# SPDX-License-Identifier: BSD-2-Clause
"""Does to our interfaces what other programs may do, by the bpf() system call itself: Debian 12's tools know no tcx.

  tcx DEVICE SIDE first|last RESULT   attaches a program that returns RESULT, until SIGTERM; SIDE is ingress or egress
  copy-port DEVICE [MAC]              at egress: writes the UDP destination port of IPv4 into skb->tc_index, and MAC into the
                                      frame as its source, until SIGTERM
  xdp DEVICE                          attaches an XDP program that passes everything, in the driver, until SIGTERM
  strip DEVICE                        takes every tcx program off a device, whoever put it there
  list DEVICE                         prints the program ids of both sides in their order
"""
import ctypes
import errno
import json
import os
import signal
import socket
import struct
import sys

BPF = 321  # the number of the call, x86-64
PROG_LOAD, PROG_GET_FD_BY_ID, PROG_QUERY, LINK_CREATE, LINK_GET_FD_BY_ID, LINK_DETACH = 5, 13, 16, 28, 30, 34
SCHED_CLS, XDP, NETFILTER = 3, 6, 32
XDP_ATTACH, XDP_DRIVER, XDP_PASS = 37, 1 << 2, 2
SIDES = {"ingress": 46, "egress": 47}
NETFILTER_ATTACH = 45
BEFORE, AFTER = 1 << 3, 1 << 4
TC_INDEX = 44  # its place in struct __sk_buff

_libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    """The system call. Returns its result and the attributes as the kernel left them."""
    memory = ctypes.create_string_buffer(attr.ljust(152, b"\0"), 152)
    result = _libc.syscall(BPF, command, memory, len(memory))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result, memory.raw


def instruction(code, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhi", code, src << 4 | dst, off, imm)


def returning(value):
    return instruction(0xb7, 0, imm=value) + instruction(0x95)


def storing_source(mac):
    """bpf_skb_store_bytes(skb, 6, mac, 6, 0), of a mac that is put on the stack."""
    first, rest = struct.unpack("<iH", bytes.fromhex(mac.replace(":", "")))
    return (instruction(0x62, 10, off=-8, imm=first) + instruction(0x6a, 10, off=-4, imm=rest) + instruction(0xbf, 1, 6) +
            instruction(0xb7, 2, imm=6) + instruction(0xbf, 3, 10) + instruction(0x07, 3, imm=-8) +
            instruction(0xb7, 4, imm=6) + instruction(0xb7, 5) + instruction(0x85, imm=9))


def copying_port(mac):
    """tc_index = the 16 bits behind the source port of IPv4 without options; the next program goes on."""
    return (instruction(0xbf, 6, 1) + instruction(0x28, imm=36) + instruction(0x63, 6, 0, TC_INDEX) +
            (storing_source(mac) if mac else b"") + returning(-1))


def load(data, kind=SCHED_CLS, attach=0):
    code = ctypes.create_string_buffer(data, len(data))
    license = ctypes.create_string_buffer(b"GPL")
    attr = struct.pack("<IIQQIIQII16sII", kind, len(data) // 8, ctypes.addressof(code), ctypes.addressof(license),
                       0, 0, 0, 0, 0, b"kst_other", 0, attach)
    return bpf(PROG_LOAD, attr)[0]


def link(program, device, side, place):
    flags = {"first": BEFORE, "last": AFTER}[place]
    attr = struct.pack("<IIIIIIQ", program, socket.if_nametoindex(device), SIDES[side], flags, 0, 0, 0)
    return bpf(LINK_CREATE, attr)[0]


def link_xdp(device):
    attr = struct.pack("<IIII", load(returning(XDP_PASS), XDP, XDP_ATTACH), socket.if_nametoindex(device), XDP_ATTACH, XDP_DRIVER)
    return bpf(LINK_CREATE, attr)[0]


def query(device, side):
    """Programs and links of a side: two lists of ids."""
    programs, links = (ctypes.c_uint32 * 64)(), (ctypes.c_uint32 * 64)()
    # target, attach type, query flags, attach flags, prog ids, count, pad, prog attach flags, link ids, link attach flags, revision
    attr = struct.pack("<IIIIQIIQQQQ", socket.if_nametoindex(device), SIDES[side], 0, 0, ctypes.addressof(programs), 64, 0,
                       0, ctypes.addressof(links), 0, 0)
    try:
        out = bpf(PROG_QUERY, attr)[1]
    except OSError as problem:
        if problem.errno == errno.ENOENT:
            return [], []
        raise
    count = struct.unpack_from("<I", out, 24)[0]
    return list(programs[:count]), list(links[:count])


def strip(device):
    taken = 0
    for side in SIDES:
        for number in query(device, side)[1]:
            descriptor = bpf(LINK_GET_FD_BY_ID, struct.pack("<I", number))[0]
            bpf(LINK_DETACH, struct.pack("<I", descriptor))
            os.close(descriptor)
            taken += 1
    return taken


def netfilter_reason():
    """Returns the reason why this kernel has no BPF netfilter programs, or None."""
    try:
        os.close(load(returning(1), NETFILTER, NETFILTER_ATTACH))
    except OSError as problem:
        return f"no BPF netfilter links in this kernel (6.4 has them): {problem.strerror}"
    return None


def tcx_reason():
    """Returns the reason why this kernel has no tcx links, or None."""
    try:
        query("lo", "ingress")
    except OSError as problem:
        return f"no tcx in this kernel (6.6 has it): {problem.strerror}"
    return None


def hold(descriptor, programs):
    print(json.dumps({"ready": True, "programs": programs}), flush=True)
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    os.close(descriptor)
    print(json.dumps({"done": True}))


def hold_tcx(data, device, side, place):
    descriptor = link(load(data), device, side, place)
    hold(descriptor, query(device, side)[0])


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    command, device, *words = sys.argv[1:]
    if command == "tcx":
        hold_tcx(returning(int(words[2])), device, words[0], words[1])
    elif command == "copy-port":
        hold_tcx(copying_port(words[0] if words else None), device, "egress", "first")
    elif command == "xdp":
        hold(link_xdp(device), [])
    elif command == "strip":
        print(json.dumps({"taken": strip(device)}))
    elif command == "list":
        print(json.dumps({side: query(device, side)[0] for side in SIDES}))


if __name__ == "__main__":
    main()
