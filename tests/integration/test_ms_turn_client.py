"""The tests' own MS-TURN client against octets that it did not make: what libnice 0.1.21 sends in
its OC2007 mode, and the answers that it takes."""
import base64

import pytest

from tests.lib import ms_turn
from tests.lib import ms_turn_wire as wire

USER, PASSWORD = b"\x01user-octets\x00\xff", b"\x02pass\xfe"
REALM = b"example.com"
KEY = wire.long_term_key(USER, REALM, PASSWORD)

FIRST_ALLOCATE = bytes.fromhex(
    "00030010f8b087e9ac132eb53f31180a946ee04f000f000472c64bc68008000400000001")
SIGNED_ALLOCATE = bytes.fromhex(
    "00030057ad7dfdf9d52cd963c0d5a47472416223000f000472c64bc680080004000000010015000b6578616d706c65"
    "2e636f6d0014000a6e6f6e63656e6f6e63650006000e01757365722d6f637465747300ff000800142b03b0a668ea10"
    "3b3c86e5a0216ee0f92a5cadca")
SEND = bytes.fromhex(
    "000400d1c51e909ca46324ba7595c87d31795f0f000f000472c64bc60006000e01757365722d6f637465747300ff00"
    "1100080001270fc0000202800800040000000180500018000102030405060708090a0b0c0d0e0f1011121300000001"
    "0015000b6578616d706c652e636f6d0013005c000100480392a1e990f1bd08b827cc4100387cea0006002c61626364"
    "3a313ac28cba7cc4a16df91cfcf295978fbd73c69357ae9a7e78215cd688fcaefc5ee43a31000000000800148ccc29"
    "b1c7ef8745bafca66786d06214b44674c000080014488716f652b4c5140f175915a259ac4a28f92781")


class Script:
    """A transport whose other end is the test: answers by what was sent, in order."""

    def __init__(self, *answers, is_stream=False):
        self.answers, self.sent, self.waiting = list(answers), [], []
        self.is_stream = is_stream

    def send(self, octets, is_data=False):
        self.sent.append((is_data, octets))
        if not is_data and self.answers:
            answer = self.answers.pop(0)(wire.parse(octets))
            if answer is not None:
                self.waiting.append((False, answer))

    def receive(self, timeout):
        return self.waiting.pop(0) if self.waiting else None


def hidden(transaction, address):
    plain = wire.encode_address(address)
    return plain[:2] + bytes(a ^ b for a, b in zip(plain[2:4], transaction)) + bytes(
        a ^ b for a, b in zip(plain[4:], transaction))


def challenge(request):
    return wire.build(
        wire.ALLOCATE_ERROR,
        [(wire.ERROR_CODE, b"\0\0\x04\x01"), (wire.REALM, REALM), (wire.NONCE, b"nonce"),
         (wire.ALTERNATE_SERVER, wire.encode_address(("192.0.2.20", 3478)))],
        request.transaction)


def allocated(request):
    return wire.build(
        wire.ALLOCATED,
        [(wire.MAPPED_ADDRESS, wire.encode_address(("192.0.2.20", 50000))),
         (wire.XOR_MAPPED_ADDRESS, hidden(request.transaction, ("198.51.100.7", 1234))),
         (wire.LIFETIME, b"\0\0\x02\x58"),
         (wire.SEQUENCE_NUMBER, bytes(range(20)) + bytes(4))],
        request.transaction, KEY)


def client(*answers):
    transport = Script(*answers)
    return ms_turn.Client(transport, base64.b64encode(USER), base64.b64encode(PASSWORD)), transport


def test_M2_reads_what_libnice_sends():
    first = wire.parse(FIRST_ALLOCATE)
    assert first.kind == wire.ALLOCATE and first.number(wire.MS_VERSION) == 1
    assert first.get(wire.MESSAGE_INTEGRITY) is None
    signed = wire.parse(SIGNED_ALLOCATE)
    assert (signed.get(wire.USERNAME), signed.get(wire.REALM)) == (USER, REALM)
    assert signed.is_signed_by(KEY) and not signed.is_signed_by(bytes(16))
    send = wire.parse(SEND)
    assert send.kind == wire.SEND and send.is_signed_by(KEY)
    assert send.address(wire.DESTINATION_ADDRESS) == ("192.0.2.2", 9999)
    assert send.get(wire.SEQUENCE_NUMBER) == bytes(range(20)) + b"\0\0\0\1"


