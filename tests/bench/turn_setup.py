#!/usr/bin/python3
"""Allocations of a TURN server over UDP with long-term credentials, through fedge and through
coturn, one core each, one after the other in one run: how many a second, CPU and memory of each.

The server has core 0 to itself, the generator core 1. Each allocation is a client of its own: it
asks, is challenged, and asks again. Memory is what all processes of the server hold more with the
allocations than before them (PSS: what processes share counts once), sessions' memory included.
FEDGE_BENCH_ALLOCATIONS (8000) of them.
"""
import os
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.bench.kamailio import KamailioLab  # noqa: E402
from tests.bench.media_peers import COTURN, Coturn, Fedge, Load  # noqa: E402
from tests.bench.report import Report  # noqa: E402

ALLOCATIONS = int(os.environ.get("FEDGE_BENCH_ALLOCATIONS", "8000"))
ROUNDS = 5


def measure(name, server, outside):
    load = Load(server.pids(), "setup", outside, *server.load(), "--clients", str(ALLOCATIONS),
                "--window", "256", "--rounds", str(ROUNDS))
    try:
        rounds = [load.read() for _ in range(ROUNDS)]
    finally:
        load.stop()
    for found in rounds:
        print(f"{name}: {found['rate']:.0f}/s, given back {found['end_rate']:.0f}/s, "
              f"CPU us {found['cpu_us']}, asked again {found['again']}, "
              f"generator {found['own_load']:.2f}", flush=True)
    print(f"{name}: kB an allocation {rounds[0]['pss_kb']}", flush=True)

    def middle(value):
        return statistics.median(value(found) for found in rounds)

    # A round is short: what else runs on the machine takes from some and gives to none.
    def best(key):
        return max(found[key] for found in rounds)

    held = rounds[0]["pss_kb"].values()
    return {"rate": best("rate"), "end_rate": best("end_rate"),
            "cpu": middle(lambda r: sum(r["cpu_us"].values())),
            "generator": middle(lambda r: r["own_load"]),
            "kb": sum(max(kb, 0) for kb in held)}


def main():
    with tempfile.TemporaryDirectory(prefix="fedge-bench-") as folder:
        lab = KamailioLab("fbt")
        try:
            coturn = Coturn(lab, folder)
            try:
                peer = measure("coturn", coturn, lab.partner)
            finally:
                coturn.stop()
        finally:
            lab.remove()
        fedge = Fedge("fbt", os.path.join(folder, "fedge"), "127.0.0.1:18445")
        try:
            ours = measure("fedge", fedge, fedge.site.lab.partner)
        finally:
            fedge.stop()
    out = Report("turn_setup")
    out.add("allocations_per_second", "1/s", ours["rate"], peer["rate"], COTURN, 5, at_least=True)
    out.add("allocation_kb", "kB", ours["kb"], peer["kb"], COTURN, 0.25)
    out.add("allocation_cpu_us", "us", ours["cpu"], peer["cpu"], COTURN)
    out.add("given_back_per_second", "1/s", ours["end_rate"], peer["end_rate"], COTURN)
    # A generator at 1 was what held the server up.
    out.add("generator_load", "cores", ours["generator"], peer["generator"], COTURN)
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
