# SPDX-License-Identifier: BSD-2-Clause
"""The classes of difference that are accepted; docs/conformance.md explains each by its name.

A class is a function of one differing frame. It returns true only if the bytes of the frame, and of those frames that
its reason speaks of, show that the reason holds, and if Linux's word and ours are those that the reason leads to. A frame
whose bytes could not be read is of no class.
"""
from witness.packet import ACK, AH, FRAGMENT, ROUTING, RST, SYN, ahead

WINDOW_MAX = 65535 << 14  # RFC 7323 2.3
AH_LEAST = 1  # value of its length field that stands for 12 bytes


def is_cut(frame):
    """The capture kept less of the datagram than the wire had, and Linux did not see it."""
    return frame.is_cut and frame.linux == 'none' and frame.passes


def is_same_query(frame, other):
    """Of two packets between the same ends: what identifies an ICMP query is the same too, or they are no queries."""
    queries = frame.ip.icmp_query, other.ip.icmp_query
    return all(queries) and queries[0][1::2] == queries[1][1::2] or not any(queries)


def follows_cut(frame):
    """Linux cannot follow the conversation, because frames of it that we judged by their headers were cut.

    It saw nothing of it, since the frame that began it was cut; or nothing of the other side, so that all is new; or it is
    TCP, and the numbers of this segment fit what was sent, but not what Linux saw of that.
    """
    if frame.ip is None or not frame.passes or frame.is_cut or frame.ip.fragment:
        return False
    before = [other for other in frame.before if is_same_query(frame, other)]
    if frame.linux == 'new':
        others = [other for other in before if other.sender != frame.sender]
        return frame.relation == 'est' and bool(others) and all(map(is_cut, others))
    if frame.linux != 'inv' or not any(map(is_cut, before)):
        return False
    seen = [other for other in before if other.linux_passes]
    if not seen:
        return is_cut(before[0]) and all(is_cut(other) or other.linux == 'inv' for other in before)
    return frame.tcp is not None and outruns_linux(frame, before, seen)


def outruns_linux(frame, before, seen):
    """It acknowledges bytes or is sent into a window of which Linux saw nothing; all frames together say that it may."""
    segment = frame.tcp
    ours = [other.tcp for other in before if other.tcp and other.passes and other.sender != frame.sender]
    theirs = [other.tcp for other in seen if other.tcp and other.sender != frame.sender]
    if not ours or not theirs:
        return False
    acknowledges_more = segment.flags & ACK and goes_beyond(segment.ack, [other.end for other in theirs])
    sends_more = goes_beyond(segment.seq, right_edges(theirs, frame, seen))
    return bool((acknowledges_more or sends_more)
                and not (segment.flags & ACK and goes_beyond(segment.ack, [other.end for other in ours]))
                and not goes_beyond(segment.seq, right_edges(ours, frame, before)))


def goes_beyond(number, limits):
    return all(ahead(number, limit) > 0 for limit in limits)


def right_edges(segments, frame, frames):
    """How far the sender of a frame may send, by the segments of the other side."""
    scale = 0
    sides = {other.sender: other.tcp.window_scale for other in frames if other.tcp and other.tcp.flags & SYN}
    if len(sides) == 2 and None not in sides.values():
        scale = next(shift for sender, shift in sides.items() if sender != frame.sender)
    return [(segment.ack + (segment.window << (0 if segment.flags & SYN else scale))) & 0xffffffff
            for segment in segments if segment.flags & ACK]


def ends_sent_to(frame, frames):
    """Where the segments of the other side end."""
    return [other.tcp.end for other in frames if other.tcp and other.sender != frame.sender]


def is_incomplete(frame):
    """A fragment of a datagram that never became whole, or that Linux gave up, and on which it had no word."""
    datagram = frame.datagram
    return (datagram is not None and frame.linux == 'none' and frame.passes and frame.fate in ('part', 'refused')
            and not datagram.has_word and (datagram.is_given_up or not datagram.is_whole))


def is_repeated_fragment(frame):
    """A part of a datagram that Linux made whole without a repetition of a range, for which we drop the rest."""
    datagram = frame.datagram
    return (datagram is not None and frame.linux_passes and frame.reason in ('fragment overlap', 'dead datagram')
            and datagram.is_whole and datagram.has_repeats and not datagram.is_given_up)


