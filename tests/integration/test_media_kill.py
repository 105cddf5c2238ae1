"""M7: media while everything around it dies, changes, or is asked for by nobody we know."""
import asyncio
import base64
import contextlib
import datetime
import os
import socket
import struct
import time

import pytest

from tests.lib import flows, topology, turn
from tests.lib.appliance import wait_until
from tests.lib.calls import with_calls
from tests.lib.wire import Capture

SERVER = (topology.OUTSIDE["4"], 3478)
CALLS, ALLOCATIONS, RATE = 100, 10, 5
FLOOD = 10000
FRAME = 14 + 4  # what Ethernet puts around a packet


@pytest.fixture
def site(new_site):
    made = new_site()
    return made.start(document(made))


def document(site, **media):
    made = topology.with_media(site.topology(), anchored=True)
    made["media"].update(media)
    return made


def sessions(site):
    found, page = set(), "/v1/media/sessions?limit=500"
    while page:
        listed = site.appliance.rest("GET", page)
        found |= {s["id"] for s in listed["sessions"]}
        page = listed.get("next")
    return found


def dropped(site):
    return {name: count for name, count in site.appliance.metrics().items()
            if "drop" in name and count}


@contextlib.contextmanager
def relaying(site, count):
    with contextlib.ExitStack() as stack:
        made = []
        for i in range(count):
            made.append(flows.Relayed(site, f"u{i}"))
            stack.callback(made[-1].close)
            made[-1].start()
        yield made


@contextlib.contextmanager
def flowing(site, ways, rate=RATE):
    """Packets both ways of all of them meanwhile; none of them may be lost."""
    pump = flows.Pump(ways, rate)
    try:
        pump.await_rounds(3)
        yield pump
        pump.await_rounds(3)
    finally:
        pump.stop()
    lost = pump.lost()
    assert not lost, (len(lost), pump.total(), lost[:20], dropped(site))


def with_media(site, calls, allocations, work):
    """work(calls, client, relayed) over so many of both."""
    async def inside(made, client):
        with relaying(site, allocations) as relayed:
            await work(made, client, relayed)

    asyncio.run(with_calls(site, calls, inside))


# --- what dies ------------------------------------------------------------------------------------

def publish_often(site, count):
    for i in range(count):
        site.appliance.publish(document(site, quotas={"kbps_total": 900000 + i}))


def roll_certificate(site):
    """The successor comes into effect: credentials are made with another key."""
    def key():
        return base64.b64decode(flows.credentials(site)["username"])[1:5]

    before = key()
    chain, secret = site.internal.issue("av2." + topology.EDGE)
    soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    with open(chain, encoding="ascii") as c, open(secret, encoding="ascii") as k:
        site.appliance.rest(
            "POST", "/v1/certificates/av/successor?force&wait=10s",
            {"chain": c.read(), "key": k.read(),
             "effective_from": soon.strftime("%Y-%m-%dT%H:%M:%SZ")})
    wait_until(lambda: key() != before, 15, "credentials come from the successor")


def strike_all_but_the_fast_path(site):
    box = site.appliance
    for process in ("signal", "control", "agent"):
        was = box.kill(process)
        wait_until(lambda: box.pid_of(process) not in (None, was), 10, f"{process} is back")
        wait_until(box.healthy, 20, f"the box is well after {process}")
    publish_often(site, 20)
    roll_certificate(site)


def test_M7_kills_publishes_and_a_new_key_cost_no_packet(site):
    async def work(calls, client, relayed):
        old = flows.credentials(site, "sip:late@example.com")
        ways = [w for c in calls for w in flows.ways_of_call(c)] + [
            w for r in relayed for w in r.ways()]
        before = sessions(site)
        assert len(before) == CALLS + ALLOCATIONS
        with flowing(site, ways):
            await asyncio.to_thread(strike_all_but_the_fast_path, site)
        assert sessions(site) == before
        for one in relayed:
            assert one.client.refresh() == 600
        # The old key is still good, the new one is, too.
        for made in (old, flows.credentials(site, "sip:late@example.com")):
            turn_client(site, made).allocate().close()

    with_media(site, CALLS, ALLOCATIONS, work)


