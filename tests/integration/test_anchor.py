"""M4: media of calls with a partner that knows no ICE goes through the box."""
import asyncio
import contextlib

import pytest

from tests.lib import phones, rtp, sip, topology
from tests.lib.appliance import wait_until
from tests.lib.calls import SDP, with_calls


CALLS, RATE, SECONDS = 100, 50, 10


@pytest.fixture
def media_site(new_site):
    site = new_site()
    return site.start(topology.with_media(site.topology(), anchored=True))


def dropped(site):
    """What the box says that it did not forward."""
    return "\n".join(f"{name} {count:.0f}" for name, count in site.appliance.metrics().items()
                     if "drop" in name and count)


def test_M4_rtp_goes_through_our_ports_both_ways(media_site):
    async def work(calls, client):
        call = calls[0]
        assert call.to_called[0] == topology.OUTSIDE["4"]
        assert call.to_caller[0] == topology.INSIDE["4"]
        await asyncio.to_thread(call.talk, 50)
        assert not await asyncio.to_thread(call.missing, 50), dropped(media_site)
        # Each side hears the box, not the other side.
        assert {source for _, _, source in call.caller.heard} == {call.to_called}
        assert {source for _, _, source in call.called.heard} == {call.to_caller}
        assert (await call.end(client)).status == 200

    asyncio.run(with_calls(media_site, 1, work))


def test_M4_nobody_else_is_heard_nor_hears(media_site):
    async def work(calls, client):
        call = calls[0]
        media_site.lab.partner.sh("ip", "addr", "add", "10.1.0.66/24", "dev", "eth0")
        thief = rtp.End(media_site.lab.partner, "10.1.0.66", "thief")
        try:
            # Before the call's own packets, during, and after: all ports near the call's.
            def spray():
                port = call.to_called[1]
                for other in range(port - 8, port + 8):
                    thief.send((call.to_called[0], other), 1)

            await asyncio.to_thread(spray)
            await asyncio.to_thread(call.talk, 10)
            await asyncio.to_thread(spray)
            await asyncio.to_thread(call.talk, 10)
            assert not await asyncio.to_thread(call.missing, 20), dropped(media_site)
            assert (await call.end(client)).status == 200
            await asyncio.to_thread(spray)
            assert not call.called.sequences("thief")
            assert not thief.heard
        finally:
            thief.close()

    asyncio.run(with_calls(media_site, 1, work))


def counted(site):
    """Where packets can get lost in the box, and how often it was held up."""
    return {name: count for name, count in site.appliance.metrics().items()
            if count and any(word in name for word in ("drop", "missed", "back_pressure", "no_buffer", "not_sent"))}


def nothing(_calls):
    pass


def talk_all(site, before=nothing, during=nothing, after=nothing):
    """A hundred calls at the pace of speech for ten seconds, both ways: none of their packets is
    lost or comes twice, all come from the ports that SDP named, and nobody else's come."""
    with contextlib.closing(phones.Crowd(site, CALLS)) as crowd:
        def talk(calls):
            before(calls)
            crowd.talk(calls, RATE)
            during(calls)
            wait_until(lambda: crowd.sent() >= SECONDS * RATE, 6 * SECONDS, "all have talked",
                       every=0.5)
            crowd.stop()
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: not crowd.heard()["lost"], 5, "the last packets", every=0.5)

        async def work(calls, client):
            await asyncio.to_thread(talk, calls)
            for call in calls:
                assert (await call.end(client)).status == 200
            await asyncio.to_thread(after, calls)

        asyncio.run(with_calls(site, CALLS, work, crowd.ends))
        sums = crowd.heard()
    assert not sums["lost"], (len(sums["lost"]), sums["lost"][:20], sums["sent"], counted(site))
    assert sums["received"] == sums["sent"] >= 2 * CALLS * SECONDS * RATE
    assert not sums["repeated"] and not sums["misplaced"] and not sums["strange"], sums


def test_M4_a_hundred_calls_at_the_pace_of_speech_lose_nothing(media_site):
    talk_all(media_site)