def has_wrong_datagram(frame):
    """The checksum of a whole datagram is wrong; we saw only its fragments."""
    upper = frame.datagram.upper if frame.datagram is not None and frame.datagram.is_whole else None
    return (frame.verify and frame.linux == 'inv' and frame.passes and frame.fate == 'part' and upper is not None
            and upper.is_right is False and upper.is_right_for_linux is False)


def has_bytes_behind_udp(frame):
    """UDP says that it ends before the datagram does. Its checksum is right up to there, and wrong to the end."""
    if not frame.verify or frame.linux != 'inv' or not frame.passes or frame.ip is None:
        return False
    if frame.datagram is not None:
        upper = frame.datagram.upper if frame.datagram.is_whole and frame.fate == 'part' else None
    else:
        upper = frame.ip.upper
    return (upper is not None and upper.udp_size is not None and upper.udp_size < len(upper.data)
            and upper.is_right is True and upper.is_right_for_linux is False)


def chain_is_broken(packet):
    """Two fragment headers, or an authentication header shorter than it can be."""
    kinds = [kind for kind, _ in packet.headers]
    return packet.version == 6 and (kinds.count(FRAGMENT) > 1 or
                                    any(kind == AH and data[1] < AH_LEAST for kind, data in packet.headers))


def has_broken_chain(frame):
    """Its IPv6 headers cannot be walked, or it is an ICMPv6 error about a packet like that."""
    if frame.ip is None or not frame.linux_passes:
        return False
    if frame.reason == 'bad extension header':
        return chain_is_broken(frame.ip)
    return frame.reason == 'bad icmp quote' and frame.ip.quote is not None and chain_is_broken(frame.ip.quote)


def has_routing_header(frame):
    """IPv6 routing header type 0."""
    return (frame.ip is not None and frame.reason == 'routing header' and frame.linux_passes and
            any(kind == ROUTING and data[2] == 0 for kind, data in frame.ip.headers))


def has_no_source(frame):
    """The source is broadcast or multicast."""
    return (frame.ip is not None and frame.reason == 'bad source address' and frame.linux_passes and
            frame.ip.source_is_no_host)


def is_from_nowhere(frame):
    """The source is reserved, or loopback while the destination is not."""
    return (frame.ip is not None and frame.reason == 'spoofed source' and frame.linux_passes and
            frame.ip.source_is_nowhere)


def has_bad_options(frame):
    """A SYN with options that do not parse."""
    return (frame.tcp is not None and frame.reason == 'bad tcp options' and frame.linux_passes
            and bool(frame.tcp.flags & SYN) and frame.tcp.options_are_malformed)


def opening_of(frame):
    """The bare SYN that began the frame's connection, for both: the last one that was new."""
    for other in reversed(frame.before):
        if other.tcp and other.tcp.is_opening and other.linux == 'new' and other.relation == 'new':
            return other
    return None


def since(frame, start):
    return [other for other in frame.before if other.place > start.place]


def acknowledges(segment, opening):
    return bool(segment.flags & ACK) and segment.ack == opening.tcp.end


def is_split_syn(frame, opening):
    """A bare SYN in answer to one that nobody has acknowledged yet."""
    return (frame.tcp is not None and frame.tcp.is_opening and frame.sender != opening.sender
            and frame.linux_passes and frame.reason == 'split handshake'
            and not any(other.tcp and other.passes and other.sender != opening.sender and acknowledges(other.tcp, opening)
                        for other in since(frame, opening)))


def is_split(frame):
    """A split handshake: its bare SYN, or a consequence of our dropping it."""
    opening = opening_of(frame) if frame.tcp else None
    if opening is None or not frame.linux_passes or frame.state != 'SYN_SENT':
        return False
    if is_split_syn(frame, opening):
        return True
    splits = [other for other in since(frame, opening) if is_split_syn(other, opening)]
    return bool(splits) and follows_split(frame, opening, splits[-1])


def follows_split(frame, opening, split):
    """True if it is a segment of the originator that would be in order, had the two SYN opened a connection."""
    segment = frame.tcp
    if frame.sender != opening.sender:
        return False
    if segment.flags & RST:
        return frame.relation == 'new' and 0 <= ahead(segment.seq, opening.tcp.seq) <= WINDOW_MAX
    if not segment.flags & ACK or not 0 <= ahead(segment.ack, split.tcp.end) <= WINDOW_MAX:
        return False
    if segment.flags & SYN:
        return frame.reason == 'split handshake' and segment.seq == opening.tcp.seq and segment.ack == split.tcp.end
    return frame.reason == 'bad tcp state' and 0 <= ahead(segment.seq, opening.tcp.end) <= WINDOW_MAX


