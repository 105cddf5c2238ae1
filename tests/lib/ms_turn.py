"""A client of MS-TURN, written from [MS-TURN] and from how libnice behaves: it shares nothing with
the appliance's own codec, so that a mistake there is not made twice.

    python3 -m tests.lib.ms_turn HOST PORT USER PASSWORD [tcp|tls]

allocates, prints the relayed and the reflexive address, and gives the allocation back.
"""
import base64
import dataclasses
import select
import socket
import struct
import sys
import time

from . import ms_turn_wire as wire

VERSION = 2


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
        return not wire.is_message(octets), octets

    def close(self):
        self.socket.close()


class Tcp:
    """Frames over TCP, with the hello that looks like TLS in front or without."""
    is_stream = True

    def __init__(self, server, hello=True, timeout=5):
        self.server = server
        self.socket = socket.create_connection(server, timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.frames = wire.Unframer()
        if hello:
            self.socket.sendall(wire.client_hello())
            answer = b""
            while len(answer) < len(wire.SERVER_HELLO):
                part = self.socket.recv(len(wire.SERVER_HELLO) - len(answer))
                if not part:
                    raise wire.Error("the connection was closed instead of a hello")
                answer += part
            if answer != wire.SERVER_HELLO:
                raise wire.Error(f"another hello: {answer.hex()}")

    def send(self, octets, is_data=False):
        self.socket.sendall(wire.frame(wire.DATA_FRAME if is_data else wire.CONTROL_FRAME, octets))

    def receive(self, timeout):
        deadline = time.monotonic() + timeout
        while (taken := self.frames.take()) is None:
            if not _readable(self.socket, deadline - time.monotonic()):
                return None
            octets = self.socket.recv(65536)
            if not octets:
                raise wire.Error("the connection was closed")
            self.frames.feed(octets)
        return taken[0] == wire.DATA_FRAME, taken[1]

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
        return [(wire.SEQUENCE_NUMBER, self.connection + struct.pack("!I", self.sequence))]

    def credentials(self):
        return [(wire.USERNAME, self.user), (wire.REALM, self.realm), (wire.NONCE, self.nonce)]

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
                raise wire.Error("no answer")

    def allocate(self, lifetime=None, attributes=()):
        """The whole exchange: a request without credentials, the challenge, one with them."""
        if self.key is None:
            plain = wire.build(wire.ALLOCATE, self._allocate_attributes(lifetime))
            challenge = self.exchange(plain)
            if challenge.error != 401:
                raise wire.Error(f"{challenge.error} instead of 401", challenge.error, challenge)
            self.take_challenge(challenge)
        answer = self.exchange(self.allocate_request(lifetime, attributes))
        if answer.kind == wire.ALLOCATE_ERROR and answer.error == 438:
            self.take_challenge(answer)
            answer = self.exchange(self.allocate_request(lifetime, attributes))
        return self.take_allocated(answer)

    def refresh(self, lifetime=None):
        """Allocate once more; 0 gives the allocation back."""
        return self.allocate(lifetime, self.sequence_number())

    def allocate_request(self, lifetime=None, attributes=()):
        attributes = [*self._allocate_attributes(lifetime), *self.credentials(), *attributes]
        return wire.build(wire.ALLOCATE, attributes, key=self.key)

    def _allocate_attributes(self, lifetime):
        # An audio stream that needs no reliability. libnice leaves it out: its shorter request has
        # room for less of an answer.
        out = [(wire.MS_VERSION, struct.pack("!I", self.version)),
               (wire.SERVICE_QUALITY, struct.pack("!HH", 1, 0))]
        if lifetime is not None:
            out.append((wire.LIFETIME, struct.pack("!I", lifetime)))
        return out

    def take_challenge(self, message):
        self.realm, self.nonce = message.get(wire.REALM), message.get(wire.NONCE)
        if self.realm is None or self.nonce is None:
            raise wire.Error("a challenge without REALM or NONCE", message.error, message)
        if message.get(wire.MESSAGE_INTEGRITY) is not None:
            raise wire.Error("a signed challenge", message.error, message)
        self.alternate = message.address(wire.ALTERNATE_SERVER)
        self.key = wire.long_term_key(self.user, self.realm, self.password)

    def take_allocated(self, message):
        if message.kind != wire.ALLOCATED:
            raise wire.Error(f"Allocate was refused: {message.error}", message.error, message)
        if not message.is_signed_by(self.key):
            raise wire.Error("the answer is not signed as it must be", 0, message)
        self.lifetime = message.number(wire.LIFETIME)
        self.relayed = message.address(wire.MAPPED_ADDRESS)
        self.reflexive = message.address(wire.XOR_MAPPED_ADDRESS)
        number = message.get(wire.SEQUENCE_NUMBER)
        if number is not None and self.connection is None:
            self.connection, (self.sequence,) = number[:20], struct.unpack("!I", number[20:])
        return message

    def send_request(self, peer, data, sequence=None, key=None):
        number = self.sequence_number() if sequence is None else sequence
        attributes = [(wire.MS_VERSION, struct.pack("!I", self.version)),
                      (wire.USERNAME, self.user),
                      (wire.DESTINATION_ADDRESS, wire.encode_address(peer)), *number,
                      (wire.DATA, data)]
        return wire.build(wire.SEND, attributes, key=key or self.key)

    def send(self, peer, data):
        """A Send request: permits the peer and carries data to it. It is never answered."""
        self.transport.send(self.send_request(peer, data))

    def set_active(self, peer):
        attributes = [(wire.USERNAME, self.user),
                      (wire.DESTINATION_ADDRESS, wire.encode_address(peer)),
                      *self.sequence_number()]
        answer = self.exchange(wire.build(wire.SET_ACTIVE, attributes, key=self.key))
        if answer.kind != wire.ACTIVE_SET:
            raise wire.Error(f"Set Active Destination was refused: {answer.error}",
                             answer.error, answer)
        if not answer.is_signed_by(self.key):
            raise wire.Error("the answer is not signed as it must be", 0, answer)
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
        message = wire.parse(octets)
        self.answers += 1
        if message.kind != wire.DATA_INDICATION:
            return message
        self.arrivals.append(Arrival(message.address(wire.REMOTE_ADDRESS), message.get(wire.DATA)))
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


class StreamClient(Client):
    """Whose relay is TCP: frames of data are a stream, and where one ends means nothing."""

    def sendall(self, octets):
        for at in range(0, len(octets), 20000):
            self.send_data(octets[at:at + 20000])

    def read(self, size, peer=None):
        """What came from the active destination, or by indications from `peer`."""
        out = b""
        while len(out) < size and (arrival := self.receive(10)):
            if arrival.peer != peer:
                raise wire.Error(f"data from {arrival.peer} instead of {peer}")
            out += arrival.data
        return out

    def ended(self):
        """Nothing comes any more, and the connection is closed."""
        try:
            self.receive(10)
            return False
        except (wire.Error, ConnectionError):
            return True


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
