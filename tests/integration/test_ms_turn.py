"""M2: MS-TURN against the whole appliance, by the tests' own client (tests/lib/ms_turn.py); what it
relays of TCP is in test_tcp_relay.py."""
import contextlib
import socket
import time

import pytest

from tests.lib import ms_turn, topology
from tests.lib.appliance import wait_until

SERVER = (topology.OUTSIDE["4"], 3478)
SERVER6 = (topology.OUTSIDE["6"], 3478)
HOST = topology.PARTNER_ADDRESS["4"]


@pytest.fixture
def site(new_site):
    site = new_site()
    site.start(topology.with_media(site.topology()))
    return site


@pytest.fixture
def clients(site):
    """clients(how, user): a client in the partner's namespace. how: udp, udp6, tcp (frames), tls
    (frames behind the hello that looks like TLS)."""
    with contextlib.ExitStack() as stack:
        def make(how="udp", user="sip:alice@example.com", **more):
            def connect():
                if how.startswith("udp"):
                    return ms_turn.Udp(SERVER if how == "udp" else SERVER6)
                return ms_turn.Tcp((SERVER[0], 443), hello=how == "tls")
            credentials = site.appliance.rest("POST", "/v1/media/credentials",
                                              {"identity": user, **more})
            transport = site.lab.partner.call(connect)
            stack.callback(transport.close)
            return ms_turn.Client(transport, credentials["username"], credentials["password"])

        yield make


@contextlib.contextmanager
def make_peer(site, host):
    """A peer in the partner's namespace: a UDP socket with its address."""
    def bind():
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((host, 0))
        sock.settimeout(5)
        return sock

    with site.lab.partner.call(bind) as sock:
        yield sock


@pytest.fixture
def peer(site):
    with make_peer(site, HOST) as sock:
        yield sock


def reach(client, peer, address):
    """Sends until the peer is reached: a first packet may wait for its neighbour."""
    deadline = time.monotonic() + 5
    peer.settimeout(0.2)
    while time.monotonic() < deadline:
        client.send(address, b"reach")
        with contextlib.suppress(TimeoutError):
            octets, source = peer.recvfrom(2000)
            assert octets == b"reach"
            peer.settimeout(5)
            return source
    raise AssertionError("the peer was not reached")


def await_dropped(box, reason):
    series = f'fedge_media_dropped_total{{reason="{reason}"}}'
    wait_until(lambda: box.metrics()[series] >= 1, 5, f"a packet dropped for {reason}")


def drain(peer):
    peer.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            peer.recv(2000)
    peer.settimeout(5)


@pytest.mark.parametrize("how", ["udp", "udp6"])
def test_M2_allocates_sends_and_hears(site, clients, peer, how):
    client = clients(how)
    client.allocate()
    family = "6" if how == "udp6" else "4"
    assert client.relayed[0] == SERVER[0]  # whoever does not ask gets one of IPv4
    assert client.reflexive[0] == topology.PARTNER_ADDRESS[family]
    assert client.alternate[0] == topology.OUTSIDE[family] and client.lifetime == 600
    there = peer.getsockname()
    peer.sendto(b"too early", client.relayed)
    await_dropped(site.appliance, "no_permission")
    assert reach(client, peer, there) == client.relayed
    drain(peer)
    peer.sendto(b"answer", client.relayed)
    assert client.receive() == ms_turn.Arrival(there, b"answer")

    client.set_active(there)
    for data in (b"\x80\x60rtp", b"\x00\x01 like STUN", b"\x16\xfe\xfd like DTLS", b"x" * 1200):
        client.send_data(data)
        assert peer.recv(2000) == data
        peer.sendto(data, client.relayed)
        assert client.receive() == ms_turn.Arrival(None, data)
    client.refresh()
    client.refresh(0)
    wait_until(lambda: site.appliance.metrics()["fedge_media_sessions"] == 0, 5, "no session")
    peer.sendto(b"too late", client.relayed)
    assert client.receive(0.3) is None


def test_M2_M1_relays_IPv6_where_it_is_asked_for(site, clients):
    client = clients("udp")
    client.allocate(attributes=[(ms_turn.wire.REQUESTED_ADDRESS_FAMILY, b"\2\0\0\0")])
    assert client.relayed[0] == SERVER6[0]
    with make_peer(site, topology.PARTNER_ADDRESS["6"]) as peer:
        there = peer.getsockname()[:2]
        assert reach(client, peer, there)[:2] == client.relayed
        drain(peer)
        peer.sendto(b"answer", client.relayed)
        assert client.receive() == ms_turn.Arrival(there, b"answer")
        client.set_active(there)
        client.send_data(b"\x80 bare")
        assert peer.recv(2000) == b"\x80 bare"


def test_M2_an_allocation_ends_with_its_connection(site, clients):
    client = clients("tls")
    client.allocate()
    count = lambda: site.appliance.metrics()["fedge_media_sessions"]  # noqa: E731
    wait_until(lambda: count() == 1, 5, "the session")
    client.close()
    wait_until(lambda: count() == 0, 5, "its end")


def test_M2_M5_what_is_refused(site, clients, peer):
    client = clients()
    client.allocate()
    for denied in ("127.0.0.1", "10.2.0.2", "169.254.169.254", SERVER[0]):
        with pytest.raises(ms_turn.wire.Error) as refused:
            client.set_active((denied, 3478))
        assert refused.value.code == 403, denied
    eve = clients(user="sip:eve@example.com")
    eve.password = eve.password[:-1] + b"?"
    with pytest.raises(ms_turn.wire.Error) as refused:
        eve.allocate()
    assert refused.value.code == 431


def test_M5_a_published_denial_stops_a_running_flow(site, clients, peer):
    client = clients()
    client.allocate()
    there = peer.getsockname()
    reach(client, peer, there)
    client.set_active(there)
    client.send_data(b"flows")
    while peer.recv(2000) != b"flows":
        pass
    document = topology.with_media(site.topology())
    document["media"]["peer_rules"] = [{"prefix": f"{HOST}/32", "allow": False}]
    site.appliance.publish(document)
    client.send_data(b"does not")
    peer.settimeout(0.5)
    with pytest.raises(TimeoutError):
        peer.recv(2000)
    await_dropped(site.appliance, "peer_denied")


def test_M2_B4_an_allocation_outlives_the_fast_path(site, clients, peer):
    client = clients()
    client.allocate()
    there = peer.getsockname()
    reach(client, peer, there)
    client.set_active(there)
    drain(peer)
    site.appliance.kill("fastpath")
    peer.settimeout(0.05)
    deadline = time.monotonic() + 5
    while True:
        client.send_data(b"still here")
        with contextlib.suppress(TimeoutError):
            assert peer.recvfrom(2000) == (b"still here", client.relayed)
            break
        assert time.monotonic() < deadline, "the flow did not come back"
    peer.sendto(b"and back", client.relayed)
    assert client.receive() == ms_turn.Arrival(None, b"and back")
    client.refresh()
