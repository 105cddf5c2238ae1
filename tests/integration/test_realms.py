"""B6: one arm with two VLANs, one subnet on both sides, several addresses, MTU, DSCP."""
import asyncio
import copy

import pytest

from tests.lib import sip, topology
from tests.lib.wire import Capture, TaggingSwitch

URI = "sip:bob@example.com"
BOB_OUTSIDE = f"sip:bob@{topology.PARTNER}"


async def both_ways(site, outside="4", inside="4"):
    """A MESSAGE and a whole call in, then out."""
    servers = [await site.inside.server(inside).start(),
               await site.partner.server(outside).start()]
    for identity, family, uri in ((site.partner, outside, URI),
                                  (site.inside, inside, BOB_OUTSIDE)):
        client = await identity.client(family).connect()
        assert (await client.request("MESSAGE", uri, body=b"x")).status == 200
        assert (await sip.call(client, uri)).status == 200
        await client.close()
    for server in servers:
        assert [r.method for r in server.requests] == ["MESSAGE", "INVITE", "ACK", "BYE"]
        await server.stop()


def one_armed(site, *families):
    """Both realms on port0, VLAN 101 and 102: the topology, and the switch in front."""
    for namespace in (site.lab.partner, site.lab.inside):
        namespace.sh("ip", "addr", "flush", "dev", "eth0")
    switch = TaggingSwitch(site.lab.partner, "eth0")
    for vlan, namespace, realm in ((101, site.lab.partner, 1), (102, site.lab.inside, 2)):
        switch.add(vlan, namespace, f"10.{realm}.0.2/24")
        namespace.sh("ip", "-6", "addr", "add", f"fd00:{realm}::2/64", "dev", f"vlan{vlan}",
                     "nodad")
    switch.start()
    document = site.topology(*families)
    for realm, vlan in zip(document["realms"], (101, 102)):
        realm.update(port="wan", vlan=vlan)
    return document, switch


@pytest.fixture
def one_arm(new_site, request):
    site = new_site()
    document, switch = one_armed(site, *getattr(request, "param", ()))
    try:
        yield site.start(document), switch
    finally:
        switch.stop()


def test_B6_one_arm_with_two_VLANs(one_arm):
    site, switch = one_arm
    asyncio.run(both_ways(site))
    assert switch.strays == [], "IPv4 without a tag, or with another one"


@pytest.mark.parametrize("one_arm, outside, inside",
                         ((pair, *pair) for pair in (("4", "6"), ("6", "4"))),
                         indirect=["one_arm"], ids=("IPv4-IPv6", "IPv6-IPv4"))
def test_B6_R11_one_arm_with_another_family_in_each_VLAN(one_arm, outside, inside):
    site, switch = one_arm
    asyncio.run(both_ways(site, outside, inside))
    assert switch.strays == []


def test_B6_one_arm_keeps_its_VLANs_apart(one_arm):
    """The inside's listener cannot be reached by the outside's VLAN, on the same port and MAC."""
    site, _ = one_arm
    dropped = 'fedge_fastpath_dropped_total{reason="not_our_address"}'
    before = site.appliance.metrics().get(dropped, 0)
    site.lab.partner.sh("ip", "route", "add", "10.2.0.0/24", "via", "10.1.0.1")

    async def scenario():
        intruder = site.partner.client()
        intruder.remote = ("10.2.0.1", 5061)
        with pytest.raises(TimeoutError):
            await intruder.connect(timeout=1)
    asyncio.run(scenario())
    assert site.appliance.metrics()[dropped] > before


