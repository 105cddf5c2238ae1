"""B6, R11, R4: packets that do not come whole or do not fit: fragments, MTU, path MTU."""
import asyncio
import socket
import struct

import pytest

from tests.lib import sip, topology
from tests.lib.appliance import wait_until
from tests.lib.netns import Namespace
from tests.lib.wire import Capture

URI = "sip:bob@example.com"
BOB_OUTSIDE = f"sip:bob@{topology.PARTNER}"
LARGE = 20000
FAMILIES = {"4": socket.AF_INET, "6": socket.AF_INET6}
IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IPV6_MTU_DISCOVER = 10, 0, 23


def dropped(site, reason):
    return site.appliance.metrics().get(f'fedge_fastpath_dropped_total{{reason="{reason}"}}', 0)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


# --- fragments ---------------------------------------------------------------------------------

NAME_SERVERS = {"4": "10.1.0.53", "6": "fd00:1::53"}


@pytest.fixture
def named(site):
    """A site whose box asks two name servers outside; 10.1.0.54 is a host beside them."""
    document = site.topology()
    document["resolver"] = {"servers": list(NAME_SERVERS.values()), "port": 53, "realm": "outside"}
    site.appliance.publish(document)
    for address in ("10.1.0.53/24", "10.1.0.54/24"):
        site.lab.partner.sh("ip", "addr", "add", address, "dev", "eth0")
    site.lab.partner.sh("ip", "-6", "addr", "add", "fd00:1::53/64", "dev", "eth0", "nodad")
    return site


def bound(namespace, family, address, port):
    """A UDP socket whose datagrams the kernel may cut."""
    def make():
        sock = socket.socket(FAMILIES[family], socket.SOCK_DGRAM)
        if family == "4":
            sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DONT)
        sock.settimeout(5)
        sock.bind((address, port))
        return sock
    return namespace.call(make)


def resolver_in(site, family):
    """Where the box's own queries would come from."""
    punt = Namespace.existing(f"{site.appliance.name}-punt")
    return bound(punt, family, topology.OUTSIDE[family], 30000)


@pytest.mark.parametrize("family", FAMILIES)
def test_R4_an_answer_in_fragments_reaches_the_resolver(named, family):
    answer = bytes(range(256)) * 16
    with resolver_in(named, family) as asker, \
            bound(named.lab.partner, family, NAME_SERVERS[family], 53) as server:
        server.sendto(answer, (topology.OUTSIDE[family], 30000))
        assert asker.recv(65536) == answer
    series = 'fedge_fastpath_packets_total{realm="outside",direction="in",class="%s"}'
    metrics = named.appliance.metrics()
    assert metrics[series % "fragment"] == 3 and metrics[series % "resolver"] == 1


def test_R4_fragments_of_nobody_we_asked_are_dropped(named):
    with bound(named.lab.partner, "4", "10.1.0.54", 53) as forger, \
            resolver_in(named, "4") as asker:
        forger.sendto(bytes(4000), (topology.OUTSIDE["4"], 30000))
        wait_until(lambda: dropped(named, "udp_port") == 3, 5, "all fragments are counted")
        asker.setblocking(False)
        with pytest.raises(BlockingIOError):
            asker.recv(65536)


def raw_fragments(namespace, source, pieces):
    """IPv4 fragments of one UDP datagram: (offset, octets, more)."""
    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
            for offset, data, more in pieces:
                head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 77,
                                   offset // 8 | (0x2000 if more else 0), 64, 17, 0,
                                   socket.inet_aton(source),
                                   socket.inet_aton(topology.OUTSIDE["4"]))
                sock.sendto(head + data, (topology.OUTSIDE["4"], 0))
    namespace.call(send)


def test_R4_overlapping_fragments_lose_the_answer(named):
    head = struct.pack("!HHHH", 53, 30000, 8 + 1024 + 16, 0)
    with resolver_in(named, "4") as asker:
        raw_fragments(named.lab.partner, NAME_SERVERS["4"],
                      [(0, head + bytes(1016), True), (512, bytes([1]) * 512, True),
                       (1024, bytes(24), False)])
        wait_until(lambda: dropped(named, "fragment_overlap") == 3, 5, "all of them are counted")
        raw_fragments(named.lab.partner, "10.1.0.53",
                      [(1024, b"y" * 24, False)])  # is refused too: the packet is lost
        wait_until(lambda: dropped(named, "fragment_overlap") == 4, 5, "and what comes later")
        asker.setblocking(False)
        with pytest.raises(BlockingIOError):
            asker.recv(65536)


@pytest.mark.parametrize("family", FAMILIES)
def test_B6_a_large_echo_is_answered(site, family):
    shown = site.lab.partner.sh("ping", f"-{family}", "-c", "3", "-i", "0.2", "-W", "2",
                                "-s", "4000", topology.OUTSIDE[family])
    assert " 3 received" in shown, shown


# --- MTU ---------------------------------------------------------------------------------------