def codes_of(frame, query, requests):
    """The codes of earlier requests with the identity of a query, or of their answers, that both let pass."""
    _, kind, _, identifier = query
    asking = frame.ip.source if query[0] else frame.ip.destination
    codes = set()
    for other in frame.before:
        asked = other.ip.icmp_query
        source = other.ip.source if requests else other.ip.destination
        if (asked and asked[0] == requests and asked[1] == kind and asked[3] == identifier and source == asking
                and other.passes and other.linux_passes):
            codes.add(asked[2])
    return codes


def has_other_code(frame):
    """For Linux the code makes it another query: one still unanswered, or an answer to none, though we saw others.

    Linux calls requests new until an answer with their code came, and an answer invalid without a request with its code.
    """
    query = frame.ip.icmp_query if frame.ip else None
    if query is None or frame.relation != 'est' or frame.linux != ('new' if query[0] else 'inv'):
        return False
    codes = codes_of(frame, query, requests=not query[0])
    return bool(codes) and query[2] not in codes


def was_refused(frame):
    """True if the connection was reset before any answer. Linux forgets it with that segment."""
    opener, answered, refused = None, False, False
    for other in frame.before:
        if other.tcp is None or not other.linux_passes:
            continue
        if other.linux == 'new':
            opener, answered, refused = other.sender, False, False
        elif opener is not None and not refused:
            refused = not answered and bool(other.tcp.flags & RST)
            answered = answered or other.sender != opener
    return refused


def is_repeated_reset(frame):
    """A further RST for a connection that was refused."""
    return (frame.tcp is not None and bool(frame.tcp.flags & RST) and frame.linux == 'inv' and frame.relation == 'est'
            and frame.state == 'CLOSE' and was_refused(frame))


def is_midstream(frame):
    """More segments of a connection that was refused, where Linux takes up connections in their middle."""
    return (frame.pickup and frame.tcp is not None and not frame.tcp.flags & (SYN | RST) and frame.linux == 'new'
            and frame.relation == 'drop' and frame.reason == 'connection reset' and was_refused(frame))


def is_early_reset(frame):
    """The originator resets a connection whose SYN nobody has acknowledged."""
    opening = opening_of(frame) if frame.tcp else None
    return (opening is not None and bool(frame.tcp.flags & RST) and frame.linux == 'est' and frame.relation == 'new'
            and frame.state in ('SYN_SENT', 'CLOSE') and frame.sender == opening.sender
            and not any(other.tcp and other.passes and other.sender != opening.sender and acknowledges(other.tcp, opening)
                        for other in since(frame, opening)))


def has_impossible_sack(frame):
    """A SACK block ahead of the acknowledgement by more than any window; what is acknowledged had been sent."""
    segment = frame.tcp
    if segment is None or not segment.flags & ACK or frame.linux != 'inv' or frame.relation != 'est':
        return False
    seen = [other for other in frame.before if other.linux_passes]
    sent = ends_sent_to(frame, seen)
    return (any(other.tcp and other.tcp.permits_sack and other.sender != frame.sender for other in seen)
            and bool(sent) and not goes_beyond(segment.ack, sent)
            and any(ahead(edge, segment.ack) > WINDOW_MAX for edge in segment.sack_edges))


# In the order in which they are asked.
CLASSES = [
    ('cut', lambda frame: is_cut(frame) or follows_cut(frame)),
    ('incomplete datagram', is_incomplete),
    ('repeated fragment', is_repeated_fragment),
    ('checksum of a datagram', has_wrong_datagram),
    ('bytes behind udp', has_bytes_behind_udp),
    ('extension header', has_broken_chain),
    ('routing header', has_routing_header),
    ('source address', has_no_source),
    ('spoofed source', is_from_nowhere),
    ('tcp options', has_bad_options),
    ('split handshake', is_split),
    ('icmp code', has_other_code),
    ('repeated reset', is_repeated_reset),
    ('reset before an answer', is_early_reset),
    ('impossible sack', has_impossible_sack),
    ('mid-stream', is_midstream),
]

# On these Linux has no word that could be compared.
LEFT_OUT = ('cut', 'incomplete datagram')


def class_of(frame):
    """The name of the class of a differing frame, or None."""
    return next((name for name, matches in CLASSES if matches(frame)), None)
