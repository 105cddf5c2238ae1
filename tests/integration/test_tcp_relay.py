"""M9: TCP relays of RFC 6062 and of MS-TURN: clients over TCP and TLS, their peers over the kernel's
TCP, and two clients of the box through each other's relay ports."""
import contextlib
import hashlib
import os
import socket
import ssl
import struct
import threading
import time

import pytest

from tests.lib import ms_turn, topology, turn
from tests.lib.appliance import wait_until

SERVER = topology.OUTSIDE["4"]
PARTNER = topology.PARTNER_ADDRESS["4"]
TCP, TLS = 443, 5349
CONNECT, CONNECTION_BIND, CONNECTION_ATTEMPT = 0x000A, 0x000B, 0x000C
CONNECTION_ID = 0x002A
OVER_TCP = (turn.REQUESTED_TRANSPORT, b"\x06\0\0\0")


class Client:
    """A TURN client over a stream: a control connection, or one for data."""

    def __init__(self, site, made, port=TCP):
        self.socket = site.lab.partner.call(
            lambda: socket.create_connection((SERVER, port), timeout=10))
        if port == TLS:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self.user, self.password = made["username"].encode(), made["password"].encode()
        self.key = self.realm = self.nonce = self.relayed = None

    def read(self, size):
        out = b""
        while len(out) < size:
            octets = self.socket.recv(size - len(out))
            if not octets:
                raise ConnectionError(f"closed after {len(out)} of {size} octets")
            out += octets
        return out

    def message(self):
        head = self.read(20)
        return head + self.read(struct.unpack_from("!H", head, 2)[0])

    def request(self, method, attributes):
        for _ in range(3):  # a challenge, and a nonce that has become stale
            proof = []
            if self.key:
                proof = [(turn.USERNAME, self.user), (turn.REALM, self.realm),
                         (turn.NONCE, self.nonce)]
            transaction = os.urandom(12)
            hidden = [(t, turn.hide_address(v, transaction) if t == turn.XOR_PEER_ADDRESS else v)
                      for t, v in attributes]
            self.socket.sendall(turn.build(method, hidden + proof, transaction, self.key))
            answer = self.message()
            found = turn.attributes_of(answer)
            assert answer[8:20] == transaction
            if struct.unpack_from("!H", answer)[0] == method | turn.SUCCESS:
                return answer
            _, hundreds, rest = struct.unpack("!HBB", found[turn.ERROR_CODE][:4])
            if hundreds * 100 + rest != (438 if self.key else 401):
                break
            self.realm, self.nonce = found.get(turn.REALM, self.realm), found[turn.NONCE]
            self.key = hashlib.md5(b":".join((self.user, self.realm, self.password))).digest()
        raise turn.Refused(hundreds * 100 + rest, found)

    def allocate(self):
        answer = self.request(turn.ALLOCATE, [OVER_TCP])
        self.relayed = turn.read_address(
            turn.attributes_of(answer)[turn.XOR_RELAYED_ADDRESS], answer[8:20])
        return self

    def permit(self, peer):
        self.request(turn.CREATE_PERMISSION, [(turn.XOR_PEER_ADDRESS, peer)])

    def connect(self, peer):
        answer = self.request(CONNECT, [(turn.XOR_PEER_ADDRESS, peer)])
        return turn.attributes_of(answer)[CONNECTION_ID]

    def bind(self, connection):
        self.request(CONNECTION_BIND, [(CONNECTION_ID, connection)])
        return self


def cross(one, other, size=10 << 20):
    """So much at once each way: both ends are slower than their sender. (sendall, read) each."""
    blocks = os.urandom(size), os.urandom(size)
    senders = [threading.Thread(target=write, args=(block,), daemon=True)
               for (write, _), block in zip((one, other), blocks)]
    heard = {}
    readers = [threading.Thread(target=lambda i=i, take=take: heard.update({i: take(size)}),
                                daemon=True) for i, (_, take) in enumerate((other, one))]
    for thread in senders + readers:
        thread.start()
    for thread in senders + readers:
        thread.join(60)
    for i, block in enumerate(blocks):
        assert heard.get(i) == block, f"direction {i}: {len(heard.get(i, b''))} of {size} octets"


def of_socket(sock):
    return sock.sendall, lambda size: read(sock, size)


@pytest.fixture
def site(new_site):
    site = new_site()
    site.start(topology.with_media(site.topology()))
    return site


@pytest.fixture
def new_client(site):
    made = site.appliance.rest("POST", "/v1/media/credentials", {"identity": "alice"})
    with contextlib.ExitStack() as stack:
        def make(port=TCP):
            client = Client(site, made, port)
            stack.callback(client.socket.close)
            return client

        yield make


@pytest.fixture
def new_ms_client(site):
    with contextlib.ExitStack() as stack:
        def make(user="sip:bob@example.com"):
            made = site.appliance.rest("POST", "/v1/media/credentials", {"identity": user})
            transport = site.lab.partner.call(lambda: ms_turn.Tcp((SERVER, TCP)))
            client = ms_turn.StreamClient(transport, made["username"], made["password"])
            stack.callback(client.close)
            client.allocate()
            return client

        yield make


