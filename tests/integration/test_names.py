"""R4: partners found by name, through the fast path, from a name server that can misbehave.
R10: a partner that cannot be dialled is reached over the connection that it made (RFC 5923)."""
import asyncio
import time

import pytest

from tests.lib import dns, sip, topology
from tests.lib.appliance import wait_until

SRV = ("_sipfederationtls._tcp.partner.example", "SRV")
EDGE, SECOND = topology.PARTNER_EDGE, "sip2.partner.example"
EDGE_ADDRESS = topology.PARTNER_ADDRESS["4"]
SECOND_ADDRESS = "10.1.0.3"
FOUND = 'fedge_signal_resolver_names{state="found"}'
STALE = 'fedge_signal_resolver_names{state="stale"}'
UNRESOLVED = 'fedge_signal_resolver_names{state="unresolved"}'


def by_name(site, *partners, **members):
    """A topology whose partners are looked up."""
    document = site.topology()
    document["resolver"] = {"servers": ["10.1.0.2"], "realm": "outside"}
    common = {"port": 5061, "transport": "tls", "realm": "outside", "tls": "external"}
    partners = partners or [{"domain": "partner.example"}]
    document["partners"] = [{**common, **partner} for partner in partners]
    document.update(members)
    return document


@pytest.fixture
def zone(new_site):
    """(site, name server): the site is not started yet."""
    site = new_site()
    server = dns.NameServer(site.partner.namespace, zone={
        SRV: [(10, 1, 5061, EDGE)], (EDGE, "A"): [EDGE_ADDRESS]})
    yield site, server
    server.stop()


def metric(site, name):
    return site.appliance.metrics().get(name, 0)


def wait_for(site, name, value=1, seconds=10):
    wait_until(lambda: metric(site, name) == value, seconds, f"{name} is {value}", every=0.1)


def wait_for_more(site, name, least, seconds=3):
    """Counters reach the page with the next beat."""
    wait_until(lambda: metric(site, name) >= least, seconds, f"{name} is {least}", every=0.1)


def wait_for_log(site, *words, seconds=5):
    def find():
        return next((line for line in site.appliance.tail(400).splitlines()
                     if all(w in line for w in words)), None)
    return wait_until(find, seconds, f"a line with {words}")


async def message(site, uri="sip:alice@partner.example", timeout=8):
    """The answer to a MESSAGE from inside, and how long it took."""
    client = await site.inside.client().connect()
    try:
        start = time.monotonic()
        response = await client.request("MESSAGE", uri, body=b"x", timeout=timeout)
        return response.status, time.monotonic() - start
    finally:
        await client.close()


def explain(site):
    """The target that explain gives for a request to the partner."""
    return site.appliance.rest(
        "GET", "/v1/routes/explain?from=sip:bob@example.com&to=sip:alice@partner.example"
    )["targets"][0]


def second_edge(site):
    site.partner.namespace.sh("ip", "addr", "add", f"{SECOND_ADDRESS}/24", "dev", "eth0")
    chain, key = site.partners.issue(SECOND)
    return sip.Server(site.partner.namespace, SECOND_ADDRESS, 5061, chain, key,
                      site.partners.certificate)


def test_R4_by_SRV_and_the_second_target_when_the_first_refuses(zone):
    site, server = zone
    server.zone[SRV] = [(20, 1, 5061, EDGE), (10, 1, 5061, SECOND)]
    server.zone[(SECOND, "A")] = [SECOND_ADDRESS]
    better = second_edge(site)
    site.start(by_name(site))
    wait_for(site, FOUND)
    assert ("sip2.partner.example", dns.TYPES["A"]) in server.asked, "asked ahead of requests"

    async def scenario():
        backup = await site.partner.server().start()
        assert (await message(site))[0] == 200
        assert len(backup.requests) == 1, "the better one refuses"
        await backup.stop()
        # With the backup gone the other one is found within the same attempt. The name of the SRV
        # target, not that of the domain, is in its certificate.
        await better.start()
        await asyncio.to_thread(wait_for, site, 'fedge_signal_connections{kind="dialled"}', 0)
        assert (await message(site))[0] == 200
        assert len(better.requests) == 1
        await better.stop()
    asyncio.run(scenario())
    wait_until(lambda: metric(site, 'fedge_signal_dials_total{result="refused"}') >= 2, 3,
               "both refusals are counted")

    # A partner that is found by SRV is known by any name of its domain.
    async def inwards():
        inside = await site.inside.server().start()
        client = await site.partner.client().connect()
        assert (await client.request("MESSAGE", "sip:bob@example.com", body=b"x")).status == 200
        await client.close()
        await inside.stop()
    asyncio.run(inwards())


@pytest.mark.parametrize("family", ["4", "6"])
def test_R4_by_the_name_of_its_edge(zone, family):
    site, server = zone
    server.zone = {(EDGE, {"4": "A", "6": "AAAA"}[family]): [topology.PARTNER_ADDRESS[family]]}
    site.start(by_name(site, {"domain": "partner.example", "edge": EDGE}))
    wait_for(site, FOUND)

    async def scenario():
        partner = await site.partner.server(family).start()
        assert (await message(site))[0] == 200
        arrived = await partner.wait_for("MESSAGE")
        ours = {"4": "10.1.0.1:5061", "6": "[fd00:1::1]:5061"}[family]
        assert arrived.get("Via").startswith(f"SIP/2.0/TLS {ours};alias;branch="), \
            "we name ourselves by an address of the family that is used"
        await partner.stop()
    asyncio.run(scenario())
    where = {"4": "10.1.0.2:5061", "6": "[fd00:1::2]:5061"}[family]
    wait_until(lambda: explain(site)["addresses"] == where, 5, "explain tells")
    assert explain(site)["lookup"] == f"A and AAAA of {EDGE}"
    peers = site.appliance.rest("GET", "/v1/peers")["next_hops"]
    assert [p["addresses"] for p in peers if p["host"] == EDGE] == [where]