def test_B6_both_realms_have_the_same_subnet_and_address(new_site):
    site = new_site()
    site.lab.inside.sh("ip", "addr", "flush", "dev", "eth0")
    site.lab.inside.sh("ip", "addr", "add", "10.1.0.2/24", "dev", "eth0")
    document = site.topology()
    document["realms"][1]["addresses"] = [{"address": "10.1.0.1/24"}]
    document["listeners"] = document["listeners"][:3]
    document["listeners"][2]["address"] = "10.1.0.1"
    document["next_hop_pools"][0]["members"][0]["addresses"] = ["10.1.0.2"]
    site.start(document)
    site.inside.addresses = {"4": "10.1.0.2"}
    site.inside.edge = {"4": "10.1.0.1"}
    asyncio.run(both_ways(site))


def test_B6_one_of_two_addresses_of_a_port_moves(site):
    """A publish moves a listener to another address of its realm; what the other one serves goes
    on over the same connections, and what the moved one accepted ends with its address."""
    document = site.topology()
    document["realms"][0]["addresses"].append({"address": "10.1.0.11/24"})
    document["listeners"].append(
        topology.listener("second", "outside", "10.1.0.11", "external"))
    site.appliance.publish(document)
    moved = copy.deepcopy(document)
    moved["realms"][0]["addresses"][-1]["address"] = "10.1.0.12/24"
    moved["listeners"][-1]["address"] = "10.1.0.12"

    async def connect(address):
        client = site.partner.client()
        client.remote = (address, 5061)
        return await client.connect(timeout=1)

    async def works(client):
        return (await client.request("MESSAGE", URI, body=b"x")).status == 200

    async def scenario():
        server = await site.inside.server().start()
        stays, goes = await connect("10.1.0.1"), await connect("10.1.0.11")
        assert await works(stays) and await works(goes)
        site.appliance.publish(moved)
        comes = await connect("10.1.0.12")
        assert await works(stays) and await works(comes)
        with pytest.raises((TimeoutError, ConnectionError)):
            await connect("10.1.0.11")
        with pytest.raises((TimeoutError, ConnectionError)):
            await goes.request("MESSAGE", URI, body=b"x", timeout=1)
        for client in (stays, goes, comes):
            await client.close()
        await server.stop()
    asyncio.run(scenario())


def test_B6_nothing_larger_than_the_MTU_leaves(site):
    document = site.topology()
    document["realms"][0]["mtu"] = 1300
    document["realms"][1]["mtu"] = 1400
    site.appliance.publish(document)
    captures = {1300: (Capture(site.lab.partner), "10.1.0.1"),
                1400: (Capture(site.lab.inside), "10.2.0.1")}

    async def scenario():
        await both_ways(site)
        server = await site.inside.server().start()
        client = await site.partner.client().connect()
        server.handler = lambda r: [sip.reply(r, 200, "OK", body=bytes(20000))]
        answer = await client.request("MESSAGE", URI, body=bytes(20000))
        assert answer.status == 200 and len(answer.body) == 20000
        assert len(server.requests[0].body) == 20000
        await client.close()
        await server.stop()
    asyncio.run(scenario())
    for mtu, (capture, address) in captures.items():
        sizes = [size for _, size, _, _ in capture.ipv4(address)]
        capture.close()
        assert max(sizes) == mtu, "full segments, and none larger"


def marks(capture, address):
    return {dscp for dscp, _ in capture.new_tcp(address)}


def test_B6_signalling_carries_its_realm_s_DSCP(site):
    """SYN, SYN-ACK, data and ACK; of accepted and of dialled connections; and a change of the mark
    holds for the connections made after it, at listeners that stay."""
    captures = (Capture(site.lab.partner), "10.1.0.1"), (Capture(site.lab.inside), "10.2.0.1")
    document = site.topology()
    for outside, inside in ((24, 40), (18, 0)):
        document["realms"][0]["dscp"] = {"signalling": outside}
        document["realms"][1]["dscp"] = {"signalling": inside}
        site.appliance.publish(document)
        for capture, address in captures:
            capture.ipv4(address)
        asyncio.run(both_ways(site))
        seen = [marks(capture, address) for capture, address in captures]
        assert seen == [{outside}, {inside}]
