"""A client of MS-TURN, written from [MS-TURN] and from how libnice behaves: it shares nothing with
the appliance's own codec, so that a mistake there is not made twice.

    python3 -m tests.lib.ms_turn HOST PORT USER PASSWORD [tcp|tls]

allocates, prints the relayed and the reflexive address, and gives the allocation back.
"""
import base64
import dataclasses
import hashlib
import hmac
import ipaddress
import os
import select
import socket
import struct
import sys
import time

COOKIE = 0x72C64BC6
VERSION = 2

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


# --- octets ------------------------------------------------------------------------------------

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


# --- transports --------------------------------------------------------------------------------
# send(octets, is_data) and receive(timeout) -> (is_data, octets) or None.

def _readable(sock, timeout):
    return bool(select.select([sock], [], [], max(timeout, 0))[0])


class Udp:
    is_stream = False

    def __init__(self, server, local=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET,
                                    socket.SOCK_DGRAM)
        if local:
            self.socket.bind(local)
        self.server = server
        self.socket.connect(server)

    def send(self, octets, is_data=False):
        self.socket.send(octets)

    def receive(self, timeout):
        if not _readable(self.socket, timeout):
            return None
        octets = self.socket.recv(65536)
        return not is_message(octets), octets

    def close(self):
        self.socket.close()


