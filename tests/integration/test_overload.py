"""R10: five times the load that the box can carry, for 20 s, over four connections; others have
theirs. So that the load's generator has power to spare, signal gets a small share of a CPU."""
import asyncio
import os
import time

import pytest

from tests.bench.load import TOOL, Generator
from tests.lib import sip
from tests.lib.cpu_limit import CpuLimit

SHARE = 0.1
SECONDS = 20
GROWTH_KB = 32 << 10
pytestmark = [
    pytest.mark.skipif(CpuLimit.parent() is None, reason="no cgroups with a CPU quota here"),
    pytest.mark.skipif(not os.path.exists(TOOL), reason=f"needs {TOOL}: make bench-binaries"),
]


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def dialog_of(invite, answer):
    return dict(call_id=invite.get("Call-ID"), to=answer.get("To"),
                tag=invite.get("From").split("tag=")[1], routes=sip.record_routes(answer))


async def begin_call(client):
    invite = client.build("INVITE", "sip:bob@example.com")
    answer = None
    async for response in client.responses(invite):
        answer = response
    assert answer.status == 200, answer
    dialog = dialog_of(invite, answer)
    await client.send(client.build("ACK", sip.contact_uri(answer), cseq=1, **dialog))
    return sip.contact_uri(answer), dialog


class Probe:
    """New requests all the time: when each began, what it heard, and after how long."""

    def __init__(self, client):
        self.client, self.heard, self.ending = client, [], False

    async def one(self):
        began = time.monotonic()
        answer = await self.client.request("MESSAGE", "sip:bob@example.com", timeout=30)
        if answer.status == 503:
            assert 1 <= int(answer.get("Retry-After")) <= 10, answer
        self.heard.append((began, answer.status, time.monotonic() - began))

    async def run(self):
        under_way = []
        while not self.ending:
            under_way.append(asyncio.create_task(self.one()))
            await asyncio.sleep(0.05)  # a steady rate
        await asyncio.gather(*under_way)


async def watch_memory(pid, sizes):
    while True:
        sizes.append(resident_kb(pid))
        await asyncio.sleep(0.25)


async def go_through(site, generator, pid):
    """What happened to calls that were there before, to the load, to other requests, to memory."""
    def load(**options):
        return asyncio.to_thread(generator.client, {"signal": pid}, what="call", connections=4,
                                 **options)

    with_calls = await site.partner.client().connect()
    calls = [await begin_call(with_calls) for _ in range(20)]
    carried = (await load(window=64, warm=1, seconds=3))["rate"]
    probe = Probe(await site.partner.client().connect())
    probing = asyncio.create_task(probe.run())
    sizes = []
    watching = asyncio.create_task(watch_memory(pid, sizes))
    flood = asyncio.create_task(load(rate=5 * carried, warm=0, seconds=SECONDS, drain=8))
    ends = []
    for target, dialog in calls:  # over the time of the flood
        await asyncio.sleep(SECONDS / (len(calls) + 1))
        ends.append((await with_calls.request("BYE", target, 30, cseq=2, **dialog)).status)
    flooded = await flood
    over = flooded["sent_ns"] / 1e9  # when the last request of the flood was written
    await asyncio.sleep(max(0, over + 4 - time.monotonic()))
    probe.ending = True
    await probing
    watching.cancel()
    for client in (with_calls, probe.client):
        await client.close()
    return carried, ends, flooded, probe.heard, over, sizes


def test_R10_five_times_the_load_is_held_off(site):
    pid = site.appliance.pid_of("signal")
    generator = Generator(site.lab.partner, site.lab.inside,
                          (site.partner.chain, site.partner.key, site.partner.trust),
                          (site.inside.chain, site.inside.key, site.inside.trust), "0,1")
    try:
        with CpuLimit(f"fedge-{site.appliance.name}", [pid], SHARE):
            carried, ends, flooded, heard, over, sizes = asyncio.run(
                go_through(site, generator, pid))
    finally:
        generator.stop()
    counted = site.appliance.metrics()
    print(f"carried {carried:.0f} calls/s; flood {flooded}; memory {sizes[0]} to {max(sizes)} kB")
    # What had begun went on, what was let in was served, the rest were told when to come again.
    assert ends == [200] * len(ends)
    assert flooded["failed"] == 0 and flooded["under_way"] == 0
    assert flooded["lost_connections"] == 0
    # What TCP held back in the generator it did not begin.
    assert flooded["skipped"] < 0.2 * 5 * carried * SECONDS
    assert flooded["done"] > 0.1 * carried * SECONDS
    assert flooded["refused"] > 2 * carried * SECONDS
    assert 'fedge_signal_overload_refused_total' in str(counted)
    # What is let in waits little, and so does who is refused.
    assert flooded["p50_us"] < 1e6 and flooded["longest_ms"] < 8000
    # Who has no queue of its own hardly notices.
    during = [(status, took) for began, status, took in heard if began < over]
    assert len([status for status, _ in during if status == 200]) > 0.9 * len(during), during
    assert max(took for _, took in during) < 3
    # Back to normal within 2 s of the last request.
    after = [(status, took) for began, status, took in heard if began > over + 2]
    assert len(after) >= 20
    assert all(status == 200 and took < 0.5 for status, took in after), after
    assert max(sizes) - sizes[0] < GROWTH_KB
