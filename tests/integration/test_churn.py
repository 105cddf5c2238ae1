"""M7: calls, allocations and messages that come and go for as long as SOAK_SECONDS says (an hour),
with two workers of the fast path and two of signalling: nothing is used up."""
import asyncio
import contextlib
import os
import statistics
import time

import pytest

from tests.lib import flows, topology
from tests.lib.appliance import PROCESSES, wait_until
from tests.lib.calls import with_calls

SECONDS = float(os.environ.get("SOAK_SECONDS", "3600"))
CALLS, ALLOCATIONS, MESSAGES, RATE = 12, 12, 30, 20
# What memory may differ by between the first quarter and the last one; buffers, by what is at hand.
MEMORY, SHARE, BUFFERS = 1 << 20, 0.02, 16


def memory(pid):
    """Octets that a process holds by itself or in shared memory, program files left out."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return sum(int(fields[name].split()[0]) << 10 for name in ("RssAnon", "RssShmem"))


def series(box, name):
    return {key: value for key, value in box.metrics().items() if key.startswith(name)}


class Usage:
    """What everybody holds, again and again."""

    def __init__(self, box):
        self.box, self.samples = box, []
        self.pids = self.running()

    def running(self):
        return {name: self.box.pid_of(name) for name in (*PROCESSES, "init")}

    def take(self):
        assert self.running() == self.pids, "a process has been replaced"
        sample = {name: memory(pid) for name, pid in self.pids.items()}
        sample.update(series(self.box, "fedge_fastpath_buffers_in_use"))
        self.samples.append(sample)

    def check(self):
        """The last quarter is like the first one behind the warm-up of an eighth."""
        kept = self.samples[max(2, len(self.samples) // 8):]
        quarter = max(1, len(kept) // 4)
        report = {}
        for name in kept[0]:
            first, last = (statistics.median(sample[name] for sample in part)
                           for part in (kept[:quarter], kept[-quarter:]))
            is_memory = name in self.pids
            limit = max(MEMORY, first * SHARE) if is_memory else BUFFERS
            report[name] = (first, last, last - first <= limit)
        print(f"\n{len(self.samples)} rounds:", *(f"\n  {name}: {first:.0f} → {last:.0f}"
                                                  for name, (first, last, _) in report.items()))
        assert all(fine for _, _, fine in report.values()), report


def await_nothing(box):
    """Sessions are gone, and with them whatever was on its way."""
    wait_until(lambda: series(box, "fedge_media_sessions") == {"fedge_media_sessions": 0}, 10,
               "all sessions have ended")


async def messages(site, client):
    """Both ways, over new connections."""
    back = await site.inside.client().connect()
    partner = await site.partner.server().start()
    for i in range(MESSAGES):
        to_partner = i % 2 == 0
        sender = back if to_partner else client
        uri = "sip:alice@partner.example" if to_partner else "sip:bob@example.com"
        assert (await sender.request("MESSAGE", uri)).status == 200
    await back.close()
    await partner.stop()


async def one_round(site):
    async def work(calls, client):
        with contextlib.ExitStack() as stack:
            relayed = []
            for i in range(ALLOCATIONS):
                relayed.append(flows.Relayed(site, f"u{i}"))
                stack.callback(relayed[-1].close)
            for one in relayed:
                await asyncio.to_thread(one.start)
            ways = [w for c in calls for w in flows.ways_of_call(c)] + [
                w for r in relayed for w in r.ways()]
            pump = flows.Pump(ways, RATE)
            try:
                # The first packets of all find no neighbour, in the first round.
                await messages(site, client)
                await asyncio.to_thread(pump.await_rounds, 2 * RATE)
            finally:
                await asyncio.to_thread(pump.stop)
            for way in ways:
                assert len(way.hears()) > RATE, way.mark
            for one in relayed:
                assert one.client.refresh(0) == 0
            for call in calls:
                assert (await call.end(client)).status == 200

    await with_calls(site, CALLS, work)


@pytest.mark.soak
def test_M7_what_comes_and_goes_leaves_nothing_behind(new_site):
    site = new_site()
    site.appliance.describe(fastpath_workers=2, signal_workers=2)
    site.start(topology.with_media(site.topology(), anchored=True))
    usage = Usage(site.appliance)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        asyncio.run(one_round(site))
        await_nothing(site.appliance)
        usage.take()
    usage.check()
