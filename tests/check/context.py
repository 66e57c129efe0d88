# SPDX-License-Identifier: BSD-2-Clause
"""The words that the grammar of keepstate.conf(5) only describes, and the conditions that it leaves to prose, each with
the sentence of the page that states it. The generator obeys them; with one of them switched off it makes sentences that
break it."""
import ipaddress
import re

import ebnf
from ebnf import Token
from vocabulary import (has_one_mask, is_cgroup, is_date, is_days, is_flags, is_hex, is_host_name, is_hours, is_interface, is_ipv4, is_ipv6, is_mark, is_moment, is_new_mark, is_suffix, make_any_word,
                        make_date, make_days, make_flags, make_hex, make_host_name, make_hours, make_interface, make_ipv4, make_ipv6, make_mark, make_moment, make_new_mark, make_string, make_suffix)

PREAMBLE = """\
zone lan { eth1, network 10.0.0.0/8, network fd00::/16, address 10.0.0.1, address fd00::1 }
zone wan { eth0, address 203.0.113.1 }
zone dmz { eth2 }
set guests { } dynamic
set hosts { 192.0.2.0/24, 2001:db8::/32 }
set web port { 80, 443 }
"""
ZONES = ["lan", "wan", "dmz"]
NETWORKS = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/16")]
FILES = {"empty.conf": "# nothing\n", "blocklist.txt": "192.0.2.0/24\n2001:db8::1 # why\n\n10.0.0.1-10.0.0.3\n",
         "set.file": "@hosts\n", "drop.txt": "; Spamhaus\r\n192.0.2.0/24 ; SBL1\r\n2001:db8::/32\t# both\n",
         "hosts": "127.0.0.1 localhost\n0.0.0.0 ads.example.com\n", "names": "ads.example.com\n"}


def descriptions(reasons, timeouts, services):
    """For each production that is a description: the kind of token, whether a text is one, and a random one."""
    return {
        "newline": ("newline", None, lambda rand: "\n"),
        "string": ("string", lambda text: True, make_string),
        "cgroup": ("string", is_cgroup, lambda rand: rand.choice(["system.slice", "system.slice/a b.service", "a/b/c"])),
        "label": ("string", lambda text: 1 <= len(text.encode()) <= 127,
                  lambda rand: make_string(rand) if rand.random() < 0.9 else "x" * 127),
        "reason": ("string", lambda text: text.lower() in reasons, lambda rand: rand.choice(reasons)),
        "hex-string": ("string", is_hex, make_hex),
        "any-word": ("word", lambda text: True, make_any_word),
        "interface": ("word", is_interface, make_interface),
        "ipv4": ("word", is_ipv4, make_ipv4),
        "ipv6": ("word", is_ipv6, make_ipv6),
        "mark": ("word", is_mark, make_mark),
        "new-mark": ("word", is_new_mark, make_new_mark),
        "tcp-flags": ("word", is_flags, make_flags),
        "days": ("word", is_days, make_days),
        "hours": ("word", is_hours, make_hours),
        "date": ("word", is_date, make_date),
        "moment": ("word", is_moment, make_moment),
        "user-name": ("word", lambda text: text in ("root", "daemon"), lambda rand: rand.choice(["root", "daemon"])),
        "letter": ("word", lambda text: re.fullmatch("[A-Za-z]", text), lambda rand: rand.choice("abcxyzABCXYZ")),
        "digit": ("word", lambda text: re.fullmatch("[0-9]", text), lambda rand: rand.choice("0123456789")),
        "hex-digit": ("word", lambda text: re.fullmatch("[0-9a-fA-F]", text), lambda rand: rand.choice("05aFcE")),
        "protocol-number": ("word", lambda text: re.fullmatch("[0-9]+", text) and int(text) <= 255,
                            lambda rand: str(rand.choice([0, 6, 17, 47, 58, 132, 255, rand.randint(0, 255)]))),
        "ipv4-length": ("word", lambda text: re.fullmatch("[0-9]+", text) and int(text) <= 32,
                        lambda rand: str(rand.choice([0, 8, 24, 31, 32]))),
        "ipv6-length": ("word", lambda text: re.fullmatch("[0-9]+", text) and int(text) <= 128,
                        lambda rand: str(rand.choice([0, 16, 48, 64, 127, 128]))),
        "timeout-name": ("word", lambda text: text.replace("-", "_") in timeouts,
                         lambda rand: rand.choice(timeouts) if rand.random() < 0.8 else
                         rand.choice(timeouts).replace("_", "-")),
        "host-name": ("word", is_host_name, make_host_name),
        "suffix": ("word", is_suffix, make_suffix),
        "service": ("word", lambda text: text in services, lambda rand: rand.choice(services)),
    }


