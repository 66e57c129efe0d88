# SPDX-License-Identifier: BSD-2-Clause
"""A capture as Linux and Keepstate judged it, frame by frame, with what the bytes say."""
import ipaddress

from witness.packet import Datagram, Packet, Unreadable

LINUX_DROPS = ('inv', 'none')
LINUX_PASSES = ('new', 'est', 'rel', 'untr')


class Frame:
    """One frame of a capture: what Linux says, what we say, what its bytes say."""

    def __init__(self, capture, number, linux, ours):
        self.capture, self.number = capture, number
        self.word = linux  # on this frame alone
        self.hear(linux)
        self.reason, self.state = ours['reason'], ours['state']
        self.relation = self.verdict = verdict_of(ours)
        self.told = ours['packet']
        self.ip = None  # the packet, where it can be read and is the one that Keepstate tells of
        self.is_cut = False  # the capture kept less of the datagram than the wire had
        self.talk, self.place = [], 0  # frames between the same two ends, and where this one is among them
        self.datagram = None  # Datagram that it is a part of, or would have been
        self.fate = None  # of a fragment: see Datagram.add
        self.verify = False  # checksums are verified in this run
        self.pickup = False

    def hear(self, linux):
        """Takes Linux's word on the frame, or on the datagram that it is a part of."""
        self.linux = linux
        self.expected = 'drop' if linux in LINUX_DROPS else linux

    def read(self, captured, offset):
        """Takes the bytes, if they are the packet that Keepstate tells of."""
        try:
            packet = Packet(captured.data[offset:])
        except Unreadable:
            return
        told = [self.told.get(end) for end in ('source', 'destination')]
        if told != [str(ipaddress.ip_address(end)) for end in (packet.source, packet.destination)]:
            return
        self.ip = packet
        self.is_cut = not packet.whole and captured.wire - offset >= packet.total

    @property
    def differs(self):
        return self.verdict != self.expected

    @property
    def passes(self):
        """True if Keepstate lets it pass, by its own verdict, whatever is compared."""
        return self.relation in LINUX_PASSES

    @property
    def linux_passes(self):
        return self.linux in LINUX_PASSES

    @property
    def tcp(self):
        return self.ip.tcp if self.ip else None

    @property
    def before(self):
        """The frames between the same two ends that came before."""
        return self.talk[:self.place]

    @property
    def sender(self):
        return self.ip.ends[0]

    @property
    def conversation(self):
        """The two ends as Keepstate tells them, in any order."""
        ends = sorted((self.told.get(end, ''), self.told.get(f'{end}_port', 0)) for end in ('source', 'destination'))
        return self.told.get('proto', ''), self.told.get('id', 0), *ends


def verdict_of(ours):
    if ours['verdict'] in ('deny', 'reject'):
        return 'drop'
    if ours['reason'] == 'held':
        return 'held'
    if ours['reason'] == 'not ip':
        return 'nonip'
    return {'new': 'new', 'established': 'est', 'related': 'rel', 'untracked': 'untr'}[ours['class']]


def judged_frames(lines):
    """Keepstate's word on every frame by its number, from the objects that `replay --json` prints.

    A fragment that was held is told of twice: as held, then behind the frame that freed it and under that one's number.
    """
    judged, held = {}, {}
    for line in lines:
        if 'frame' not in line:
            continue
        number, part = line['frame'], part_of(line['packet'])
        if number not in judged:
            judged[number] = line
            if line['reason'] == 'held':
                held.setdefault(part, []).append(number)
        elif held.get(part):
            judged[held[part].pop(0)] = line
    return judged


def part_of(told):
    fragment = told.get('fragment')
    return fragment and (told['source'], told['destination'], *(fragment[name] for name in ('id', 'offset', 'length', 'more')))


def link(frames):
    """Tells every frame which came before it between the same two ends, and of which datagram it is a part."""
    talks, datagrams = {}, {}
    for frame in frames:
        if not frame.ip:
            continue
        talk = talks.setdefault((frame.ip.proto, *sorted(frame.ip.ends)), [])
        frame.talk, frame.place = talk, len(talk)
        talk.append(frame)
        if frame.ip.fragment and not frame.is_cut:
            gather(datagrams, frame)
    for frame in frames:
        if frame.relation == 'held':  # nothing ever freed it
            frame.relation = frame.verdict = 'drop'


def gather(datagrams, frame):
    """Puts a fragment to its datagram as Linux does. Linux's word on a whole datagram counts for each of its parts."""
    members = datagrams.setdefault(frame.ip.key, [])
    members.append(frame)
    frame.datagram = members[0].datagram or Datagram()
    frame.fate = frame.datagram.add(frame.ip)
    if frame.word != 'none':
        datagrams.pop(frame.ip.key)
        if not frame.datagram.is_whole:
            forget_older(members)
        frame.datagram.has_word = True
        for member in members:
            if member.datagram is frame.datagram and frame.datagram.is_whole and member.fate == 'part':
                member.hear(frame.word)
    elif frame.fate == 'refused':
        frame.datagram.is_given_up = True
        datagrams.pop(frame.ip.key)
    elif frame.datagram.is_whole:
        datagrams.pop(frame.ip.key)


def forget_older(members):
    """Linux has a word on a datagram that is not whole with all fragments seen: it forgot older ones in the meantime.

    The newest that make a datagram whole are that one, and the others are of another. Without such nothing changes.
    """
    for first in range(len(members) - 1, 0, -1):
        newer = Datagram()
        fates = [newer.add(member.ip) for member in members[first:]]
        if newer.is_whole:
            older = Datagram()
            for member in members[:first]:
                member.datagram, member.fate = older, older.add(member.ip)
            for member, fate in zip(members[first:], fates):
                member.datagram, member.fate = newer, fate
            return
