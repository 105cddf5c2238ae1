#!/usr/bin/python3
"""RTP of 172 octets through relays over veth, both ways: channels of TURN through fedge and coturn,
anchored calls through fedge and rtpengine (in user space, one thread). What a relayed packet costs
at the same offered rate, and how many a second go through without loss.

Each relay has core 0 to itself, the generator core 1. The loss-free maximum is what a search finds:
trials of TRIAL seconds with less than 0.1 % lost, the rate going up by a quarter until one fails
twice, then halving the gap. FEDGE_BENCH_FLOWS (500) calls.
"""
import asyncio
import os
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.bench.kamailio import KamailioLab  # noqa: E402
from tests.bench.media_peers import (COTURN, RTPENGINE, Calls, Coturn, Fedge, Load,  # noqa: E402
                                     Rtpengine)
from tests.bench.report import Report  # noqa: E402

FLOWS = int(os.environ.get("FEDGE_BENCH_FLOWS", "500"))
TRIAL = 1.0
FIXED = 2.0
FIRST_RATE, MOST_RATE = 100000, 1500000
SLOW_RATE = 5000
STEPS = 4  # of halving
BEARABLE_LOSS = 0.001


def search(carries, first, most):
    """Packets/s relayed at the highest rate for which `carries` gives a trial; 0: at none."""
    good, bad, rate = None, None, first
    while first / 10 <= rate <= most and not (good and bad):
        found = carries(rate)
        if found:
            good, rate = found, rate * 1.25
        else:
            bad, rate = rate, rate * 0.6
    for _ in range(STEPS if good and bad else 0):
        rate = (good["offered"] + bad) / 2
        found = carries(rate)
        if found:
            good = found
        else:
            bad = rate
    return good["relayed"] if good else 0


class Relay:
    """A relay under load. `start` returns what has pids(), load() and stop(): a new one each time
    that a trial has lost packets, because rtpengine never comes back from an overload."""

    def __init__(self, name, start, outside, inside=None, stays=False):
        self.name, self.start, self.outside, self.inside = name, start, outside, inside
        self.stays = stays
        self.server = self.load = None
        self.begin()

    def begin(self):
        self.server = self.server or self.start()
        options = self.server.load()
        options += (["--inside", self.inside.name] if self.inside else
                    ["--clients", str(FLOWS)] if "--server" in options else [])
        self.load = Load(self.server.pids(), "relay", self.outside, *options)
        self.load.read()

    def end(self, all_of_it=True):
        if self.load:
            self.load.stop()
            self.load = None
        if self.server and all_of_it:
            self.server.stop()
            self.server = None

    def trial(self, rate, seconds=TRIAL):
        found = self.load.trial(rate, seconds)
        print(f"{self.name}: {rate:,.0f}/s: relayed {found['relayed']:,.0f}, lost "
              f"{100 * found['loss']:.3f} %, CPU {found['cpu']:.2f} us, p50 "
              f"{found['p50_us']:.0f} us, generator {found['own_load']:.2f}", flush=True)
        return found

    def carries(self, rate):
        """The trial, or None: not without loss. Two chances: others use the machine, too."""
        for _ in range(2):
            found = self.trial(rate)
            # What sockets' buffers hold at the end was not relayed at that rate.
            if found["loss"] < BEARABLE_LOSS and found["relayed"] > 0.98 * rate:
                return found
            if not self.stays:
                self.end()
                self.begin()
        return None

    def find_most(self):
        """Packets/s relayed without loss."""
        return search(self.carries, FIRST_RATE, MOST_RATE)

    def cost_at(self, rate):
        """CPU of a relayed packet, and p50, in us."""
        found = [self.trial(rate, FIXED) for _ in range(3)]
        return (statistics.median(f["cpu"] for f in found),
                statistics.median(f["p50_us"] for f in found))


class Figures:
    def __init__(self, most):
        self.most = most

    def measure(self, relay, rate):
        self.cost, self.p50 = relay.cost_at(rate)
        self.slow_cost, self.slow_p50 = relay.cost_at(SLOW_RATE)
        return self


def measure_peers(folder, only_most=False):
    """Figures of coturn and of rtpengine, and the rate at which everybody is compared."""
    lab = KamailioLab("fbr")
    starts = {"coturn": (lambda: Coturn(lab, folder), None),
              "rtpengine": (lambda: Rtpengine(lab, folder, FLOWS), lab.inside)}
    relays = {}
    try:
        figures = {}
        for name, (start, inside) in starts.items():
            relays[name] = Relay(name, start, lab.partner, inside)
            figures[name] = Figures(relays[name].find_most())
            relays[name].end()
        rate = round(0.8 * min(f.most for f in figures.values()), -3)
        for name, relay in relays.items() if not only_most else ():
            relay.begin()
            figures[name].measure(relay, rate)
            relay.end()
        return figures, rate
    finally:
        for relay in relays.values():
            relay.end()
        lab.remove()


class Kept:
    """What a Relay starts and stops, when it stays."""

    def __init__(self, pids, load):
        self.pids, self.load = pids, load

    def stop(self):
        pass


def measure_one(name, server, rate, outside, inside=None):
    relay = Relay(name, lambda: Kept(server.pids, server.load), outside, inside, stays=True)
    try:
        return Figures(relay.find_most()).measure(relay, rate)
    finally:
        relay.end()


async def measure_calls(fedge, folder, rate):
    calls = Calls(fedge, folder)
    try:
        await calls.start(FLOWS)
        lab = fedge.site.lab
        return await asyncio.to_thread(measure_one, "fedge, calls", calls, rate, lab.partner,
                                       lab.inside)
    finally:
        await calls.stop()


def measure_fedge(folder, rate):
    fedge = Fedge("fbr", os.path.join(folder, "fedge"), "127.0.0.1:18446")
    try:
        turn = measure_one("fedge, TURN", fedge, rate, fedge.site.lab.partner)
        return turn, asyncio.run(measure_calls(fedge, folder, rate))
    finally:
        fedge.stop()


def report(turn, calls, peers, rate):
    coturn, rtpengine = peers["coturn"], peers["rtpengine"]
    pairs = {"turn": (turn, coturn, COTURN), "calls": (calls, rtpengine, RTPENGINE)}
    out = Report("relay_wire")
    # Our worse figure beside the better peer's.
    out.add("cpu_us_per_packet", "us", max(turn.cost, calls.cost),
            min(coturn.cost, rtpengine.cost), "the better of both", 1)
    out.add("loss_free_pps", "1/s", min(turn.most, calls.most), max(coturn.most, rtpengine.most),
            "the better of both")
    for kind, (ours, peer, name) in pairs.items():
        out.add(f"{kind}_cpu_us", "us", ours.cost, peer.cost, name)
        out.add(f"{kind}_cpu_us_at_{SLOW_RATE}", "us", ours.slow_cost, peer.slow_cost, name)
        out.add(f"{kind}_loss_free_pps", "1/s", ours.most, peer.most, name)
        out.add(f"{kind}_p50", "us", ours.p50, peer.p50, name)
        out.add(f"{kind}_p50_at_{SLOW_RATE}", "us", ours.slow_p50, peer.slow_p50, name)
    out.add("offered_rate", "1/s", rate)
    return out.finish()


def main():
    with tempfile.TemporaryDirectory(prefix="fedge-bench-") as folder:
        peers, rate = measure_peers(folder)
        turn, calls = measure_fedge(folder, rate)
        return report(turn, calls, peers, rate)


if __name__ == "__main__":
    sys.exit(main())