# --- conditions ---


class Condition:
    """Something that only the prose says. `fits(state, name, tokens)` tells if the tokens of one of the productions are
    as it wants, `allows(state, name)` if one of the productions may stand now. What breaks it is wrong in its syntax,
    or, where the condition is `about_meaning`, may be found to mean nothing."""

    def __init__(self, sentence, productions, fits=None, allows=None, about_meaning=False):
        self.sentence, self.productions, self.about_meaning = sentence, productions.split(), about_meaning
        self.fits = fits or (lambda state, name, tokens: True)
        self.allows = allows or (lambda state, name: True)


def is_ascending(state, name, tokens):
    text = tokens[-1].text
    if name in ("ipv4-range", "ipv6-range"):
        low, high = map(ipaddress.ip_address, text.split("-"))
        return low <= high
    low, dash, high = text.strip("%").partition("%-" if name == "shares" else "-")
    if not dash:
        return True
    low, high = ebnf.number(low), ebnf.number(high)
    return low < high if name == "shares" else low <= high


def has_entries(state, name, tokens):
    """Returns true if no list is empty; a list in it may be."""
    depth = entries = 0
    for token in tokens:
        if token.kind != "mark":
            entries += 1
        elif token.text == "{":
            entries = 0 if not depth else entries
            depth += 1
        elif token.text == "}":
            depth -= 1
            if not depth and not entries:
                return False
    return True


def takes_from_others(state, name, tokens):
    """Returns true if there is something that `not` in a list takes away from."""
    words = ("set", "source", "destination", "port")
    if not any(token.text in words for token in tokens[:2]):
        return True
    at = next(at for at, token in enumerate(tokens) if token.text not in words)
    at += name == "set" or tokens[at].text == "not"
    meant, taken, depth, negated = 0, 0, 0, None  # negated: the depth of the list behind `not`
    for token in tokens[at:]:
        if token.text == "not":
            negated = depth
        elif token.text in ("{", "}"):
            depth += 1 if token.text == "{" else -1
            negated = None if token.text == "}" and depth == negated else negated
        elif token.kind == "word" and token.text not in ("port", "file", "dynamic", "address", "of"):
            meant, taken = meant + (negated is None), taken + (negated is not None)
            negated = None if depth == negated else negated
    return meant or not taken


CLAUSES = ("from to source destination port type family log flags fragment ip-option ttl length dscp mark mac during user cgroup").split()


def key_of(name, tokens):
    """Returns a name for what may stand once in its statement, and None for what may be repeated."""
    first, *others = [token.text.lower() for token in tokens]
    if name == "zone-entry":
        family = "address6" if first == "address" and ":" in others[0] else "address4"
        return {"antispoof": first, "challenge": first, "mss": first, "mtu": first, "address": family}.get(first)
    if name in ("lifetime", "bound", "choice"):
        return first.replace("-", "_")
    if name in ("nat-option", "new-port"):
        return "new " + first if first != "port" or name == "new-port" else None
    if first in ("source", "destination") and others[0] == "port":
        return "source port" if first == "source" else "port"
    if name in ("set-option", "host-option"):
        return first
    if name == "protection":
        if first in ("ip", "land", "port") or others[:1] == ["flood"]:
            return {"ip": "ip options", "land": "land", "port": "port scan"}.get(first, first + " flood")
        return " ".join([first, *others]).removesuffix(" off")
    if first == "not":
        return others[0]
    if first == "set" and name == "lasting":
        return " ".join(["set", *others[:1 + (others[0] == "reply")]])
    if name in ("effect", "lasting"):
        return " ".join([first, *others][:2]) if name == "effect" else first
    return first if first in CLAUSES else "protocol"


