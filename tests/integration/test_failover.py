"""R3: the primary fails in every way there is, and the request succeeds by the backup: once at the
cost that is configured, then straight; and the primary serves again once it is mended."""
import asyncio
import time

import pytest

from tests.lib import sip, topology
from tests.lib.site import Identity

PRIMARY, BACKUP = "fe1.example.com", "fe2.example.com"
PRIMARY_ADDRESS, BACKUP_ADDRESS = "10.2.0.2", "10.2.0.3"
CONNECT, FIRST_RESPONSE, INTERVAL = 1.5, 1.5, 4.0
BOB = "sip:bob@example.com"


def pool_topology(site):
    document = site.topology()
    document["timers"] = {"connect_ms": int(CONNECT * 1000),
                          "first_response_ms": int(FIRST_RESPONSE * 1000),
                          "health_interval_ms": int(INTERVAL * 1000)}
    first = document["next_hop_pools"][0]["members"][0]
    document["next_hop_pools"][0]["members"] = [
        {**first, "host": PRIMARY, "addresses": [PRIMARY_ADDRESS], "priority": 1},
        {**first, "host": BACKUP, "addresses": [BACKUP_ADDRESS], "priority": 2}]
    return document


async def until(condition, seconds, what):
    """Like wait_until, while the servers of this loop go on."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = await asyncio.to_thread(condition)
        if value:
            return value
        await asyncio.sleep(0.03)
    raise TimeoutError(f"{what}: not within {seconds} s")


class Pool:
    """A primary and a backup inside, a caller outside, and what the appliance says of them."""

    def __init__(self, site):
        self.site, self.box = site, site.appliance
        self.namespace = site.inside.namespace
        self.primary = self.backup = self.client = None

    def server(self, host, address, handler=None, certificate=None):
        return sip.Server(self.namespace, address, 5061,
                          *self.site.internal.issue(certificate or host),
                          self.site.internal.certificate, handler)

    async def start(self):
        self.primary = await self.server(PRIMARY, PRIMARY_ADDRESS).start()
        self.backup = await self.server(BACKUP, BACKUP_ADDRESS).start()
        self.client = await self.site.partner.client().connect()
        await self.message()
        await until(lambda: self.state(PRIMARY) == self.state(BACKUP) == "up", 2 * INTERVAL,
                    "both are known to be up")
        # The last that is heard of the primary: OPTIONS will not find the fault before a request.
        await self.message()
        return self

    async def stop_primary(self):
        await self.primary.stop()
        await until(lambda: not self.namespace.sh(
            "ss", "-Htn", "state", "established", "src", PRIMARY_ADDRESS).strip(), 5,
            "the primary's connections end")

    async def message(self, client=None):
        """The status, and how long it took."""
        begin = time.monotonic()
        response = await (client or self.client).request("MESSAGE", BOB, 10, body=b"x")
        return response.status, time.monotonic() - begin

    def hop(self, host):
        hops = self.box.rest("GET", "/v1/next-hops")["next_hops"]
        return next(h for h in hops if h["host"] == host)

    def state(self, host):
        return self.hop(host)["state"]

    def failovers(self):
        return self.box.rest("GET", f"/v1/failovers?next_hop={PRIMARY}")["failovers"]

    def explain(self):
        return self.box.rest("GET", "/v1/routes/explain?from=sip:alice@partner.example"
                                    f"&to={BOB}")["targets"]

    def messages_at(self, server):
        return sum(request.method == "MESSAGE" for request in server.requests)


class Fault:
    least, most = 0.0, CONNECT  # what the first request costs, in seconds
    requests = 1                # until the primary counts as down
    reason = ""

    def __init__(self, pool):
        self.pool = pool

    async def mend(self):
        self.pool.primary = await self.pool.server(PRIMARY, PRIMARY_ADDRESS).start()


class Refuses(Fault):
    reason = "refused"

    async def break_(self):
        await self.pool.stop_primary()


class DropsPackets(Fault):
    """Its host answers ARP; what it sends from its address is lost."""
    least, most = CONNECT * 0.9, CONNECT + 2
    reason = "not made in time"

    async def break_(self):
        await self.pool.stop_primary()
        self.go_dark()

    def go_dark(self):
        self.pool.namespace.sh("ip", "route", "add", "blackhole", "default", "table", "77")
        self.pool.namespace.sh("ip", "rule", "add", "from", PRIMARY_ADDRESS, "lookup", "77")

    def lighten(self):
        self.pool.namespace.sh("ip", "rule", "del", "from", PRIMARY_ADDRESS, "lookup", "77")

    async def mend(self):
        self.pool.primary = await self.pool.server(PRIMARY, PRIMARY_ADDRESS).start()
        self.lighten()


class GoesDark(DropsPackets):
    """Packets are dropped on connections that stand."""
    least, most = FIRST_RESPONSE * 0.9, FIRST_RESPONSE + 2
    reason = "no response"

    async def break_(self):
        self.go_dark()

    async def mend(self):
        self.lighten()


class TlsNeverAnswers(Fault):
    least, most = CONNECT * 0.9, CONNECT + 2
    reason = "not made in time"

    async def break_(self):
        await self.pool.stop_primary()
        plain = self.pool.server(PRIMARY, PRIMARY_ADDRESS)
        plain.context = None

        async def hold(reader, _):
            await reader.read()  # to its end, which is the other side's to make

        plain.serve = hold
        self.plain = await plain.start()

    async def mend(self):
        await self.plain.stop()
        await super().mend()


class SipNeverAnswers(Fault):
    least, most = FIRST_RESPONSE * 0.9, FIRST_RESPONSE + 2
    reason = "no response"

    async def break_(self):
        self.pool.primary.handler = lambda request: []

    async def mend(self):
        self.pool.primary.handler = self.pool.primary.answer


class AnswersSlowly(SipNeverAnswers):
    late = 0

    async def break_(self):
        loop, primary = asyncio.get_running_loop(), self.pool.primary

        def answer(request):
            for writer in list(primary.writers):
                if not writer.is_closing():
                    writer.write(sip.reply(request, 200, "Late").encode())
                    self.late += 1

        def handler(request):
            loop.call_later(FIRST_RESPONSE + 0.5, answer, request)
            return []

        primary.handler = handler


class WrongCertificate(Fault):
    reason = "TLS handshake"

    async def break_(self):
        await self.pool.stop_primary()
        self.other = await self.pool.server(PRIMARY, PRIMARY_ADDRESS,
                                            certificate="other.example.com").start()

    async def mend(self):
        await self.other.stop()
        await super().mend()


class Answers503(Fault):
    requests = 3  # it may mean one request only
    reason = "503"

    async def break_(self):
        self.pool.primary.handler = lambda request: [sip.reply(request, 503, "Full")]

    async def mend(self):
        self.pool.primary.handler = self.pool.primary.answer


FAULTS = [Refuses, DropsPackets, GoesDark, TlsNeverAnswers, SipNeverAnswers, AnswersSlowly,
          WrongCertificate, Answers503]


@pytest.fixture
def pool_site(new_site):
    site = new_site()
    site.inside.namespace.sh("ip", "addr", "add", f"{BACKUP_ADDRESS}/24", "dev", "eth0")
    site.start(pool_topology(site))
    return site


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_R3_the_backup_serves_at_the_configured_cost_once(pool_site, kind):
    async def scenario():
        pool = await Pool(pool_site).start()
        fault = kind(pool)
        backup_before = pool.messages_at(pool.backup)
        await fault.break_()
        primary = pool.primary
        for _ in range(fault.requests):
            status, cost = await pool.message()
            assert status == 200
            assert fault.least <= cost < fault.most
        primary_before = pool.messages_at(primary)
        for _ in range(4):
            status, cost = await pool.message()
            assert status == 200 and cost < CONNECT * 0.8, f"{status} after {cost:.1f} s"
        assert (await sip.call(pool.client, BOB)).status == 200
        assert pool.messages_at(primary) == primary_before, "the primary was tried again"
        assert pool.messages_at(pool.backup) == backup_before + fault.requests + 4
        await tells_it(pool, fault)
        await fault.mend()
        mended = time.monotonic()
        await until(lambda: pool.state(PRIMARY) == "up", INTERVAL, "the primary is up again")
        assert (await pool.message())[0] == 200
        assert pool.messages_at(pool.primary) >= 1
        assert pool.messages_at(pool.backup) == backup_before + fault.requests + 4
        assert time.monotonic() - mended < INTERVAL + 1
        if kind is AnswersSlowly:
            assert fault.late > 0
            dropped = pool.box.metrics()['fedge_signal_dropped_total{what="stray_response"}']
            assert dropped >= 1
        await pool.client.close()

    asyncio.run(scenario())


async def tells_it(pool, fault):
    """The state, the fail-overs, explain and the metrics say what happened."""
    await until(lambda: len(pool.failovers()) == fault.requests, 3, "fail-overs are told")
    hop = pool.hop(PRIMARY)
    assert hop["state"] == "down" and fault.reason in hop["reason"], hop
    for record in pool.failovers():
        assert record["method"] == "MESSAGE" and fault.reason in record["reason"], record
        assert (record["from"]["host"], record["to"]["host"]) == (PRIMARY, BACKUP)
        assert record["rule"] == "/next_hop_pools/0/members/0", record
    first, second = pool.explain()
    assert first["host"] == PRIMARY and first["state"] == "down"
    assert first["rule"] == "/next_hop_pools/0/members/0"
    assert first["text"].startswith("down since ")
    assert fault.reason in first["text"] and first["text"].endswith("requests go to the next target")
    assert second["host"] == BACKUP and second["state"] == "up"
    up = {k: v for k, v in pool.box.metrics().items() if k.startswith("fedge_signal_next_hop_up")}
    assert [v for k, v in up.items() if PRIMARY in k] == [0.0]


def test_R3_all_down_is_told_clearly_and_never_without_a_try(pool_site):
    async def scenario():
        pool = await Pool(pool_site).start()
        await pool.stop_primary()
        await pool.backup.stop()
        for _ in range(3):
            response = await pool.client.request("MESSAGE", BOB, 10, body=b"x")
            assert response.start == "SIP/2.0 500 No next hop could be reached"
        await until(lambda: pool.state(PRIMARY) == pool.state(BACKUP) == "down", 3, "both are down")
        for target in pool.explain():
            assert target["state"] == "down"
            assert target["text"].endswith("it is tried all the same, because no other target is up")
        # Nobody is asked first: the first request after the mend gets through.
        pool.backup = await pool.server(BACKUP, BACKUP_ADDRESS).start()
        await until(lambda: pool.backup.writers, INTERVAL, "the appliance connects")
        assert (await pool.message())[0] == 200
        await pool.client.close()

    asyncio.run(scenario())


def test_R3_a_restarted_control_hears_what_is_down(pool_site):
    async def scenario():
        pool = await Pool(pool_site).start()
        await pool.stop_primary()
        assert (await pool.message())[0] == 200
        await until(lambda: pool.state(PRIMARY) == "down", 3, "the primary is down")
        pool.box.kill("control")

        def is_told():
            try:
                return pool.state(PRIMARY) == "down"
            except Exception:  # it is starting
                return False
        await until(is_told, 15, "the new control knows")
        assert (await pool.message())[0] == 200
        await pool.client.close()

    asyncio.run(scenario())


# Its worker is the other one of two than that of the primary, and of the first partner.
OTHER, OTHER_EDGE = "other.example", "sip.other.example"


@pytest.fixture
def two_workers(new_site):
    """A pool, and two partners of different workers."""
    site = new_site()
    site.appliance.describe(signal_workers=2)
    site.inside.namespace.sh("ip", "addr", "add", f"{BACKUP_ADDRESS}/24", "dev", "eth0")
    document = pool_topology(site)
    document["partners"].append({**document["partners"][0], "domain": OTHER, "edge": OTHER_EDGE,
                                 "addresses": ["10.1.0.3"]})
    site.start(document)
    return site


async def crosses(pool, client):
    """Whether a request of this client goes to the primary through another worker's hands."""
    def counted():
        metrics = pool.box.metrics()
        return (metrics.get('fedge_signal_requests_total{method="message"}', 0),
                sum(v for k, v in metrics.items() if k.startswith("fedge_signal_crossings_total")))

    requests, crossings = counted()
    assert (await pool.message(client))[0] == 200
    now = await until(lambda: (seen := counted())[0] > requests and seen, 3, "it is counted")
    return now[1] > crossings


