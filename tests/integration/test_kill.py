"""B4: any process may be killed at any moment; what was published is still published."""
import asyncio
import time

import pytest

from tests.lib import sip
from tests.lib.appliance import wait_until

URI = "sip:bob@example.com"


async def under_load(site, strike, seconds=6, rate=200):
    """200 requests/s; strike() after one second. Gives the load and the instant of the strike."""
    server = await site.inside.server().start()
    client = await site.partner.client().connect()
    load = sip.Load(lambda: client.request("MESSAGE", URI, timeout=4, body=b"x"), rate)
    running = asyncio.create_task(load.run(seconds))
    await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    at = loop.time()
    await loop.run_in_executor(None, strike)
    await running
    await client.close()
    await server.stop()
    return load, at


def revision(site):
    return site.appliance.rest("GET", "/v1/status")["revision"]


@pytest.mark.parametrize("process", ["control", "agent", "front"])
def test_B4_what_carries_no_signalling_killed_costs_traffic_nothing(site, process):
    before = revision(site)
    load, _ = asyncio.run(under_load(site, lambda: site.appliance.kill(process)))
    assert load.failures == []
    wait_until(site.appliance.healthy, 10, f"{process} is back")
    assert revision(site) == before


def lasting_outage(load, at):
    """Seconds from the strike to the last failed request's start; 0 when none failed."""
    return max((t - at for t, _ in load.failures), default=0.0)


def test_B4_signal_killed_serves_again_within_a_second(site):
    before = revision(site)
    load, at = asyncio.run(under_load(site, lambda: site.appliance.kill("signal")))
    assert lasting_outage(load, at) < 1.0, load.failures[-3:]
    assert load.good > 800
    assert revision(site) == before


def test_B4_fastpath_killed_forwards_again_within_two_seconds(site):
    before = revision(site)
    load, at = asyncio.run(under_load(site, lambda: site.appliance.kill("fastpath"), seconds=8))
    # Requests caught by the gap wait for TCP's retransmission; none may start later than 2 s and
    # fail.
    assert lasting_outage(load, at) < 2.0, load.failures[-3:]
    assert load.good > 1000
    assert revision(site) == before


def test_B4_control_and_signal_dead_together_signal_returns_with_its_keys(site):
    before = revision(site)

    def strike():
        site.appliance.kill("control")
        site.appliance.kill("signal")

    load, at = asyncio.run(under_load(site, strike))
    assert lasting_outage(load, at) < 1.5, load.failures[-3:]
    wait_until(site.appliance.healthy, 10, "control is back")
    assert revision(site) == before


def test_B4_init_killed_orphans_nothing(site):
    before = revision(site)
    pids = {p: site.appliance.pid_of(p) for p in ("control", "fastpath", "signal", "front", "agent")}
    assert all(pids.values())
    site.appliance.kill("init")

    def gone():
        for pid in pids.values():
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X"):
                        return False
            except (FileNotFoundError, ProcessLookupError):
                pass
        return True

    wait_until(gone, 3, "the children end with init")
    start = time.monotonic()
    site.appliance.start()
    assert revision(site) == before
    load, _ = asyncio.run(under_load(site, lambda: None, seconds=2))
    assert load.failures == []
    assert time.monotonic() - start < 20
