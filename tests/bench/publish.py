#!/usr/bin/python3
"""From the publish POST to every forwarder's answer, with 100,000 static routes of which 1, 1,000
or all change their next hop, and once with 1,000,000 that all do. The candidate is stored and
validated before; requests flow meanwhile, and the longest that one of them took has rows of its
own, and so has the memory that control took at most."""
import asyncio
import concurrent.futures
import multiprocessing
import os
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.bench.report import Report  # noqa: E402
from tests.lib import sip  # noqa: E402
from tests.lib.site import Site  # noqa: E402

ROUTES = int(os.environ.get("FEDGE_BENCH_ROUTES", "100000"))
# Name → how many routes there are, and how many of them change.
SIZES = {"1": (ROUTES, 1), "1k": (ROUTES, ROUTES // 100), "100k": (ROUTES, ROUTES),
         "1M": (10 * ROUTES, 10 * ROUTES)}
ROUNDS = 3
BAR_MS = 1000


def topology_with(site, routes, changed, port):
    """Every route to the front end; the first `changed` ones to its second port."""
    document = site.topology()
    front = document["next_hop_pools"][0]
    document["next_hop_pools"].append(
        {"name": "second", "members": [{**front["members"][0], "port": port}]})
    document["static_routes"] = [
        {"pattern": f"d{i}.branch.example.net",
         "next_hop_pool": "second" if i < changed else "frontend"} for i in range(routes)]
    return document


SITE = None  # of the process that publishes


def publish_once(routes, changed, port):
    """ms of one publish; what is in force before has no route to that port."""
    site, box = SITE, SITE.appliance
    box.put_candidate(topology_with(site, routes, changed, port))
    box.rest("POST", "/v1/topology/validate")
    start = time.monotonic()
    answer = box.rest("POST", "/v1/topology/publish?wait=60s")
    took = (time.monotonic() - start) * 1000
    states = {f["process"]: f["state"] for f in answer["forwarders"]}
    assert set(states.values()) == {"running"}, answer
    return took


async def measure(site):
    """ms by size, and ms of the slowest request meanwhile: up to 100,000 routes, and above."""
    loop = asyncio.get_running_loop()
    # A process of its own: making megabytes of JSON must not hold up the requests' clock.
    operator = concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("fork"))
    server = await site.inside.server().start()
    client = await site.partner.client().connect()
    load = sip.Load(lambda: client.request("MESSAGE", "sip:bob@example.com", timeout=30), 100)
    flowing = asyncio.create_task(load.run(600))
    times = {}
    before = 0  # requests, when the million came
    for name, (routes, changed) in SIZES.items():
        times[name] = []
        if name == "1M":
            before = len(load.latencies)
        for turn in range(1 if name == "1M" else ROUNDS):
            await loop.run_in_executor(operator, publish_once, routes, 0, 6000)
            took = await loop.run_in_executor(operator, publish_once, routes, changed, 6001 + turn)
            times[name].append(took)
        print(f"{name} changed: {', '.join(f'{t:.0f} ms' for t in times[name])}", flush=True)
    operator.shutdown()
    load.stop()
    await flowing
    await client.close()
    await server.stop()
    if load.failures:
        sys.exit(f"requests failed meanwhile: {load.failures[:5]}")
    return times, [max(part) * 1000 for part in (load.latencies[:before], load.latencies[before:])]


def peak_memory(pid):
    """MB that a process has held at most."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1000


def main():
    with tempfile.TemporaryDirectory(prefix="fedge-bench-") as folder:
        site = Site("fbp", folder, os.path.join(folder, "pki"), "127.0.0.1:18444")
        try:
            site.start()
            global SITE
            SITE = site
            times, slowest = asyncio.run(measure(site))
            memory = peak_memory(site.appliance.pid_of("control"))
        finally:
            site.remove()
    out = Report("publish")
    for name, took in times.items():
        out.add(f"publish_{name}_ms", "ms", statistics.median(took),
                bar=BAR_MS if name == "100k" else None)
    out.add("slowest_request_meanwhile", "ms", slowest[0])
    out.add("slowest_request_meanwhile_1M", "ms", slowest[1])
    out.add("control_memory_1M", "MB", memory)
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
