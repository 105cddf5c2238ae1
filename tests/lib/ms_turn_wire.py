"""MS-TURN's octets ([MS-TURN] 2): messages, their codes, frames, hellos. Nothing here is the
appliance's own codec."""
import dataclasses
import hashlib
import hmac
import ipaddress
import os
import struct

COOKIE = 0x72C64BC6

# Message types.
ALLOCATE, ALLOCATED, ALLOCATE_ERROR = 0x0003, 0x0103, 0x0113
SEND, DATA_INDICATION = 0x0004, 0x0115
SET_ACTIVE, ACTIVE_SET, SET_ACTIVE_ERROR = 0x0006, 0x0106, 0x0116

# Attributes.
MAPPED_ADDRESS = 0x0001
USERNAME = 0x0006
MESSAGE_INTEGRITY = 0x0008
ERROR_CODE = 0x0009
UNKNOWN_ATTRIBUTES = 0x000A
LIFETIME = 0x000D
ALTERNATE_SERVER = 0x000E
MAGIC_COOKIE = 0x000F
BANDWIDTH = 0x0010
DESTINATION_ADDRESS = 0x0011
REMOTE_ADDRESS = 0x0012
DATA = 0x0013
NONCE = 0x0014
REALM = 0x0015
REQUESTED_ADDRESS_FAMILY = 0x0017
MS_VERSION = 0x8008
XOR_MAPPED_ADDRESS = 0x8020
SEQUENCE_NUMBER = 0x8050
SERVICE_QUALITY = 0x8055

CONTROL_FRAME, DATA_FRAME = 2, 3

# What every client of Lync sends first on port 443; 32 octets of it are random.
HELLO_HEAD = bytes.fromhex("160301002d010000290301")
HELLO_TAIL = bytes.fromhex("00000200180100")
SERVER_HELLO = (bytes.fromhex("160301004e020000460301") + bytes(32) + b"\x20" + bytes(32) +
                bytes.fromhex("0018000e000000"))


class Error(Exception):
    """The server refused, or did what no server may do. `code` is its error code, 0 without."""

    def __init__(self, text, code=0, message=None):
        super().__init__(text)
        self.code, self.message = code, message


def client_hello(random=None):
    return HELLO_HEAD + (random or os.urandom(32)) + HELLO_TAIL


def frame(kind, payload):
    return struct.pack("!BBH", kind, 0, len(payload)) + payload


def encode_address(address):
    host, port = address[:2]
    packed = ipaddress.ip_address(host).packed
    return struct.pack("!BBH", 0, 1 if len(packed) == 4 else 2, port) + packed


def decode_address(value, mask=b""):
    """(host, port). `mask` is the transaction id of a value hidden behind it."""
    family, port = struct.unpack("!xBH", value[:4])
    packed = value[4:]
    if len(packed) != {1: 4, 2: 16}[family]:
        raise Error(f"an address of family {family} with {len(packed)} octets")
    if mask:
        port ^= struct.unpack("!H", mask[:2])[0]
        packed = bytes(a ^ b for a, b in zip(packed, mask))
    return str(ipaddress.ip_address(packed)), port


def long_term_key(user, realm, password):
    """Of the octets behind the base64 texts that credentials are given out as."""
    return hashlib.md5(user + b":" + realm + b":" + password).digest()


def integrity_of(message, at, key):
    """The code of the MESSAGE-INTEGRITY whose value stands at `at`: over what is before the
    attribute, with zeros to a multiple of 64 octets."""
    text = message[:at - 4]
    text += bytes(-len(text) % 64)
    return hmac.new(key, text, hashlib.sha1).digest()


@dataclasses.dataclass
class Message:
    kind: int
    transaction: bytes
    attributes: list = dataclasses.field(default_factory=list)  # of (type, value)
    octets: bytes = b""                                         # as they came
    integrity_at: int = 0

    def get(self, kind):
        return next((value for type_, value in self.attributes if type_ == kind), None)

    def number(self, kind):
        value = self.get(kind)
        return None if value is None else struct.unpack("!I", value)[0]

    def address(self, kind):
        value = self.get(kind)
        return None if value is None else decode_address(
            value, self.transaction if kind == XOR_MAPPED_ADDRESS else b"")

    @property
    def error(self):
        value = self.get(ERROR_CODE)
        return 0 if value is None else (value[2] & 7) * 100 + value[3]

    def is_signed_by(self, key):
        if not self.integrity_at:
            return False
        return hmac.compare_digest(self.get(MESSAGE_INTEGRITY),
                                   integrity_of(self.octets, self.integrity_at, key))


def is_message(octets):
    return (len(octets) >= 28 and octets[0] < 0x40 and
            octets[20:28] == struct.pack("!HHI", MAGIC_COOKIE, 4, COOKIE))


def parse(octets):
    if len(octets) < 20:
        raise Error(f"{len(octets)} octets are no message")
    kind, length = struct.unpack("!HH", octets[:4])
    if length != len(octets) - 20:
        raise Error(f"the length says {length}, there are {len(octets) - 20}")
    if not is_message(octets):
        raise Error("MAGIC-COOKIE is not the first attribute")
    message = Message(kind, octets[4:20], octets=octets)
    at = 20
    while at < len(octets):
        if len(octets) - at < 4:
            raise Error("half an attribute at the end")
        type_, size = struct.unpack("!HH", octets[at:at + 4])
        at += 4
        if at + size > len(octets):
            raise Error(f"attribute {type_:#06x} runs over the end")
        if type_ == MESSAGE_INTEGRITY:
            message.integrity_at = at
        message.attributes.append((type_, octets[at:at + size]))
        at += size
    return message


def build(kind, attributes, transaction=None, key=None):
    """A message; signed when there is a key. MAGIC-COOKIE is put in front, nothing is padded."""
    body = struct.pack("!HHI", MAGIC_COOKIE, 4, COOKIE)
    for type_, value in attributes:
        body += struct.pack("!HH", type_, len(value)) + value
    if key is not None:
        body += struct.pack("!HH", MESSAGE_INTEGRITY, 20) + bytes(20)
    octets = struct.pack("!HH", kind, len(body)) + (transaction or os.urandom(16)) + body
    if key is not None:
        octets = octets[:-20] + integrity_of(octets, len(octets) - 20, key)
    return octets


class Unframer:
    """Frames out of a stream: take() gives (kind, payload), None when more is needed."""

    def __init__(self):
        self.pending = b""

    def feed(self, octets):
        self.pending += octets

    def take(self):
        if len(self.pending) < 4:
            return None
        kind, zero, size = struct.unpack("!BBH", self.pending[:4])
        if kind not in (CONTROL_FRAME, DATA_FRAME) or zero:
            raise Error(f"no frame: {self.pending[:4].hex()}")
        if len(self.pending) < 4 + size:
            return None
        payload, self.pending = self.pending[4:4 + size], self.pending[4 + size:]
        return kind, payload