@pytest.fixture
def listening(site):
    with site.lab.partner.call(lambda: socket.create_server((PARTNER, 0))) as listening:
        listening.settimeout(10)
        yield listening


def read(stream, size):
    out = b""
    while len(out) < size and (octets := stream.recv(size - len(out))):
        out += octets
    return out


@pytest.mark.parametrize("port", [TCP, TLS])
def test_M9_a_client_connects_to_a_peer(new_client, listening, port):
    control = new_client(port).allocate()
    connection = control.connect(listening.getsockname())
    peer, source = listening.accept()
    with peer:
        peer.settimeout(10)
        assert source == control.relayed
        peer.sendall(b"hello")  # before anybody is there to read it
        data = new_client(port).bind(connection)
        assert data.read(5) == b"hello"
        if port == TCP:  # Python's TLS is not for two threads
            cross(of_socket(data.socket), of_socket(peer))
        block = os.urandom(1 << 20)
        for write, take in ((data.socket, lambda: read(peer, len(block))),
                            (peer, lambda: data.read(len(block)))):
            sender = threading.Thread(target=write.sendall, args=(block,))
            sender.start()
            assert take() == block
            sender.join()
        if port == TCP:  # half closed, the other half goes on; TLS has no halves
            data.socket.shutdown(socket.SHUT_WR)
            assert peer.recv(1) == b""
        peer.sendall(b"bye")
        peer.shutdown(socket.SHUT_WR)
        assert data.read(3) == b"bye"
        assert data.socket.recv(1) == b""


def test_M9_a_permitted_peer_connects_in_and_a_stranger_does_not(site, new_client):
    control = new_client(TLS).allocate()

    def come():
        return site.lab.partner.call(
            lambda: socket.create_connection(control.relayed, timeout=10))

    with come() as stranger:
        assert stranger.recv(1) == b"", "closed without a word"
    control.permit((PARTNER, 0))
    with come() as peer:
        attempt = control.message()
        assert struct.unpack_from("!H", attempt)[0] == CONNECTION_ATTEMPT | turn.INDICATION
        found = turn.attributes_of(attempt)
        assert turn.read_address(found[turn.XOR_PEER_ADDRESS],
                                 attempt[8:20]) == peer.getsockname()
        data = new_client(TLS).bind(found[CONNECTION_ID])
        peer.sendall(b"question")
        assert data.read(8) == b"question"
        data.socket.sendall(b"answer")
        assert read(peer, 6) == b"answer"
        # The allocation ends, and all with it.
        control.request(turn.REFRESH, [(turn.LIFETIME, bytes(4))])
        assert peer.recv(1) == b""
        assert data.socket.recv(1) == b""


def test_M9_peers_that_cannot_be_are_refused(new_client, listening):
    control = new_client().allocate()
    for peer, code in ((("127.0.0.1", 80), 403), ((PARTNER, 9), 447)):
        with pytest.raises(turn.Refused) as refused:
            control.connect(peer)
        assert refused.value.code == code
    control.connect(listening.getsockname())
    with pytest.raises(turn.Refused) as refused:
        control.connect(listening.getsockname())
    assert refused.value.code == 446
    with pytest.raises(turn.Refused) as refused:
        new_client().bind(b"\1\2\3\4")
    assert refused.value.code == 400


def test_M9_a_relay_outlives_the_fast_path(site, new_client, listening):
    control = new_client().allocate()
    connection = control.connect(listening.getsockname())
    peer, _ = listening.accept()
    with peer:
        peer.settimeout(10)
        data = new_client().bind(connection)
        site.appliance.kill("fastpath")
        wait_until(site.appliance.healthy, 15, "it is back")
        data.socket.sendall(b"on")
        assert read(peer, 2) == b"on"
        control.request(turn.REFRESH, [(turn.LIFETIME, struct.pack("!I", 600))])
        peer.sendall(b"and back")
        assert data.read(8) == b"and back"


# --- MS-TURN -----------------------------------------------------------------------------------

def come(site, relayed):
    return site.lab.partner.call(lambda: socket.create_connection(relayed, timeout=10))


def test_M9_ms_turn_connects_to_a_peer(new_ms_client, listening):
    client = new_ms_client()
    there = listening.getsockname()
    client.send(there, b"check")
    peer, source = listening.accept()
    with peer:
        peer.settimeout(10)
        assert source == client.relayed
        assert read(peer, 5) == b"check"
        peer.sendall(b"answer")
        assert client.receive() == ms_turn.Arrival(there, b"answer")
        client.set_active(there)
        cross((client.sendall, client.read), of_socket(peer))
        # The end of what the peer says can be told by one thing only.
        peer.sendall(b"bye")
        peer.shutdown(socket.SHUT_WR)
        assert client.read(3) == b"bye"
        assert client.ended()


