"""A client of TURN over UDP (RFC 8489, RFC 8656) for tests, with its own octets: nothing here is
the appliance's own codec. A thread reads: answers go to whoever waits for them, data to
`on_data`."""
import hashlib
import hmac
import ipaddress
import os
import socket
import struct
import threading

COOKIE = 0x2112A442

# Methods; the classes' bits are added to them.
ALLOCATE, REFRESH, SEND, DATA, CREATE_PERMISSION, CHANNEL_BIND = 3, 4, 6, 7, 8, 9
INDICATION, SUCCESS, ERROR = 0x0010, 0x0100, 0x0110

# Attributes.
USERNAME, MESSAGE_INTEGRITY, ERROR_CODE = 0x0006, 0x0008, 0x0009
CHANNEL_NUMBER, LIFETIME, XOR_PEER_ADDRESS = 0x000C, 0x000D, 0x0012
DATA_VALUE, REALM, NONCE, XOR_RELAYED_ADDRESS = 0x0013, 0x0014, 0x0015, 0x0016
REQUESTED_TRANSPORT, XOR_MAPPED_ADDRESS, ALTERNATE_SERVER = 0x0019, 0x0020, 0x8023

UDP = (REQUESTED_TRANSPORT, b"\x11\0\0\0")


class Refused(Exception):
    """An error response. `alternate` is where it sends the client, None without."""

    def __init__(self, code, message):
        super().__init__(f"refused with {code}")
        self.code = code
        value = message.get(ALTERNATE_SERVER)
        self.alternate = value and read_address(value)


def build(kind, attributes, transaction=None, key=None):
    """A message; with `key` it ends in MESSAGE-INTEGRITY."""
    transaction = transaction or os.urandom(12)
    body = b"".join(struct.pack("!HH", t, len(v)) + v + bytes(-len(v) % 4) for t, v in attributes)
    head = struct.pack("!HHI", kind, len(body) + (24 if key else 0), COOKIE) + transaction
    if key is None:
        return head + body
    code = hmac.new(key, head + body, hashlib.sha1).digest()
    return head + body + struct.pack("!HH", MESSAGE_INTEGRITY, len(code)) + code


def attributes_of(message):
    """Type → value; of several of one type the first."""
    at, found = 20, {}
    while at + 4 <= len(message):
        kind, size = struct.unpack_from("!HH", message, at)
        found.setdefault(kind, message[at + 4:at + 4 + size])
        at += 4 + size + -size % 4
    return found


def hide_address(address, transaction):
    """The value of an XOR-…-ADDRESS."""
    packed = ipaddress.ip_address(address[0]).packed
    mask = struct.pack("!I", COOKIE) + transaction
    return struct.pack("!xBH", 1 if len(packed) == 4 else 2, address[1] ^ COOKIE >> 16) + bytes(
        a ^ b for a, b in zip(packed, mask))


def read_address(value, transaction=None):
    """(host, port); hidden behind `transaction`, or plain without."""
    mask = bytes(16) if transaction is None else struct.pack("!I", COOKIE) + transaction
    port, = struct.unpack_from("!H", value, 2)
    packed = bytes(a ^ b for a, b in zip(value[4:], mask))
    return str(ipaddress.ip_address(packed)), port ^ int.from_bytes(mask[:2], "big")


