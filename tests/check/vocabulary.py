# SPDX-License-Identifier: BSD-2-Clause
"""The words of keepstate.conf(5) that its grammar only describes: what is one of a kind, and how one is made at random."""
import datetime
import ipaddress
import re
import socket

import ebnf


def is_ipv4(text):
    try:
        return bool(socket.inet_pton(socket.AF_INET, text))
    except OSError:
        return False


def is_ipv6(text):
    try:
        return bool(socket.inet_pton(socket.AF_INET6, text))
    except OSError:
        return False


def make_ipv4(rand):
    inside = "10.{}.{}.{}" if rand.random() < 0.5 else "{3}.{0}.{1}.{2}"
    numbers = [rand.choice([0, 1, 5, 128, 255, rand.randint(0, 255)]) for _ in range(3)]
    return inside.format(*numbers, rand.randint(0, 255))


def make_ipv6(rand):
    groups = [0 if rand.random() < 0.4 else rand.getrandbits(16) for _ in range(8)]
    groups[0] = 0xfd00 if rand.random() < 0.5 else groups[0]
    address = ipaddress.IPv6Address(b"".join(group.to_bytes(2, "big") for group in groups))
    text = rand.choice([str(address), address.exploded, str(address).upper()])
    if rand.random() < 0.1:
        text = "::ffff:" + make_ipv4(rand)
    return text


def is_interface(text):
    return (len(text) <= 15 and not re.search(r"""[/:@$"'\\]""", text) and "*" not in text[:-1]
            and text not in (".", "..", "lo"))


def make_interface(rand):
    return rand.choice(["eth", "wg", "br-", "enp0s", "vlan.", "*", "x" * 14 + "*"]) if rand.random() < 0.1 else \
        f"{rand.choice(['eth', 'wg', 'br-', 'tun_', 'p4p'])}{rand.randint(3, 999)}{rand.choice(['', '', '*', '.7'])}"


def is_suffix(text):
    address, _, bits = text.partition("/")
    return (is_ipv6(address) and re.fullmatch("[0-9]+", bits) and 0 < int(bits) < 128
            and int(ipaddress.IPv6Address(address)) >> (128 - int(bits)) == 0)


def make_suffix(rand):
    bits = rand.choice([1, 48, 56, 64, 64, 64, 127])
    return f"{ipaddress.IPv6Address(rand.getrandbits(128) >> bits)}/{bits}"


def is_hex(text):
    digits = re.sub("[ :]", "", text)
    return re.fullmatch(r"([0-9a-fA-F]{2})*", digits) is not None


def make_hex(rand):
    return rand.choice(["", " ", ":"]).join(f"{rand.getrandbits(8):02x}" for _ in range(rand.randint(0, 6)))


def is_cgroup(text):
    parts = text.strip("/").split("/")
    return all(1 <= len(part.encode()) <= 255 and part not in (".", "..") for part in parts)


def make_string(rand):
    return "".join(rand.choice('abc {}>=,#"\\$é') for _ in range(rand.randint(1, 9)))


FLAGS = "FSRPAUEW"


def is_flags(text):
    said, slash, mask = text.partition("/")
    return bool(slash and mask) and set(mask) <= set(FLAGS) and set(said) <= set(mask)


def make_flags(rand):
    mask = rand.sample(FLAGS, rand.randint(1, 8))
    return "".join(rand.sample(mask, rand.randint(0, len(mask)))) + "/" + "".join(mask)


def split_mark(text):
    """The lowest and the highest number, and the mask."""
    numbers, _, mask = text.partition("/")
    low, _, high = numbers.partition("-")
    return ebnf.number(low), ebnf.number(high or low), ebnf.number(mask) if mask else 2 ** 32 - 1


def is_mark(text):
    low, high, mask = split_mark(text) if re.fullmatch("[0-9a-fA-FxX]+(-[0-9a-fA-FxX]+)?(/[0-9a-fA-FxX]+)?", text) else (None,) * 3
    return None not in (low, high, mask) and low <= high < 2 ** 32 > mask > 0


def make_mark(rand):
    low = rand.choice([0, 1, 16, 0xf0])
    text = rand.choice([str(low), f"{low:#x}", f"{low}-{low + rand.randint(0, 15)}"])
    return text + rand.choice(["", "", "/0xff", "/255"]) if rand.random() < 0.9 else "0x100/0xf"


def is_new_mark(text):
    return "-" not in text and is_mark(text) and not split_mark(text)[1] & ~split_mark(text)[2]


def make_new_mark(rand):
    return rand.choice(["0", "16", "0x10", "0x10/0xf0", "7/0xffffffff", "0/1"])


def has_one_mask(state, name, tokens):
    """Returns true if the marks, should it be a list of such, share a mask."""
    if tokens[0].text != "mark":
        return True
    marks = [split_mark(token.text) for token in tokens[1:] if token.kind == "word" and token.text != "not"]
    return len({mask for _, _, mask in marks}) <= 1 and not any(high & ~mask for _, high, mask in marks)


DAYS = "mon tue wed thu fri sat sun".split()


def is_days(text):
    days = text.split("-")
    return len(days) <= 2 and set(days) <= set(DAYS)


def make_days(rand):
    return "-".join(rand.choices(DAYS, k=rand.choice([1, 2])))


def is_moment(text):
    return re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]|24:00", text) is not None


def make_moment(rand):
    return f"{rand.randint(0, 23):02}:{rand.randint(0, 59):02}" if rand.random() < 0.9 else "24:00"


def is_hours(text):
    begin, _, end = text.partition("-")
    return is_moment(begin) and is_moment(end) and begin not in ("24:00", end)


def make_hours(rand):
    begin = rand.randint(0, 1439)
    end = (begin + rand.randint(1, 1439)) % 1440
    return f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"


def is_date(text):
    try:
        return re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) and 1971 <= datetime.date.fromisoformat(text).year <= 2200
    except ValueError:
        return False


def make_date(rand):
    return rand.choice(["2026-03-29", "2024-02-29", "1971-01-01", "2200-12-31"])


def is_host_name(text):
    labels = text.split(".")
    return (len(text) <= 253 and all(re.fullmatch("[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", label) for label in labels)
            and not re.fullmatch("[0-9.]+", text) and not is_ipv4(text))


def make_host_name(rand):
    label = rand.choice(["www", "a-b", "_x", "7", "X" * 63, "www"])
    return rand.choice([f"{label}.example.com", f"h{label[:20]}", f"{label}.7x"])


def make_any_word(rand):
    return rand.choice(["on", "x/y", "7", "@hosts", "eth*", "60%-90%", "%", "a$b", "é", "<"])