def stands_once(state, name, tokens):
    key = key_of(name, tokens)
    new = key is None or key not in state["once"]
    state["once"] |= {key}
    return new


def has_room_for(keys, state):
    free = sorted(set(keys) - state["once"])
    state["once"] |= set(free[:1])
    return bool(free)


def is_one_of_few(state, name, tokens):
    """Returns true if the rule has room for one more limit, and the flow for one of packets or octets."""
    texts = [token.text for token in tokens]
    unit = next((text for text in texts if text.endswith("s/second")), "")
    fits = has_room_for([f"rate {n}" for n in range(7)], state)
    return fits and (texts[-1] != "flow" or has_room_for([unit], state))


def is_redirected_last(state, name, tokens):
    texts = [token.text if token.kind == "word" else token.kind for token in tokens] + ["newline"]
    last = max(at for at, text in enumerate(texts) if text == "to" and texts[at - 2] != "add")
    return not any(texts[at:at + 2] == ["to", "self"] and texts[at + 2] in ("port", "log", "limit", "add", "timeout", "mss", "set", "asymmetric", "newline")
                   for at in range(last))


def split_endpoint(text):
    """The address, and the port or None."""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        port = port[1:]
    else:
        address, _, port = text.partition(":") if text.count(":") == 1 else (text, "", "")
    return ipaddress.ip_address(address), port or None


def ends(state):
    return state["ends"][-2:]


def is_one_family(state, name, tokens):
    return len({address.version for _, address, _ in ends(state)}) == 1


def has_ports(state, name, tokens):
    return state["packet"][1] not in (TCP, UDP) or all(port for _, _, port in ends(state))


def is_icmp_of_family(state, name, tokens):
    return tokens[-2].text == "proto" or state["packet"] not in ((4, ICMPV6), (6, ICMP))


def has_zones(state, name, tokens):
    return state["quoting"] or all(zone or any(address in network for network in NETWORKS)
                                   for zone, address, _ in ends(state))


def names_conversation(tokens):
    return len(tokens) > 1 and tokens[1][:2] == ("mark", "=")


def is_fresh_conversation(state, name, tokens):
    return not names_conversation(tokens) or (
        tokens[0].text not in ZONES and tokens[0].text not in dict(state["conversations"]))


def is_tcp_conversation(state, name, tokens):
    is_macro = len(tokens) > 1 and tokens[1][:2] in (("word", "open"), ("word", "close"))
    return not is_macro or state["packet"][1] == TCP


TCP, UDP, ICMP, ICMPV6, SCTP, DCCP, GRE, UDPLITE = 6, 17, 1, 58, 132, 33, 47, 136
PROTOCOLS = {"tcp": TCP, "udp": UDP, "icmp": ICMP, "icmpv6": ICMPV6, "sctp": SCTP, "dccp": DCCP, "gre": GRE,
             "udplite": UDPLITE}
FRAME, OTHER = -1, -2  # in the place of a protocol
SUMMED = (TCP, UDP, ICMP, ICMPV6, SCTP, DCCP, UDPLITE)


def is_word_of_packet(state, name):
    """Returns true if a kind of words, or a quotation, has a meaning for the packet."""
    family, protocol = state["packet"]
    own = {"checksum-word": SUMMED, "tcp-word": (TCP,), "udp-word": (UDP,), "udplite-word": (UDPLITE,),
           "icmp-word": (ICMP, ICMPV6), "icmp4-word": (ICMP,), "icmp6-word": (ICMPV6,), "sctp-word": (SCTP,),
           "dccp-word": (DCCP,), "gre-word": (GRE,), "quote": (ICMP, ICMPV6)}
    if protocol == FRAME:
        return name == "frame-word"
    if name in ("ipv4-word", "ipv6-word"):
        return family == int(name[3])
    return protocol in own.get(name, (protocol,))