def test_R4_known_partners_outlive_their_name_server_and_new_ones_come_back_with_it(zone):
    site, server = zone
    edge = {"domain": "partner.example", "edge": EDGE}
    server.silent = True
    site.start(by_name(site, edge))
    server.wait_asked(EDGE)

    async def exchange(wanted):
        partner = await site.partner.server().start()
        status, seconds = await message(site)
        await partner.stop()
        assert (status == 200) == wanted, status
        return seconds
    assert asyncio.run(exchange(False)) < 4, "a request waits for its name as for a connection"
    wait_for(site, UNRESOLVED)
    wait_for_log(site, f"next hop {EDGE} cannot be found", "no name server answers")
    server.silent = False
    wait_for(site, FOUND, seconds=20)
    wait_for_log(site, f"next hop {EDGE}", "is found again", EDGE_ADDRESS)
    asyncio.run(exchange(True))
    # Its time to live, five seconds, passes while nobody answers.
    server.silent = True
    wait_for(site, STALE, seconds=20)
    wait_for_log(site, EDGE, "no name server answers; it stays where it was", EDGE_ADDRESS)
    for _ in range(3):
        assert asyncio.run(exchange(True)) < 1, "over a connection made anew each time"


def test_R4_a_slow_name_server_delays_nobody_else(zone):
    site, server = zone
    server.delays["_sipfederationtls._tcp.slow.example"] = 20
    site.start(by_name(site, {"domain": "partner.example"}, {"domain": "slow.example"}))
    wait_for(site, FOUND)

    async def scenario():
        partner = await site.partner.server().start()
        await message(site)
        slow = [asyncio.create_task(message(site, "sip:eve@slow.example")) for _ in range(5)]
        longest = 0
        while not all(task.done() for task in slow):
            status, seconds = await message(site)
            assert status == 200
            longest = max(longest, seconds)
        for task in slow:
            status, seconds = task.result()
            assert status >= 500 and seconds < 6, (status, seconds)
        await partner.stop()
        return longest
    assert asyncio.run(scenario()) < 0.5


def test_R4_forged_answers_are_ignored_and_truncated_ones_asked_for_again(zone):
    site, server = zone

    def forge(query_id, question):
        elsewhere = dns.encode_name("evil.example") + question[-4:]
        wrong = dns.encode_name("sip.partner.example")
        record = [wrong + dns.struct.pack("!HHIH", 1, 1, 60, 4) + bytes([10, 1, 0, 66])]
        return [(dns.build(query_id ^ 1, question, record), False),
                (dns.build(query_id, elsewhere, record), False),
                (dns.build(query_id, question, record), True),
                (b"\0" * 5, False)]

    server.forger, server.truncates = forge, True
    site.start(by_name(site))
    wait_for(site, FOUND)

    async def scenario():
        partner = await site.partner.server().start()
        assert (await message(site))[0] == 200
        await partner.stop()
    asyncio.run(scenario())
    for reason in ("id", "question", "malformed"):
        wait_for_more(site, f'fedge_signal_resolver_ignored_total{{reason="{reason}"}}', 1)
    wait_for_more(site, 'fedge_signal_resolver_queries_total{transport="tcp"}', 3)


@pytest.mark.parametrize("target, address, why", [
    (EDGE, "127.0.0.1", "a loopback address"),
    (EDGE, "10.2.0.1", "one of our own addresses"),
    (EDGE, "169.254.1.1", "a link-local address"),
    ("sip.elsewhere.example", EDGE_ADDRESS, "outside the domain"),
])
def test_R4_a_target_that_is_not_the_partners_is_refused(zone, target, address, why):
    site, server = zone
    server.zone = {SRV: [(10, 1, 5061, target)], (target, "A"): [address]}
    site.start(by_name(site))
    wait_for(site, UNRESOLVED)
    wait_for_log(site, "SRV _sipfederationtls._tcp.partner.example", target, why)

    async def scenario():
        partner = await site.partner.server().start()
        status, seconds = await message(site)
        assert status >= 500 and seconds < 1
        assert partner.requests == []
        await partner.stop()
    asyncio.run(scenario())
    wait_until(lambda: explain(site)["addresses"] == "not resolved: all that it names is refused",
               5, "explain tells")


def test_R10_5923_a_partner_that_cannot_be_dialled_is_reached_over_its_own_connection(site):
    async def scenario():
        inside = await site.inside.server().start()
        partner = site.partner.client()
        partner.via_parameters = ";alias"
        partner.handler = lambda request: [sip.reply(request, 200, "OK")]
        await partner.connect()
        assert (await message(site))[0] >= 500, "nobody listens, and nothing came from it yet"
        assert (await partner.request("MESSAGE", "sip:bob@example.com", body=b"x")).status == 200
        assert (await message(site))[0] == 200
        assert [r.method for r in partner.requests] == ["MESSAGE"]
        await partner.close()
        await asyncio.to_thread(wait_for, site, 'fedge_signal_connections{kind="accepted"}', 0)
        assert (await message(site))[0] >= 500, "the alias ends with its connection"
        await inside.stop()
    asyncio.run(scenario())
