"""M4: media of calls with a partner that knows no ICE goes through the box."""
import asyncio

import pytest

from tests.lib import rtp, sip, topology
from tests.lib.appliance import wait_until

SDP = ("Content-Type", "application/sdp")


@pytest.fixture
def media_site(new_site):
    site = new_site()
    return site.start(topology.with_media(site.topology(), anchored=True))


def dropped(site):
    """What the box says that it did not forward."""
    return "\n".join(f"{name} {count:.0f}" for name, count in site.appliance.metrics().items()
                     if "drop" in name and count)


class Call:
    """A call from outside, with an end of RTP on both sides."""

    def __init__(self, site, number=0):
        self.caller = rtp.End(site.lab.partner, site.partner.addresses["4"], f"out{number}")
        self.called = rtp.End(site.lab.inside, site.inside.addresses["4"], f"in{number}")

    async def start(self, client, server):
        server.sdp.append(rtp.offer(self.called))
        self.invite = client.build("INVITE", "sip:bob@example.com", headers=[SDP],
                                   body=rtp.offer(self.caller))
        async for response in client.responses(self.invite):
            self.final = response
        assert self.final.status == 200, self.final
        self.to_called = rtp.target(self.final.body)         # where the caller sends
        seen = server.invites[self.invite.get("Call-ID")]
        self.to_caller = rtp.target(seen.body)                # where the called sends
        self.dialog = dict(call_id=self.invite.get("Call-ID"), to=self.final.get("To"),
                           tag=self.invite.get("From").split("tag=")[1],
                           routes=sip.record_routes(self.final))
        await client.send(client.build("ACK", sip.contact_uri(self.final), **self.dialog))

    def talk(self, count, gap=0.02):
        for _ in range(count):
            self.caller.send(self.to_called, 1)
            self.called.send(self.to_caller, 1, gap)

    def missing(self, count, seconds=5):
        """Which packets of 0 to `count` did not come, by who sent them."""
        self.called.wait_for(self.caller.mark, count, seconds)
        self.caller.wait_for(self.called.mark, count, seconds)
        lost = {self.caller.mark: set(range(count)) - set(self.called.sequences(self.caller.mark)),
                self.called.mark: set(range(count)) - set(self.caller.sequences(self.called.mark))}
        return {mark: sorted(numbers) for mark, numbers in lost.items() if numbers}

    async def end(self, client):
        return await client.request("BYE", sip.contact_uri(self.final), cseq=2, **self.dialog)

    def close(self):
        self.caller.close()
        self.called.close()


class Phones:
    """The front end, which answers each INVITE with the next SDP that it was given."""

    def __init__(self, site):
        self.sdp, self.invites = [], {}
        self.server = site.inside.server(handler=self.answer)

    def answer(self, request):
        if request.method == "INVITE":
            self.invites[request.get("Call-ID")] = request
            contact = ("Contact", "<sip:bob@10.2.0.2:5061;transport=tls>")
            routes = [("Record-Route", r) for r in request.all("Record-Route")]
            return [sip.reply(request, 200, "OK", [contact, SDP, *routes], self.sdp.pop(0))]
        return [] if request.method == "ACK" else [sip.reply(request, 200, "OK")]


async def with_calls(site, count, work):
    """Establishes so many calls, then runs `work(calls, client)`."""
    phones = Phones(site)
    await phones.server.start()
    client = await site.partner.client().connect()
    calls = [Call(site, i) for i in range(count)]
    try:
        for call in calls:
            await call.start(client, phones)
        await work(calls, client)
    finally:
        for call in calls:
            call.close()
        await client.close()
        await phones.server.stop()


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


def test_M4_M7_a_hundred_calls_lose_nothing_while_signal_dies(media_site):
    async def work(calls, client):
        def talk(rounds):
            for _ in range(rounds):
                for call in calls:
                    call.talk(1, 0)

        await asyncio.to_thread(talk, 10)
        media_site.appliance.kill("signal")
        await asyncio.to_thread(talk, 10)
        for call in calls:
            assert not await asyncio.to_thread(call.missing, 20), dropped(media_site)

    asyncio.run(with_calls(media_site, 100, work))
