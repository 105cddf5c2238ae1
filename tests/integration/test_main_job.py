"""R1 R2 R5 R11: a partner's request enters through a DPDK port and arrives inside, and back."""
import asyncio

import pytest

from tests.lib import sip, sipp, topology

METHODS = ("OPTIONS", "MESSAGE", "SUBSCRIBE", "NOTIFY", "SERVICE")
PLAIN, TUNNEL = 5080, 5070


def ends(site, direction):
    """(caller, called) of a direction."""
    pair = (site.partner, site.inside)
    return pair if direction == "inwards" else pair[::-1]


def who(caller, called, user="bob"):
    return {"user": user, "to": called.domain, "domain": caller.domain, "host": caller.host}


class Path:
    """sipp and socat on both sides of one direction."""

    def __init__(self, site, direction, family):
        self.caller, self.called = ends(site, direction)
        self.folder, self.site = site.folder, site
        self.parts = [
            sipp.to_appliance(self.caller.namespace, TUNNEL, self.caller.edge[family],
                              topology.EDGE, self.caller.chain, self.caller.key,
                              self.caller.trust, f"{site.folder}/socat-caller.log"),
            sipp.from_appliance(self.called.namespace, self.called.addresses[family], PLAIN,
                                self.called.chain, self.called.key, self.called.trust,
                                f"{site.folder}/socat-called.log"),
        ]

    def exchange(self, name, scenario, answer, calls=3):
        server = sipp.serve(self.called.namespace, self.folder, f"{name}-uas", answer, PLAIN)
        try:
            sipp.call(self.caller.namespace, self.folder, f"{name}-uac", scenario, TUNNEL, calls)
        finally:
            server.stop()

    def stop(self):
        for part in self.parts:
            part.stop()


@pytest.mark.parametrize("family", ["4", "6"])
@pytest.mark.parametrize("direction", ["inwards", "outwards"])
def test_R1_R11_sipp_every_method(new_site, direction, family):
    site = new_site().start()
    site.appliance.publish(site.topology(family, family))
    path = Path(site, direction, family)
    facts = who(path.caller, path.called)
    try:
        for method in METHODS:
            path.exchange(method, sipp.request_scenario(method, **facts),
                          sipp.answer_scenario(method, path.called.host))
        path.exchange("call", sipp.call_scenario(**facts),
                      sipp.answer_call_scenario(path.called.host))
        path.exchange("cancel", sipp.cancel_scenario(**facts),
                      sipp.answer_cancel_scenario(path.called.host))
    finally:
        path.stop()
    metrics = site.appliance.metrics()
    punted = sum(v for k, v in metrics.items() if k.startswith("fedge_fastpath_packets_total"))
    assert punted > 50, "the packets did not cross the fast path"


def test_R11_IPv4_outside_IPv6_inside(new_site):
    site = new_site().start()
    site.appliance.publish(site.topology("4", "6"))

    async def scenario():
        server = await site.inside.server("6").start()
        client = await site.partner.client("4").connect()
        assert (await client.request("MESSAGE", "sip:bob@example.com", body=b"x")).status == 200
        assert (await sip.call(client, "sip:bob@example.com")).status == 200
        await client.close()
        await server.stop()
    asyncio.run(scenario())


def test_R10_bodies_and_unknown_headers_arrive_byte_for_byte(site):
    body = bytes(range(256)) * 8
    headers = [("X-Odd", "a;b=\"c,d\" ,  e"), ("Content-Type", "application/octet-stream"),
               ("ms-received-cid", "2600")]

    async def scenario():
        server = await site.inside.server().start()
        client = await site.partner.client().connect()
        answer = await client.request("SERVICE", "sip:bob@example.com", headers=headers, body=body)
        assert answer.status == 200
        arrived = await server.wait_for("SERVICE")
        assert arrived.body == body
        for name, value in headers:
            assert arrived.get(name) == value
        assert arrived.get("Max-Forwards") == "69"
        assert len(arrived.all("Via")) == 2
        await client.close()
        await server.stop()
    asyncio.run(scenario())


def test_R10_dialog_requests_follow_the_record_route_both_ways(site):
    async def scenario():
        inside = await site.inside.server().start()
        partner = await site.partner.server().start()
        caller = await site.partner.client().connect()
        called = await site.inside.client().connect()
        subscribe = caller.build("SUBSCRIBE", "sip:bob@example.com",
                                 headers=[("Event", "presence")])
        async for response in caller.responses(subscribe):
            assert response.status == 200
        arrived = await inside.wait_for("SUBSCRIBE")
        routes = [r.strip() for v in arrived.all("Record-Route") for r in v.split(",")]
        assert len(routes) == 2, "one Record-Route for each side (RFC 5658)"
        notify = await called.request(
            "NOTIFY", sip.contact_uri(arrived), to=arrived.get("From"), routes=routes,
            call_id=arrived.get("Call-ID"), tag="srv",
            headers=[("Event", "presence"), ("Subscription-State", "active")])
        assert notify.status == 200
        got = await partner.wait_for("NOTIFY")
        assert got.get("Route") is None, "our own Routes are taken off"
        for end in (caller, called):
            await end.close()
        for end in (inside, partner):
            await end.stop()
    asyncio.run(scenario())


def test_R10_NEGOTIATE_is_answered_405_whatever_Max_Forwards_says(site):
    async def scenario():
        client = await site.partner.client().connect()
        message = client.build("NEGOTIATE", "sip:example.com")
        message.headers = [(n, "0" if n == "Max-Forwards" else v) for n, v in message.headers]
        statuses = [r.status async for r in client.responses(message)]
        assert statuses == [405]
        await client.close()
    asyncio.run(scenario())


def test_R2_what_has_no_route_and_who_is_a_stranger_is_told_so(site):
    stranger_chain, stranger_key = site.partners.issue("sip.stranger.example")

    async def scenario():
        client = await site.partner.client().connect()
        assert (await client.request("MESSAGE", "sip:x@elsewhere.example")).status in (403, 404)
        await client.close()
        stranger = site.partner.client()
        stranger.context = sip.tls_context(False, stranger_chain, stranger_key,
                                           site.partners.certificate)
        await stranger.connect()
        assert (await stranger.request("MESSAGE", "sip:bob@example.com")).status == 403
        await stranger.close()
    asyncio.run(scenario())


def test_T3_a_next_hop_with_another_name_gets_nothing(site):
    chain, key = site.internal.issue("other.example.com")

    async def scenario():
        server = site.inside.server()
        server.context = sip.tls_context(True, chain, key, site.internal.certificate)
        await server.start()
        client = await site.partner.client().connect()
        answer = await client.request("MESSAGE", "sip:bob@example.com", timeout=10)
        assert answer.status >= 500
        assert server.requests == []
        await client.close()
        await server.stop()
    asyncio.run(scenario())