class Client:
    """One allocation. `made` is what POST /v1/media/credentials gave."""
    RETRANSMIT = 0.5

    def __init__(self, namespace, server, made, local=None):
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        self.socket = namespace.call(lambda: socket.socket(family, socket.SOCK_DGRAM))
        if local:
            self.socket.bind((local, 0))
        self.socket.connect(server)
        self.user, self.password = made["username"].encode(), made["password"].encode()
        self.key = self.realm = self.nonce = None
        self.relayed = self.reflexive = None
        self.lifetime = 0
        self.channels = {}                 # number → peer
        self.on_data = lambda peer, data: None
        self.waiting, self.answered = {}, threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    # --- what comes ---

    def listen(self):
        while True:
            try:
                packet = self.socket.recv(65536)
            except ConnectionRefusedError:
                continue  # the word of an ICMP about what was sent before
            except OSError:
                return
            if len(packet) < 4:
                continue
            if packet[0] & 0xC0 == 0x40:
                number, size = struct.unpack_from("!HH", packet)
                self.on_data(self.channels.get(number), packet[4:4 + size])
            elif packet[:2] == struct.pack("!H", DATA | INDICATION):
                found = attributes_of(packet)
                self.on_data(read_address(found[XOR_PEER_ADDRESS], packet[8:20]),
                             found[DATA_VALUE])
            else:
                with self.answered:
                    if packet[8:20] in self.waiting:
                        self.waiting[packet[8:20]] = packet
                        self.answered.notify_all()

    def exchange(self, request, timeout=10):
        """Sends until it is answered; the answer."""
        transaction = request[8:20]
        with self.answered:
            self.waiting[transaction] = None
            try:
                for _ in range(int(timeout / self.RETRANSMIT)):
                    self.socket.send(request)
                    if self.answered.wait_for(lambda: self.waiting[transaction], self.RETRANSMIT):
                        return self.waiting[transaction]
            finally:
                answer = self.waiting.pop(transaction)
        raise TimeoutError(f"no answer to a request of type {request[:2].hex()}: {answer}")

    # --- requests ---

    def request(self, method, attributes):
        """Sends it with what proves the user; a success response's octets."""
        for _ in range(3):  # a challenge, and a nonce that has become stale
            proof = []
            if self.key:
                proof = [(USERNAME, self.user), (REALM, self.realm), (NONCE, self.nonce)]
            transaction = os.urandom(12)
            hidden = [(t, hide_address(v, transaction) if t == XOR_PEER_ADDRESS else v)
                      for t, v in attributes]
            answer = self.exchange(build(method, hidden + proof, transaction, self.key))
            found = attributes_of(answer)
            kind, = struct.unpack_from("!H", answer)
            if kind == method | SUCCESS:
                return answer
            _, hundreds, rest = struct.unpack("!HBB", found[ERROR_CODE][:4])
            code = hundreds * 100 + rest
            if not (code == 401 and self.key is None) and code != 438:
                raise Refused(code, found)
            self.realm, self.nonce = found.get(REALM, self.realm), found[NONCE]
            self.key = hashlib.md5(b":".join((self.user, self.realm, self.password))).digest()
        raise Refused(code, found)

    def allocate(self, *attributes):
        answer = self.request(ALLOCATE, [UDP, *attributes])
        found = attributes_of(answer)
        self.relayed = read_address(found[XOR_RELAYED_ADDRESS], answer[8:20])
        self.reflexive = read_address(found[XOR_MAPPED_ADDRESS], answer[8:20])
        self.lifetime, = struct.unpack("!I", found[LIFETIME])
        return self

    def refresh(self, lifetime=600):
        answer = self.request(REFRESH, [(LIFETIME, struct.pack("!I", lifetime))])
        self.lifetime, = struct.unpack("!I", attributes_of(answer)[LIFETIME])
        return self.lifetime

    def permit(self, *peers):
        self.request(CREATE_PERMISSION, [(XOR_PEER_ADDRESS, peer) for peer in peers])

    def bind(self, number, peer):
        self.request(CHANNEL_BIND, [(CHANNEL_NUMBER, struct.pack("!HH", number, 0)),
                                    (XOR_PEER_ADDRESS, peer)])
        self.channels[number] = peer

    # --- data ---

    def send_channel(self, number, data):
        self.socket.send(struct.pack("!HH", number, len(data)) + data)

    def send(self, peer, data):
        """By a Send indication."""
        transaction = os.urandom(12)
        self.socket.send(build(SEND | INDICATION, [
            (XOR_PEER_ADDRESS, hide_address(peer, transaction)), (DATA_VALUE, data)], transaction))

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self.socket.close()