def test_M9_a_peer_connects_to_ms_turn(site, new_ms_client):
    client = new_ms_client()
    with come(site, client.relayed) as stranger:
        assert stranger.recv(1) == b"", "closed without a word"
    client.send((PARTNER, 9), b"only permits")
    with come(site, client.relayed) as peer:
        peer.sendall(b"question")
        assert client.read(8, peer.getsockname()) == b"question"
        client.set_active(peer.getsockname())
        cross((client.sendall, client.read), of_socket(peer))
        client.sendall(b"last words")
        client.close()
        assert read(peer, 11) == b"last words"


def test_M9_two_clients_of_ms_turn_with_tcp_443_only_reach_each_other(new_ms_client):
    one, other = new_ms_client(), new_ms_client("sip:carol@example.com")
    # Either may be the first: only one that comes later is sure to find itself permitted.
    one.send(other.relayed, b"hello")
    other.send(one.relayed, b"hello")
    one.set_active(other.relayed)
    other.set_active(one.relayed)
    one.sendall(b"!")
    other.sendall(b"?")
    # What came before the active destination was one came with its sender's address.
    for client, mark in ((one, b"?"), (other, b"!")):
        heard = b""
        while not heard.endswith(mark):
            heard += client.receive().data
        assert heard in (mark, b"hello" + mark)
    cross((one.sendall, one.read), (other.sendall, other.read))


def test_M9_two_clients_of_rfc_6062_with_tcp_443_only_reach_each_other(new_client):
    one, other = new_client().allocate(), new_client().allocate()
    other.permit(one.relayed)
    connection = one.connect(other.relayed)
    attempt = other.message()
    found = turn.attributes_of(attempt)
    assert turn.read_address(found[turn.XOR_PEER_ADDRESS], attempt[8:20]) == one.relayed
    near = new_client().bind(connection)
    far = new_client().bind(found[CONNECTION_ID])
    cross(of_socket(near.socket), of_socket(far.socket))
    near.socket.shutdown(socket.SHUT_WR)
    assert far.socket.recv(1) == b""


def test_M9_the_dialects_reach_each_other(new_client, new_ms_client):
    ms, control = new_ms_client(), new_client().allocate()
    ms.send(control.relayed, b"permits, and is refused")
    data = new_client().bind(control.connect(ms.relayed))
    data.socket.sendall(b"hello")
    assert ms.read(5, control.relayed) == b"hello"
    ms.set_active(control.relayed)
    cross(of_socket(data.socket), (ms.sendall, ms.read), 1 << 20)


def test_M9_ms_turn_outlives_the_fast_path_and_ends_with_front(site, new_ms_client, listening):
    client = new_ms_client()
    client.send(listening.getsockname(), b"x")
    peer, _ = listening.accept()
    with peer:
        peer.settimeout(10)
        assert read(peer, 1) == b"x"
        client.set_active(listening.getsockname())
        site.appliance.kill("fastpath")
        client.sendall(b"on")
        assert read(peer, 2) == b"on"
        wait_until(site.appliance.healthy, 15, "it is back")
        client.refresh()
        peer.sendall(b"and back")
        assert client.read(8) == b"and back"
        site.appliance.kill("front")
        with contextlib.suppress(ConnectionError):
            assert peer.recv(1) == b""
        assert client.ended()
    count = lambda: site.appliance.metrics()["fedge_media_sessions"]  # noqa: E731
    wait_until(lambda: count() == 0, 10, "no session")


def test_M5_M9_a_published_denial_ends_connections(site, new_client, new_ms_client, listening):
    control, ms = new_client().allocate(), new_ms_client()
    connection = control.connect(listening.getsockname())
    bound, _ = listening.accept()
    data = new_client().bind(connection)
    ms.send(listening.getsockname(), b"x")
    framed, _ = listening.accept()
    ms.set_active(listening.getsockname())
    with bound, framed:
        for peer in (bound, framed):
            peer.settimeout(1)
        data.socket.sendall(b"x")
        assert read(bound, 1) == read(framed, 1) == b"x"
        document = topology.with_media(site.topology())
        document["media"]["peer_rules"] = [{"prefix": f"{PARTNER}/32", "allow": False}]
        site.appliance.publish(document)
        published = time.monotonic()
        for peer in (bound, framed):
            with contextlib.suppress(ConnectionError):
                assert peer.recv(1) == b"", "it is closed"
        with contextlib.suppress(ConnectionError):
            assert data.socket.recv(1) == b""
        assert ms.ended()
        assert time.monotonic() - published < 1


def test_M9_a_relay_port_that_is_closed_is_dropped(site, new_client):
    control = new_client().allocate()
    address, port = control.relayed
    closed = port - 1 if port % 2 else port + 1
    series = 'fedge_fastpath_dropped_total{reason="tcp_closed_port"}'
    before = site.appliance.metrics()[series]
    with site.lab.partner.call(socket.socket) as peer, pytest.raises(TimeoutError):
        peer.settimeout(0.3)
        peer.connect((address, closed))
    wait_until(lambda: site.appliance.metrics()[series] > before, 5, "it was dropped")
    with come(site, control.relayed) as stranger:  # the kernel's own port
        assert stranger.recv(1) == b""