CONDITIONS = [
    Condition("The words of the language cannot name a zone or a set.", "zone set",
              lambda state, name, tokens: tokens[1].text not in state["reserved"]),
    Condition("Names of zones, sets and variables have up to 31 letters,", "zone set variable",
              lambda state, name, tokens: len(tokens[min(1, name != "variable")].text.lstrip("$")) <= 31),
    Condition("A list must not be empty, but that of a set may.", 
              "zone protect protection ignore rule forward redirect nat binat helper assertion", has_entries, about_meaning=True),
    Condition("There must be others, and what is taken away is no dynamic set.", "set clause", takes_from_others,
              about_meaning=True),
    Condition("A clause, log, an effect and an option of a translation stand once in a rule,",
              "direction clause log effect lasting new-port nat-option", stands_once),
    Condition("A rule has up to seven limits, and one of packets and one of octets for each flow.", "rate", is_one_of_few),
    Condition("to self is a clause only where something follows it that is none of port, log, limit, add, timeout, mss, set and asymmetric.", "redirect",
              is_redirected_last),
    Condition("Of the two ends of a range or of shares the lower stands first.",
              "ipv4-range ipv6-range port-range ttl-range length-range user-range new-ports shares part", is_ascending),
    Condition("The marks of a list have one mask, and no bits outside of it.", "condition", has_one_mask),
    Condition("A zone has one address of each family, one antispoof, challenge, mss and mtu,", "zone-entry", stands_once),
    Condition("An item of protect stands once in it.", "protection", stands_once),
    Condition("Behind dynamic, timeout, limit and keep stand once.", "set-option host-option", stands_once),
    Condition("A timeout, limit or option is set once in a policy.", "lifetime bound choice", stands_once),
    Condition("Both ends of a packet are of one family,", "head", is_one_family),
    Condition("and have a port each for tcp and udp.", "head", has_ports),
    Condition("icmp goes with IPv4 and icmpv6 with IPv6, but proto and a number with both.", "head",
              is_icmp_of_family),
    Condition("The zone of an end may be left out where a network of a zone holds the address, and in what is quoted.",
              "head", has_zones),
    Condition("Words and quotations stand in packets that they mean something for:",
              "frame-word ip-word ipv4-word ipv6-word payload-word checksum-word tcp-word udp-word udplite-word "
              "icmp-word icmp4-word icmp6-word sctp-word dccp-word gre-word quote", allows=is_word_of_packet),
    Condition("A conversation stands below the line that names it,", "conversation",
              allows=lambda state, name: bool(state["conversations"])),
    Condition("has a name of its own, which no zone has,", "step", is_fresh_conversation),
    Condition("and is opened and closed only if it is TCP.", "step", is_tcp_conversation),
]


# The parser knows these words as states too, but they are of entries of the table that are no flows, and no packet has
# them.
NO_STATES = {"ALIAS", "MAPPING", "EXPECTED", "FRAGMENTS", "HELPER", "ASKED", "TALLY"}

STEP = "after 1s\n"


def test_of(steps):
    return 'test "x" {\n' + steps + "}\n"