class Tcp:
    """Frames over TCP, with the hello that looks like TLS in front or without."""
    is_stream = True

    def __init__(self, server, hello=True, timeout=5):
        self.server = server
        self.socket = socket.create_connection(server, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.frames = Unframer()
        if hello:
            self.socket.sendall(client_hello())
            answer = b""
            while len(answer) < len(SERVER_HELLO):
                part = self.socket.recv(len(SERVER_HELLO) - len(answer))
                if not part:
                    raise Error("the connection was closed instead of a hello")
                answer += part
            if answer != SERVER_HELLO:
                raise Error(f"another hello: {answer.hex()}")

    def send(self, octets, is_data=False):
        self.socket.sendall(frame(DATA_FRAME if is_data else CONTROL_FRAME, octets))

    def receive(self, timeout):
        deadline = time.monotonic() + timeout
        while (taken := self.frames.take()) is None:
            if not _readable(self.socket, deadline - time.monotonic()):
                return None
            octets = self.socket.recv(65536)
            if not octets:
                raise Error("the connection was closed")
            self.frames.feed(octets)
        return taken[0] == DATA_FRAME, taken[1]

    def close(self):
        self.socket.close()


# --- the client --------------------------------------------------------------------------------

@dataclasses.dataclass
class Arrival:
    """Data of a peer: `peer` is None when it came without a header, from the active destination."""
    peer: tuple
    data: bytes


class Client:
    """One allocation. `username` and `password` are base64 texts, as they are given out."""
    RETRANSMIT = 0.5

    def __init__(self, transport, username, password, version=VERSION):
        self.transport = transport
        self.user, self.password = base64.b64decode(username), base64.b64decode(password)
        self.version = version
        self.realm = self.nonce = self.key = None
        self.connection, self.sequence = None, 0
        self.relayed = self.reflexive = self.alternate = None
        self.lifetime = 0
        self.active = None
        self.arrivals = []
        self.answers = 0  # messages of the server, whatever they say

    # --- requests ---

    def sequence_number(self):
        """The attribute for the next request; none before the server has named the connection."""
        if self.connection is None:
            return []
        self.sequence += 1
        return [(SEQUENCE_NUMBER, self.connection + struct.pack("!I", self.sequence))]

    def credentials(self):
        return [(USERNAME, self.user), (REALM, self.realm), (NONCE, self.nonce)]

    def exchange(self, request, timeout=5):
        """Sends a request until it is answered (over UDP); what else comes waits in arrivals."""
        transaction = request[4:20]
        deadline, interval = time.monotonic() + timeout, self.RETRANSMIT
        while True:
            self.transport.send(request)
            until = deadline if self.transport.is_stream else min(
                deadline, time.monotonic() + interval)
            while (left := until - time.monotonic()) > 0:
                answer = self._read(left)
                if answer is not None and answer.transaction == transaction:
                    return answer
            interval *= 2
            if time.monotonic() >= deadline:
                raise Error("no answer")

    def allocate(self, lifetime=None, attributes=()):
        """The whole exchange: a request without credentials, the challenge, one with them."""
        if self.key is None:
            challenge = self.exchange(build(ALLOCATE, self._allocate_attributes(lifetime)))
            if challenge.error != 401:
                raise Error(f"{challenge.error} instead of 401", challenge.error, challenge)
            self.take_challenge(challenge)
        answer = self.exchange(self.allocate_request(lifetime, attributes))
        if answer.kind == ALLOCATE_ERROR and answer.error == 438:
            self.take_challenge(answer)
            answer = self.exchange(self.allocate_request(lifetime, attributes))
        return self.take_allocated(answer)

    def refresh(self, lifetime=None):
        """Allocate once more; 0 gives the allocation back."""
        return self.allocate(lifetime, self.sequence_number())

    def allocate_request(self, lifetime=None, attributes=()):
        return build(ALLOCATE, [*self._allocate_attributes(lifetime), *self.credentials(),
                                *attributes], key=self.key)

    def _allocate_attributes(self, lifetime):
        # An audio stream that needs no reliability. libnice leaves it out: its shorter request has
        # room for less of an answer.
        out = [(MS_VERSION, struct.pack("!I", self.version)),
               (SERVICE_QUALITY, struct.pack("!HH", 1, 0))]
        if lifetime is not None:
            out.append((LIFETIME, struct.pack("!I", lifetime)))
        return out

    def take_challenge(self, message):
        self.realm, self.nonce = message.get(REALM), message.get(NONCE)
        if self.realm is None or self.nonce is None:
            raise Error("a challenge without REALM or NONCE", message.error, message)
        if message.get(MESSAGE_INTEGRITY) is not None:
            raise Error("a signed challenge", message.error, message)
        self.alternate = message.address(ALTERNATE_SERVER)
        self.key = long_term_key(self.user, self.realm, self.password)

    def take_allocated(self, message):
        if message.kind != ALLOCATED:
            raise Error(f"Allocate was refused: {message.error}", message.error, message)
        if not message.is_signed_by(self.key):
            raise Error("the answer is not signed as it must be", 0, message)
        self.lifetime = message.number(LIFETIME)
        self.relayed = message.address(MAPPED_ADDRESS)
        self.reflexive = message.address(XOR_MAPPED_ADDRESS)
        number = message.get(SEQUENCE_NUMBER)
        if number is not None and self.connection is None:
            self.connection, (self.sequence,) = number[:20], struct.unpack("!I", number[20:])
        return message

    def send_request(self, peer, data, sequence=None, key=None):
        number = self.sequence_number() if sequence is None else sequence
        return build(SEND, [(MS_VERSION, struct.pack("!I", self.version)), (USERNAME, self.user),
                            (DESTINATION_ADDRESS, encode_address(peer)), *number, (DATA, data)],
                     key=key or self.key)

    def send(self, peer, data):
        """A Send request: permits the peer and carries data to it. It is never answered."""
        self.transport.send(self.send_request(peer, data))

    def set_active(self, peer):
        attributes = [(USERNAME, self.user), (DESTINATION_ADDRESS, encode_address(peer)),
                      *self.sequence_number()]
        answer = self.exchange(build(SET_ACTIVE, attributes, key=self.key))
        if answer.kind != ACTIVE_SET:
            raise Error(f"Set Active Destination was refused: {answer.error}", answer.error,
                        answer)
        if not answer.is_signed_by(self.key):
            raise Error("the answer is not signed as it must be", 0, answer)
        self.active = peer
        return answer

    def send_data(self, data):
        """To the active destination, without a header of TURN."""
        self.transport.send(data, is_data=True)

    # --- what comes ---

    def _read(self, timeout):
        """The next answer, None when something else came, or nothing."""
        got = self.transport.receive(timeout)
        if got is None:
            return None
        is_data, octets = got
        if is_data:
            self.arrivals.append(Arrival(None, octets))
            return None
        message = parse(octets)
        self.answers += 1
        if message.kind != DATA_INDICATION:
            return message
        self.arrivals.append(Arrival(message.address(REMOTE_ADDRESS), message.get(DATA)))
        return None

    def receive(self, timeout=5):
        """The next data of a peer; None when there is none in time."""
        deadline = time.monotonic() + timeout
        while not self.arrivals:
            if (left := deadline - time.monotonic()) <= 0:
                return None
            self._read(left)
        return self.arrivals.pop(0)

    def close(self):
        self.transport.close()


def main(arguments):
    host, port, username, password, *rest = arguments
    server = (host, int(port))
    transport = Udp(server) if not rest else Tcp(server, hello=rest[0] == "tls")
    client = Client(transport, username, password)
    client.allocate()
    print(f"relayed {client.relayed}, reflexive {client.reflexive}, "
          f"lifetime {client.lifetime} s, server {client.alternate}")
    client.refresh(0)


if __name__ == "__main__":
    main(sys.argv[1:])