async def large_both_ways(site, outside, inside):
    """20,000 octets there and back, from either side."""
    ends = ((site.partner, outside, site.inside, inside, URI),
            (site.inside, inside, site.partner, outside, BOB_OUTSIDE))
    for near, near_family, far, far_family, uri in ends:
        server = await far.server(far_family).start()
        server.handler = lambda r: [sip.reply(r, 200, "OK", body=bytes(LARGE))]
        client = await near.client(near_family).connect()
        answer = await client.request("MESSAGE", uri, body=bytes(LARGE))
        assert answer.status == 200 and len(answer.body) == LARGE
        assert len(server.requests[0].body) == LARGE
        await client.close()
        await server.stop()


@pytest.mark.parametrize("outside, inside", (("4", "6"), ("6", "4")))
def test_B6_large_messages_cross_realms_of_1280(site, outside, inside):
    document = site.topology(outside, inside)
    for realm in document["realms"]:
        realm["mtu"] = 1280
    site.appliance.publish(document)
    captures = (Capture(site.lab.partner), topology.OUTSIDE[outside]), \
        (Capture(site.lab.inside), topology.INSIDE[inside])
    asyncio.run(large_both_ways(site, outside, inside))
    for capture, address in captures:
        sizes = capture.sizes(address)
        capture.close()
        assert max(sizes) == 1280, "full segments, and none larger"
    assert dropped(site, "above_mtu") == 0


@pytest.fixture
def behind_router(new_site):
    """The partner's host is a router; behind it, over a link of 1300 octets, is the client. It
    says that it takes 1460 octets at once, so only the router tells of the narrow link."""
    site = new_site()
    far = Namespace(f"{site.appliance.name}-far")
    near = site.lab.partner
    near.sh("ip", "link", "add", "far0", "mtu", "1300", "type", "veth", "peer", "name", "eth0",
            "netns", far.name)
    for namespace, device, host in ((near, "far0", 1), (far, "eth0", 2)):
        namespace.sh("sysctl", "-qw", f"net.ipv6.conf.{device}.accept_dad=0")
        namespace.sh("ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off")
        namespace.sh("ip", "addr", "add", f"10.3.0.{host}/24", "dev", device)
        namespace.sh("ip", "-6", "addr", "add", f"fd00:3::{host}/64", "dev", device, "nodad")
        namespace.sh("ip", "link", "set", device, "mtu", "1300", "up")
    near.sh("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    far.sh("ip", "route", "add", "default", "via", "10.3.0.1", "advmss", "1460")
    far.sh("ip", "-6", "route", "add", "default", "via", "fd00:3::1", "advmss", "1440")
    document = site.topology()
    document["realms"][0]["routes"] = [{"to": "10.3.0.0/24", "via": "10.1.0.2"},
                                       {"to": "fd00:3::/64", "via": "fd00:1::2"}]
    try:
        site.start(document)
        yield site, far
    finally:
        far.remove()


@pytest.mark.parametrize("family", FAMILIES)
def test_B6_a_router_s_word_about_our_connection_is_obeyed(behind_router, family):
    site, far = behind_router
    capture = Capture(site.lab.partner)

    async def scenario():
        server = await site.inside.server().start()
        server.handler = lambda r: [sip.reply(r, 200, "OK", body=bytes(LARGE))]
        client = site.partner.client(family)
        client.namespace = far
        await client.connect()
        answer = await client.request("MESSAGE", URI, body=b"x")
        assert answer.status == 200 and len(answer.body) == LARGE
        await client.close()
        await server.stop()
    asyncio.run(scenario())
    sizes = capture.sizes(topology.OUTSIDE[family])
    capture.close()
    assert max(sizes) == 1500, "the router had something to say"
    assert 1300 in sizes
    assert max(sizes[sizes.index(1300):]) == 1300, "nothing larger since"
    assert dropped(site, "icmp_unrelated") == 0


def too_big(connection, sequence, mtu=600):
    """ICMP "fragmentation needed" about a segment of `connection`, from the partner's host."""
    source, port, to, to_port = connection
    quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1500, 9, 0x4000, 63, 6, 0,
                         socket.inet_aton(source), socket.inet_aton(to))
    quoted += struct.pack("!HHI", port, to_port, sequence)
    message = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def test_B6_a_word_about_somebody_else_s_connection_is_dropped(site):
    """And one about ours, but forged without knowing where the connection is, changes nothing."""
    capture = Capture(site.lab.partner)

    async def scenario():
        server = await site.inside.server().start()
        server.handler = lambda r: [sip.reply(r, 200, "OK", body=bytes(LARGE))]
        client = await site.partner.client().connect()
        port = client.writer.get_extra_info("sockname")[1]
        forged = [("10.1.0.77", 5061, "10.1.0.2", port), ("10.1.0.1", 22, "10.1.0.2", port),
                  ("10.2.0.1", 5061, "10.1.0.2", port), ("10.1.0.1", 5061, "10.1.0.2", port)]

        def send():
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
                for connection in forged:
                    sock.sendto(too_big(connection, 0x12345678), ("10.1.0.1", 0))
        site.lab.partner.call(send)
        wait_until(lambda: dropped(site, "icmp_unrelated") == 3, 5, "three are not about us")
        answer = await client.request("MESSAGE", URI, body=b"x")
        assert len(answer.body) == LARGE
        await client.close()
        await server.stop()
    asyncio.run(scenario())
    sizes = capture.sizes("10.1.0.1")
    capture.close()
    assert max(sizes) == 1500