# Sentences of the page, policies that they allow, and policies that they do not.
FACTS = [
    ("A variable may stand for any word or string but the first word of a statement, and for anything in braces.",
     ['$x = on\noption pickup $x\n', '$x = { any, { lan } }\nallow from $x\n', '$x = "x"\ntest $x {\nafter 1s\n}\n',
      '$x = 10.0.0.0\nallow source $x/8\n', "$x = after\n" + test_of("$x 1s\n"), '$x = { after 1s }\ntest "x" $x\n'],
     ['$x = allow\n$x from lan\n', "$x = =\n" + test_of("k $x lan > wan arp\n")]),
    ("It stands below its definition, and is defined once.", ["$x = tcp\n$y = $x\nallow $y\n"],
     ["allow $x\n$x = tcp\n", "$x = tcp\n$x = tcp\n"]),
    ("A list must not be empty, but that of a set may.", ["set x { }\n", "set x port { { }, }\n"],
     ["ignore { }\n", "allow from { }\n", "zone x { }\n", "allow { }\n", "nat to { }\n"]),
    ("Lists in lists may be 16 deep.", ["allow from " + "{ " * 16 + "any" + " }" * 16 + "\n"],
     ["allow from " + "{ " * 17 + "any" + " }" * 17 + "\n"]),
    ("and no interfaces that are called network, address, mac, antispoof, challenge, mss or mtu.",
     ["ignore { network, address, mac, antispoof, challenge }\n"],
     ["zone x { network }\n", "zone x { mac, eth7 }\n"]),
    ("port and destination port are one clause, and so are all ways to name protocols.",
     ["allow tcp source port 1 destination port 2\n"],
     ["allow tcp port 1 destination port 2\n", "allow tcp proto udp\n", "allow tcp { udp }\n"]),
    ("- and _ are the same in the names of timeouts, limits and options, and capital and small letters in those of "
     "protocols.",
     ["timeout tcp.syn-sent 1s\n", "limit half_open 16\n", "option log_drops on\n", "allow TCP\nallow { Udp, sctp }\n",
      test_of("lan 10.0.0.1:1 > wan 192.0.2.1:1 TCP\n")], ["option Pickup on\n", "allow from LAN\n"]),
    ("There must be others, and what is taken away is no dynamic set.",
     ["set x { 10.0.0.0/8, not { 10.0.0.1, @hosts } }\n", "allow source not { @guests, not 10.0.0.1 }\n",
      "set x port { not ssh, 1-1023 }\n"],
     ["set x { not 10.0.0.1 }\n", "set x { 10.0.0.1, not @guests }\n", "allow source not not 10.0.0.1\n",
      "allow source { 10.0.0.1, not { not 10.0.0.1 } }\n"]),
    ("A test has up to 10000 steps, and a step up to 256 words.",
     [test_of(STEP * 10000), test_of("lan > wan arp" + " pad 1" * 126 + "\n")],
     [test_of(STEP * 10001), test_of("lan > wan arp" + " pad 1" * 127 + "\n")]),
    ("Its name is no word that begins a step.", [test_of("k = lan > wan arp\nk >\n")],
     [test_of(f"{word} = lan > wan arp\n{word} >\n") for word in ("after", "always", "clock", "expect", "fill", "listen",
                                                                      "never", "reload")]),
    ("Behind => capital and small letters are the same in classes, states and reasons.",
     [test_of('lan > wan arp => allow NEW "NO STATE" state established\n')],
     [test_of("lan > wan arp => ALLOW\n"), test_of("expect state established for lan > wan arp\n")]),
    ("Reads the entries from a file, one on each line, as blocklists come: behind # and behind a semicolon stand comments.",
     ['set x file "blocklist.txt"\n', 'set x file "drop.txt"\n'],
     ['set x file "set.file"\n', 'set x port file "blocklist.txt"\n']),
    ("A list of names, such as a hosts file, is refused, because packets have none.", ['set x file "drop.txt"\n'],
     ['set x file "hosts"\n', 'set x file "names"\n']),
    ("A file that is missing is an error, unless it is optional: then the set is empty, and a warning says so.",
     ['set x file "missing.txt" optional\n', 'set x port file "missing.txt" optional\n',
      'set x file "blocklist.txt" optional\n'],
     ['set x file "missing.txt"\n', 'set x file "set.file" optional\n', 'set x { } optional\n']),
]