def waited_for_a_core(pid):
    """Seconds that a process's first thread could have run, had others not had the cores."""
    with open(f"/proc/{pid}/task/{pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[1]) / 1e9


def test_M7_the_fast_path_killed_keeps_sessions_and_is_back_within_two_seconds(site):
    async def work(calls, client, relayed):
        ways = [w for c in calls for w in flows.ways_of_call(c)] + [
            w for r in relayed for w in r.ways()]
        before = sessions(site)
        pump = flows.Pump(ways, RATE)
        await asyncio.to_thread(pump.await_rounds, 5)
        before_kill = waited_for_a_core(site.appliance.process.pid)
        was = await asyncio.to_thread(site.appliance.kill, "fastpath")
        killed = time.monotonic()
        await asyncio.to_thread(pump.await_rounds, 4 * RATE)
        now = site.appliance.pid_of("fastpath")
        assert now not in (None, was)
        waited = waited_for_a_core(now) + waited_for_a_core(
            site.appliance.process.pid) - before_kill
        await asyncio.to_thread(pump.stop)
        gone = sorted(at - killed for _, _, at in await asyncio.to_thread(pump.lost, 1))
        assert gone, "the fast path was gone, and yet nothing was lost?"
        assert gone[0] > -0.5 and gone[-1] < 2 + waited, (gone[0], waited, gone[-20:],
                                                          dropped(site))
        assert sessions(site) == before
        for one in relayed:
            assert one.client.refresh() == 600
        assert (await calls[0].end(client)).status == 200
        await asyncio.to_thread(wait_until, lambda: len(sessions(site)) == len(before) - 1, 5,
                                "the call's end")

    with_media(site, CALLS, ALLOCATIONS, work)


# --- what an operator ends ------------------------------------------------------------------------

def turn_client(site, made=None):
    return turn.Client(site.lab.partner, SERVER, made or flows.credentials(site))


def media_dropped(site):
    """By reason, those of which there are any."""
    names = {name: count for name, count in site.appliance.metrics().items()
             if name.startswith("fedge_media_dropped_total") and count}
    return {name.split('"')[1]: count for name, count in names.items()}


def await_silence(site, way, reason):
    """The way's packets are dropped, the first of them for that; from then on none comes."""
    before = media_dropped(site).get(reason, 0)

    def is_dropped():
        way.send()
        return media_dropped(site).get(reason, 0) > before

    wait_until(is_dropped, 10, f"packets are dropped for {reason}", every=0.05)
    heard, count = len(way.hears()), sum(media_dropped(site).values())
    for _ in range(10):
        way.send()
    wait_until(lambda: sum(media_dropped(site).values()) >= count + 10, 10, "all are dropped")
    assert len(way.hears()) == heard


def test_M5_M7_a_denial_stops_one_flow_and_a_delete_another(site):
    with relaying(site, 2) as (one, other):
        for way in (*one.ways(), *other.ways()):
            wait_until(lambda: way.send() or way.hears(), 10, "packets flow")
        rules = [{"prefix": "10.1.0.0/24", "allow": False}]
        site.appliance.publish(document(site, peer_rules=rules))
        there, back = one.ways()
        await_silence(site, there, "peer_denied")
        await_silence(site, back, "no_permission")
        with pytest.raises(turn.Refused) as refused:
            one.client.permit(one.there)
        assert refused.value.code == 403

        site.appliance.publish(document(site))
        shown = site.appliance.rest("GET", "/v1/media/sessions?user=sip:u1@example.com")
        (session,) = shown["sessions"]
        other.client.bind(other.CHANNEL, other.there)
        for way in other.ways():
            before = len(way.hears())
            wait_until(lambda: way.send() or len(way.hears()) > before, 10, "packets flow again")
        assert site.appliance.request("DELETE", f"/v1/media/sessions/{session['id']}")[0] == 204
        there, back = other.ways()
        await_silence(site, back, "no_session")
        await_silence(site, there, "unauthenticated")
        with pytest.raises(turn.Refused) as refused:
            other.client.refresh()
        assert refused.value.code == 437
        assert one.client.refresh() == 600


def test_M7_a_box_that_drains_keeps_what_it_has(site):
    with relaying(site, 3) as relayed, \
            flowing(site, [w for r in relayed for w in r.ways()], rate=20), \
            contextlib.closing(turn_client(site)) as late:
        site.appliance.publish(document(site, draining=True))
        with pytest.raises(turn.Refused) as refused:
            late.allocate()
        assert refused.value.code == 508
        elsewhere = {"address": "192.0.2.7", "port": 3479}
        site.appliance.publish(document(site, draining=True, alternate_servers=[elsewhere]))
        with pytest.raises(turn.Refused) as refused:
            late.allocate()
        assert refused.value.code == 300 and refused.value.alternate == ("192.0.2.7", 3479)
        for one in relayed:
            assert one.client.refresh() == 600
        site.appliance.publish(document(site))
        late.allocate()
        assert late.refresh(0) == 0


# --- what strangers send --------------------------------------------------------------------------

def resident(pid):
    """Octets of memory that a process holds, whatever they are mapped from."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith("Rss:"):
                return int(line.split()[1]) << 10
    raise RuntimeError("no Rss")


def spoof(site, payload, count):
    """UDP to the TURN server from `count` sources that are not there, all in different /24s."""
    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
            for i in range(count):
                source = socket.inet_aton("198.18.0.0")[:1] + struct.pack("!HB", i, 7)
                head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0,
                                   source, socket.inet_aton(SERVER[0]))
                udp = struct.pack("!HHHH", 1024 + i, SERVER[1], 8 + len(payload), 0)
                sock.sendto(head + udp + payload[:8] + os.urandom(12) + payload[20:], SERVER)
                if i % 50 == 49:
                    time.sleep(0.002)

    site.lab.partner.call(send)


def flood(site, payload):
    """Until so many were seen by the server."""
    series = "fedge_media_requests_total"
    start = site.appliance.metrics().get(series, 0)
    sent = 0
    while (left := FLOOD - int(site.appliance.metrics()[series] - start)) > 0:
        assert sent < 3 * FLOOD, (left, dropped(site))
        if sent:
            with contextlib.suppress(TimeoutError):  # the counters may be late
                wait_until(lambda: site.appliance.metrics()[series] - start >= FLOOD, 1, "")
                break
        spoof(site, payload, left)
        sent += left
    return sent


def test_M1_M7_strangers_allocate_nothing(site):
    box = site.appliance
    request = turn.build(turn.ALLOCATE, [turn.UDP])
    # Whoever is heard for the first time: buffers are touched that had never been.
    flood(site, turn.build(0x0001, []))
    before = resident(box.pid_of("fastpath"))
    answers = box.metrics()["fedge_media_answers_total"]
    capture = Capture(site.lab.partner)
    flood(site, request)
    after = resident(box.pid_of("fastpath"))
    # Strangers of different networks are told how to prove who they are.
    assert box.metrics()["fedge_media_answers_total"] - answers >= FLOOD / 2
    sizes = capture.sizes(SERVER[0])
    capture.close()
    assert after - before <= 64 << 10, (before, after)
    assert not sessions(site)
    assert box.metrics()["fedge_media_allocations_total"] == 0
    assert len(sizes) >= 100, "the capture has at least as many as its buffer holds"
    assert max(sizes) + FRAME <= 1.5 * (28 + len(request) + FRAME)
    with contextlib.closing(turn_client(site)) as client:
        client.allocate()