@pytest.mark.parametrize("kind", [SipNeverAnswers, Refuses], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("first", ["near", "far"])
def test_R3_what_one_worker_finds_out_the_other_knows(two_workers, first, kind):
    async def scenario():
        pool = await Pool(two_workers).start()
        site = two_workers
        far = Identity(site.lab.partner, OTHER, OTHER_EDGE, *site.partners.issue(OTHER_EDGE),
                       site.partners.certificate, topology.PARTNER_ADDRESS, topology.OUTSIDE)
        clients = {"near": pool.client, "far": await far.client().connect()}
        # Said twice, since what was sent before the first number is counted a beat later.
        for name, client in clients.items():
            await crosses(pool, client)
            assert await crosses(pool, client) == (name == "far")
        pays, spared = clients.pop(first), clients.popitem()[1]
        backup_before = pool.messages_at(pool.backup)
        fault = kind(pool)
        await fault.break_()
        primary = pool.primary
        status, cost = await pool.message(pays)
        assert status == 200 and fault.least <= cost < fault.most
        tried = pool.messages_at(primary)
        for client in (spared, pays, spared):
            status, cost = await pool.message(client)
            assert status == 200 and cost < CONNECT * 0.8, f"{status} after {cost:.1f} s"
        assert pool.messages_at(primary) == tried, "the primary was tried again"
        assert pool.messages_at(pool.backup) == backup_before + 4
        await until(lambda: pool.state(PRIMARY) == "down", 3, "it is told")
        # Only the worker that owns the primary asks it; both go back to it.
        await fault.mend()
        await until(lambda: pool.state(PRIMARY) == "up", INTERVAL, "the primary is up again")
        mended = pool.messages_at(pool.primary)
        for client in (spared, pays):
            assert (await pool.message(client))[0] == 200
        assert pool.messages_at(pool.primary) == mended + 2
        assert pool.messages_at(pool.backup) == backup_before + 4
        await spared.close()
        await pays.close()

    asyncio.run(scenario())
