"""M9: TCP allocations (RFC 6062): clients over TCP and TLS, their peers over the kernel's TCP."""
import contextlib
import hashlib
import os
import socket
import ssl
import struct
import subprocess
import threading

import pytest

from tests.lib import topology, turn
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
        # A megabyte at once each way: both ends are slower than their sender.
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


def echo(listening):
    """Gives everybody back what they say, until nobody listens any more."""
    def serve(peer):
        with peer, contextlib.suppress(OSError):
            while octets := peer.recv(65536):
                peer.sendall(octets)

    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()


@pytest.mark.parametrize("switches,port", [(("-t",), TCP), (("-t", "-S"), TLS)])
def test_M9_coturns_client_loses_nothing(site, listening, switches, port):
    """coturn's own peer has no TCP."""
    made = site.appliance.rest("POST", "/v1/media/credentials", {"identity": "alice"})
    listening.settimeout(None)
    threading.Thread(target=echo, args=(listening,), daemon=True).start()
    client = site.lab.partner.popen(
        "turnutils_uclient", "-T", "-c", "-u", made["username"], "-w", made["password"],
        "-L", PARTNER, "-e", PARTNER, "-r", str(listening.getsockname()[1]), *switches,
        "-p", str(port), "-m", "2", "-n", "20", SERVER,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output = client.communicate(timeout=25)[0]
    except subprocess.TimeoutExpired:
        client.kill()
        output = client.communicate()[0]
    assert client.returncode == 0, output[-3000:]
    assert "Total lost packets 0 " in output, output[-3000:]
