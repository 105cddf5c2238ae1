"""M4: media of calls with a partner that knows no ICE goes through the box."""
import asyncio

import pytest

from tests.lib import rtp, topology
from tests.lib.appliance import wait_until
from tests.lib.calls import with_calls


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