@pytest.mark.parametrize("octets", [FIRST_ALLOCATE, SIGNED_ALLOCATE, SEND])
def test_M2_builds_the_same_octets_as_libnice(octets):
    message = wire.parse(octets)
    inner = [a for a in message.attributes
             if a[0] not in (wire.MAGIC_COOKIE, wire.MESSAGE_INTEGRITY)]
    key = KEY if message.integrity_at else None
    assert wire.build(message.kind, inner, message.transaction, key) == octets


def test_M2_refuses_octets_that_are_no_message():
    for broken in (b"", FIRST_ALLOCATE[:-1], FIRST_ALLOCATE + b"\0",
                   FIRST_ALLOCATE[:20] + bytes(16),
                   bytes.fromhex("0003000a") + bytes(16) + bytes.fromhex("000f000472c64bc68008")):
        with pytest.raises(wire.Error):
            wire.parse(broken)


def test_M2_allocates_after_a_challenge():
    us, transport = client(challenge, allocated)
    us.allocate()
    assert us.relayed == ("192.0.2.20", 50000) and us.reflexive == ("198.51.100.7", 1234)
    assert us.alternate == ("192.0.2.20", 3478) and us.lifetime == 600
    first, second = (wire.parse(octets) for _, octets in transport.sent)
    assert first.get(wire.USERNAME) is None
    assert second.get(wire.NONCE) == b"nonce" and second.is_signed_by(KEY)


def test_M2_counts_requests_on_a_connection():
    us, transport = client(challenge, allocated)
    us.allocate()
    us.send(("203.0.113.5", 7000), b"one")
    us.send(("203.0.113.5", 7000), b"two")
    numbers = [wire.parse(octets).get(wire.SEQUENCE_NUMBER)
               for _, octets in transport.sent[2:]]
    assert numbers == [bytes(range(20)) + b"\0\0\0\1", bytes(range(20)) + b"\0\0\0\2"]


def test_M2_takes_no_answer_that_is_signed_with_another_key():
    def forged(request):
        octets = allocated(request)
        return octets[:-20] + bytes(20)

    us, _ = client(challenge, forged)
    with pytest.raises(wire.Error, match="signed"):
        us.allocate()


def test_M2_tells_data_indications_from_bare_data():
    us, transport = client(challenge, allocated)
    us.allocate()
    indication = wire.build(wire.DATA_INDICATION, [
        (wire.REMOTE_ADDRESS, wire.encode_address(("203.0.113.5", 7000))),
        (wire.DATA, b"framed")])
    transport.waiting = [(False, indication), (True, b"bare")]
    assert us.receive() == ms_turn.Arrival(("203.0.113.5", 7000), b"framed")
    assert us.receive() == ms_turn.Arrival(None, b"bare")


def test_M2_cuts_frames_out_of_a_stream():
    frames = wire.Unframer()
    stream = wire.frame(2, FIRST_ALLOCATE) + wire.frame(3, b"") + wire.frame(3, b"abc")
    taken = []
    for octet in stream:
        frames.feed(bytes([octet]))
        while (one := frames.take()) is not None:
            taken.append(one)
    assert taken == [(2, FIRST_ALLOCATE), (3, b""), (3, b"abc")]
    frames.feed(b"\x17\x03\x01\x00")
    with pytest.raises(wire.Error):
        frames.take()


def test_M2_says_the_hello_that_looks_like_tls():
    hello = wire.client_hello(bytes(32))
    assert len(hello) == 50 and hello[:5] == b"\x16\x03\x01\x00\x2d"
    assert len(wire.SERVER_HELLO) == 83