class Context:
    """The memory of a sentence: what it has said so far. `reads(name, tokens)` tells if tokens are one. `off` is
    the condition that is not obeyed; a sentence that breaks it is `broken`. A `wild` sentence may also be wrong in its
    meaning. Every value of the state is immutable, so that a copy of the dictionary can be gone back to."""

    FRESH = {"once": frozenset(), "conversations": (), "packet": (0, FRAME), "quoting": False, "zone": None, "ends": (),
             "kind": None, "broken": False, "tcp": False}
    SCOPES = {"test": ("conversations",), "step": ("packet", "quoting"), "head": ("zone", "ends")}
    RULES = ("rule", "forward", "redirect", "nat", "helper", "assertion")
    SCOPES |= dict.fromkeys("zone set protect rule forward redirect nat helper assertion timeout limit option".split(), ("once",))

    def __init__(self, random, reserved, reads, off=None):
        self.random, self.reserved, self.reads, self.off = random, reserved, reads, off
        self.stack = []
        self.begin()
        self.by_production = {}
        for condition in CONDITIONS:
            for name in condition.productions:
                self.by_production.setdefault(name, []).append(condition)

    def begin(self):
        """Before a sentence."""
        self.state = {**self.FRESH, "reserved": self.reserved}
        self.wild = self.random.random() < 0.2

    def save(self):
        return dict(self.state)

    def restore(self, state):
        self.state = dict(state)

    def enter(self, name):
        outer = self.save()
        self.state.update({key: self.FRESH[key] for key in self.SCOPES.get(name, ())})
        if name in self.RULES:
            kinds = ["ports"] if name == "helper" else ["ports", "ports", "icmp", "icmpv6", "others"]
            self.state.update(kind=self.random.choice(kinds), tcp=False)
        if name == "quote":
            self.state.update(quoting=True, packet=(self.state["packet"][0], OTHER))
        return outer

    def leave(self, name, outer):
        if name == "quote":
            self.state.update(quoting=outer["quoting"], packet=outer["packet"])

    def allows(self, name):
        return all(condition is self.off or condition.allows(self.state, name)
                   for condition in self.by_production.get(name, ()))

    def fits(self, name, tokens, outer):
        self.note(name, tokens)
        for condition in self.by_production.get(name, ()):
            may_stand = condition.allows(outer, name) or self.stands_elsewhere(name, tokens)
            if may_stand and condition.fits(self.state, name, tokens):
                continue
            if condition is not self.off:
                return False
            self.state["broken"] = True
        if name == "step" and names_conversation(tokens):
            self.state["conversations"] += ((tokens[0].text, self.state["packet"]),)
        return self.wild or self.is_promising(name, tokens)

    def stands_elsewhere(self, name, tokens):
        """Returns true if words of one kind are of another one too, which may stand here."""
        others = [other for other in self.by_production if other.endswith("-word") and other != name]
        return name.endswith("-word") and any(is_word_of_packet(self.state, other) and self.reads(other, tokens)
                                              for other in others)

    def note(self, name, tokens):
        """Keeps what later words depend on."""
        state, text = self.state, tokens[0].text if tokens else ""
        if name == "zone-name":
            state["zone"] = text
        elif name == "endpoint":
            address, port = split_endpoint(text)
            state["ends"] += ((state["zone"], address, port),)
            state["zone"] = None
        elif name == "head":
            value = tokens[-1].text.lower()
            protocol = PROTOCOLS.get(value, ebnf.number(value))
            state["packet"] = (state["ends"][0][1].version, OTHER if protocol is None else protocol)
        elif name == "conversation":
            state["packet"] = dict(state["conversations"]).get(text, (0, FRAME))
        elif name == "clause" and key_of(name, tokens) == "protocol":
            state["tcp"] = {token.text.lower() for token in tokens} <= {"proto", "tcp", "{", "}", ","}
        elif name == "plain-packet" and len(tokens) > 3 and tokens[3].text in ("arp", "frame"):
            state["packet"] = (0, FRAME)

    def is_promising(self, name, tokens):
        """Returns true if a sentence with this may be right in its meaning. A rule is about one kind of protocols."""
        kind, texts = self.state["kind"], [token.text for token in tokens]
        if name == "head":
            return self.state["packet"][1] in SUMMED + (GRE,)
        if name == "binat":
            prefixes = [text.partition("/") for text in texts if "." in text or ":" in text]
            return len({(":" in address, length) for address, _, length in prefixes}) == 1
        if name == "protected" or (name == "zone-name" and "binat" in self.stack):
            return texts[0] in ZONES
        if name == "target" and "forward" in self.stack:
            return not re.search("[/-]", texts[0])
        if name == "icmp4-name" or name == "icmp6-name":
            return "test" in self.stack or kind == {"4": "icmp", "6": "icmpv6"}[name[4]]
        if name == "clause":
            return self.is_promising_clause(key_of(name, tokens), texts)
        return name != "new-port" or "nat" in self.stack or (kind == "ports" and "protocol" in self.state["once"])

    def is_promising_clause(self, key, texts):
        kind, known = self.state["kind"], "protocol" in self.state["once"]
        if key in ("port", "source port"):
            return kind == "ports" and known
        if key == "flags":
            return self.state["tcp"]
        if key == "type":
            return kind in ("icmp", "icmpv6") and known
        if key == "protocol":
            protocols = {text.lower() for text in texts} - {"proto", "{", "}", ","}
            return protocols <= {"ports": {"tcp", "udp", "sctp", "dccp", "udplite"}}.get(kind, {kind})
        if "suffix" in texts and "of" not in texts:
            return ("from" if texts[0] == "source" else "to") in self.state["once"]
        return "of" not in texts or texts[-1] in ZONES

    def instead(self, name):
        """Gives a sentence what it would seldom get by chance: names of what there is, a protocol for a rule, a
        conversation, the ends of a packet; and now and then a name that may not stand there."""
        parent = self.stack[-2] if len(self.stack) > 1 else None
        if name == "string" and parent in ("set", "include"):
            return [Token("string", "empty.conf")]
        if name == "name" or (name == "any-word" and parent in ("step", "conversation")):
            return self.name(parent)
        if self.wild or self.random.random() < 0.5:
            return None
        if name == "direction" and parent == "redirect" and self.random.random() < 0.3:
            return [Token("word", "to"), Token("word", "self")]
        if name == "clause" and "protocol" not in self.state["once"]:
            protocols = {"ports": ["tcp", "udp", "sctp", "dccp"], "others": ["esp"]}
            return [Token("word", self.random.choice(protocols.get(self.state["kind"], [self.state["kind"]])))]
        if name == "step" and not self.state["conversations"]:
            head = self.head()
            self.note("head", head)
            return [Token("word", "k"), Token("mark", "="), *head]
        return self.head() if name == "head" else None

    def name(self, parent):
        known = {"zone-name": ZONES, "protected": ZONES, "set-ref": ["hosts"], "addresses": ["hosts"], "ports": ["web"],
                 "dynamic-name": ["guests"], "dynamic-ref": ["guests"], "conversation": [name for name, _ in self.state["conversations"]] or ["nobody"]}
        if parent in known:
            return [Token("word", self.random.choice(known[parent]))]
        rare = {"zone": self.reserved, "set": self.reserved, "step": ZONES + known["conversation"]}.get(parent, ["n"])
        if self.random.random() < 0.1:
            return [Token("word", self.random.choice([self.random.choice(rare), "n" * 31, "n" * 32]))]
        return None

    def head(self):
        protocol = self.random.choice(list(PROTOCOLS) + ["tcp", "tcp"])
        ends = ["10.0.0.5:40000", "203.0.113.7:80"]
        if protocol == "icmpv6" or (protocol != "icmp" and self.random.random() < 0.5):
            ends = ["[fd00::5]:40000", "[2001:db8::7]:80"]
        self.state["ends"] = tuple((zone, *split_endpoint(end)) for zone, end in zip(("lan", "wan"), ends))
        words = ["lan", ends[0], ">", "wan", ends[1], protocol]
        return [Token("mark" if word == ">" else "word", word) for word in words]
