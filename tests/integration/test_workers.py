"""R10: two signalling workers, and nobody outside can tell: a peer's connections come together
wherever their handshakes were, and calls pass between peers of different workers."""
import asyncio
import os

import pytest

from tests.lib import sip, topology
from tests.lib.appliance import wait_until
from tests.lib.site import Identity

URI = "sip:bob@example.com"
OUT = "sip:carol@partner.example"
# Belongs to another worker of two than the partner's edge does (the hash of the host says so; the
# tests count what crosses).
FRONT_END = "fe2.example.com"


def document(site, port=5061):
    made = site.topology()
    made["next_hop_pools"][0]["members"][0].update(host=FRONT_END, port=port)
    return made


@pytest.fixture
def pair(new_site):
    """A running site with two signalling workers."""
    site = new_site()
    site.appliance.describe(signal_workers=2)
    site.inside = Identity(site.lab.inside, topology.DOMAIN, FRONT_END,
                           *site.internal.issue(FRONT_END), site.internal.certificate,
                           topology.INSIDE_ADDRESS, topology.INSIDE)
    return site.start(document(site))


def counted(site, name):
    """The sum over a series' labels."""
    return sum(v for k, v in site.appliance.metrics().items() if k.split("{")[0] == name)


class Ringing:
    """Answers an INVITE with 180, then waits for what comes."""

    def __init__(self):
        self.invites = {}

    def answer(self, request):
        if request.method == "INVITE":
            self.invites[request.get("Call-ID")] = request
            return [sip.reply(request, 180, "Ringing")]
        if request.method == "CANCEL":
            invite = self.invites[request.get("Call-ID")]
            return [sip.reply(request, 200, "OK"), sip.reply(invite, 487, "Request Terminated")]
        return [] if request.method == "ACK" else [sip.reply(request, 200, "OK")]


async def cancelled(first, second):
    """An INVITE over one connection and its CANCEL over another: both final statuses."""
    invite = first.build("INVITE", URI)
    statuses = []
    async for response in first.responses(invite):
        statuses.append(response.status)
        if response.status == 180:
            branch = invite.get("Via").split("branch=")[1].split(";")[0]
            cancel = second.build("CANCEL", URI, call_id=invite.get("Call-ID"), branch=branch,
                                  tag=invite.get("From").split("tag=")[1])
            answers = [r.status async for r in second.responses(cancel)]
            assert answers[-1] == 200
    return statuses[-1]


async def call_over(first, second, uri):
    """INVITE over one connection, ACK and BYE over another; the BYE's status."""
    invite = first.build("INVITE", uri)
    final = None
    async for response in first.responses(invite):
        final = response
    assert final.status == 200
    dialog = dict(call_id=invite.get("Call-ID"), to=final.get("To"),
                  tag=invite.get("From").split("tag=")[1], routes=sip.record_routes(final))
    await second.send(second.build("ACK", sip.contact_uri(final), cseq=1, **dialog))
    return (await second.request("BYE", sip.contact_uri(final), cseq=2, **dialog)).status


async def connections(identity, number):
    return [await identity.client().connect() for _ in range(number)]


async def close(*parts):
    for part in parts:
        await (part.stop() if isinstance(part, sip.Server) else part.close())


def test_R10_two_threads_carry_messages(pair):
    pid = pair.appliance.pid_of("signal")
    names = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as file:
            names.add(file.read().strip())
    assert {"worker-0", "worker-1"} <= names


def test_R10_cancel_and_bye_over_other_connections(pair):
    async def scenario():
        ringing = Ringing()
        server = await pair.inside.server(handler=ringing.answer).start()
        clients = await connections(pair.partner, 4)
        for first in clients:
            for second in clients:
                assert await cancelled(first, second) == 487
        server.handler = server.answer
        for first in clients:
            for second in clients:
                assert await call_over(first, second, URI) == 200
        await close(server, *clients)
    asyncio.run(scenario())
    # Handshakes are dealt out in turn: half of the connections were on the wrong worker.
    wait_until(lambda: counted(pair, "fedge_signal_moved_connections_total") >= 2, 3, "two moved")
    wait_until(lambda: counted(pair, "fedge_signal_crossings_total") > 0, 3, "messages crossed")


def test_R10_calls_both_ways_and_what_is_counted(pair):
    calls = 100

    async def scenario():
        inside = await pair.inside.server().start()
        outside = await pair.partner.server().start()
        partners = await connections(pair.partner, 3)
        fes = await connections(pair.inside, 3)
        done = await asyncio.gather(
            *(sip.call(partners[i % 3], URI) for i in range(calls)),
            *(sip.call(fes[i % 3], OUT) for i in range(calls)))
        assert [r.status for r in done] == [200] * (2 * calls)
        await inside.wait_for("BYE")
        await close(inside, outside, *partners, *fes)
        return len(partners) + len(fes)

    opened = asyncio.run(scenario())

    for method in ("invite", "ack", "bye"):
        name = f'fedge_signal_requests_total{{method="{method}"}}'
        wait_until(lambda n=name: pair.appliance.metrics().get(n) == 2 * calls, 3, f"all {name}")
    assert counted(pair, "fedge_signal_accepted_total") == opened
    wait_until(lambda: pair.appliance.metrics()['fedge_signal_connections{kind="accepted"}'] == 0,
               3, "every accepted connection is gone")


async def load(site, strike, seconds, rate=150):
    """Requests both ways meanwhile; strike() runs in a thread after a second."""
    inside, outside = await site.inside.server().start(), await site.partner.server().start()
    partners, fes = await connections(site.partner, 2), await connections(site.inside, 2)
    senders = [(c, u) for pair in zip(partners, fes) for c, u in zip(pair, (URI, OUT))]
    turn = iter(range(1 << 30))

    def send():
        client, uri = senders[next(turn) % len(senders)]
        return client.request("MESSAGE", uri, timeout=4, body=b"x")
    made = sip.Load(send, rate)
    running = asyncio.create_task(made.run(seconds))
    await asyncio.sleep(1)
    at = asyncio.get_running_loop().time()
    await asyncio.get_running_loop().run_in_executor(None, strike)
    await running
    await close(inside, outside, *partners, *fes)
    return made, at


def test_P1_publishes_under_traffic_lose_nothing(pair):
    def strike():
        for turn in range(8):
            changed = document(pair)
            changed["presence_domains"] = ["example.com", f"turn{turn}.example"]
            pair.appliance.publish(changed)
    made, _ = asyncio.run(load(pair, strike, 8))
    assert made.failures == []
    assert made.good > 1000


def test_B4_killed_it_serves_again_within_a_second(pair):
    made, at = asyncio.run(load(pair, lambda: pair.appliance.kill("signal"), 6))
    assert max((t - at for t, _ in made.failures), default=0.0) < 1.0, made.failures[-3:]
    assert made.good > 500