@contextlib.contextmanager
def thieves(site):
    """A third address on each side; yields what sends one packet to every port near the calls'."""
    with contextlib.ExitStack() as stack:
        ends = []
        for namespace, address in ((site.lab.partner, "10.1.0.66"), (site.lab.inside, "10.2.0.66")):
            namespace.sh("ip", "addr", "add", f"{address}/24", "dev", "eth0")
            ends.append(rtp.End(namespace, address, "thief"))
            stack.callback(ends[-1].close)

        def spray(calls):
            for thief, targets in zip(ends, ([c.to_called for c in calls],
                                             [c.to_caller for c in calls])):
                ports = [port for _, port in targets]
                for port in range(min(ports) - 8, max(ports) + 8):
                    thief.send((targets[0][0], port), gap=0.0005)

        yield spray
        assert not any(end.heard for end in ends)


def test_M4_nobody_gets_into_a_hundred_calls_nor_hears_them(media_site):
    with thieves(media_site) as spray:
        talk_all(media_site, spray, spray, spray)
    foreign = 'fedge_media_dropped_total{reason="source_foreign"}'
    wait_until(lambda: media_site.appliance.metrics()[foreign] >= 4 * CALLS, 5, "it was refused")


def test_M4_neighbours_of_a_call_are_known_before_its_first_packet(media_site):
    partner, inside = media_site.lab.partner, media_site.lab.inside
    partner.sh("ip", "addr", "add", "10.1.0.77/24", "dev", "eth0")
    inside.sh("ip", "addr", "add", "10.2.0.77/24", "dev", "eth0")

    def ends(number):
        return (rtp.End(partner, "10.1.0.77", f"out{number}"),
                rtp.End(inside, "10.2.0.77", f"in{number}"))

    def known():
        metrics = media_site.appliance.metrics()
        return [metrics[f'fedge_fastpath_neighbours{{realm="{r}"}}'] for r in ("outside", "inside")]

    async def work(calls, client):
        call = calls[0]
        # SDP alone has the box ask, which takes its time: no packet has been sent.
        await asyncio.to_thread(wait_until, lambda: all(
            now > before for now, before in zip(known(), without)), 5, "both neighbours")
        await asyncio.to_thread(call.talk, 10)
        assert not await asyncio.to_thread(call.missing, 10), counted(media_site)
        assert (await call.end(client)).status == 200

    async def end(calls, client):
        assert (await calls[0].end(client)).status == 200

    # A call of those whom the box talks to anyhow.
    asyncio.run(with_calls(media_site, 1, end))
    without = known()
    asyncio.run(with_calls(media_site, 1, work, ends))


def test_M4_an_sdp_that_cannot_be_relayed_is_refused_with_the_reason(media_site):
    async def invite():
        # A front end that rings, so that there is somebody to wait for.
        server = media_site.inside.server(
            handler=lambda r: [sip.reply(r, 180, "Ringing")] if r.method == "INVITE" else
            [] if r.method == "ACK" else [sip.reply(r, 200, "OK")])
        await server.start()
        client = await media_site.partner.client().connect()
        try:
            body = (b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
                    b"t=0 0\r\nm=audio 4000 RTP/AVP 0\r\n")
            request = client.build("INVITE", "sip:bob@example.com", headers=[SDP], body=body)
            async for response in client.responses(request):
                final = response
            assert final.status == 488
            assert "127.0.0.1 is no address to send media to" in final.get("Warning")
        finally:
            await client.close()
            await server.stop()

    asyncio.run(invite())
    assert not media_site.appliance.rest("GET", "/v1/media/sessions")["sessions"]


def test_M4_M6_a_bye_ends_the_session_that_was_shown(media_site):
    box = media_site.appliance

    def sessions():
        return box.rest("GET", "/v1/media/sessions")["sessions"]

    async def work(calls, client):
        await asyncio.to_thread(calls[0].talk, 10)
        assert not await asyncio.to_thread(calls[0].missing, 10), dropped(media_site)
        assert len(sessions()) == 1
        assert (await calls[0].end(client)).status == 200
        await asyncio.to_thread(wait_until, lambda: not sessions(), 5, "its end")

    asyncio.run(with_calls(media_site, 1, work))
