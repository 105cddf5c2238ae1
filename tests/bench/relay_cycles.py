"""make bench BENCH=relay_cycles: cycles of the packet's path inside the worker, beside a plain
layer 2 forward of the same buffers. The measuring is relay_cycles.cc's."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.bench.report import FOLDER, Report  # noqa: E402

# Cycles of the time stamp counter a packet, the dearer direction.
BAR = 250


def main():
    done = subprocess.run([os.path.join(FOLDER, "relay_cycles")], check=False, text=True,
                          stdout=subprocess.PIPE)
    if done.returncode != 0:
        print(f"relay_cycles: ended with {done.returncode}")
        return 1
    found = {row["metric"]: row["value"] for row in map(json.loads, done.stdout.splitlines())}
    report = Report("relay_cycles")
    report.add("tsc", "MHz", found["tsc_mhz"])
    for size in ("1k", "100k", "1M"):
        sides = [found[f"{side}_{size}_sessions"] for side in ("from_client", "from_peer")]
        report.add(f"cycles_{size}_sessions", "cycles", max(sides),
                   bar=BAR if size == "100k" else None)
        report.add(f"from_client_{size}", "cycles", sides[0], found[f"forward_{size}_sessions"],
                   "a layer 2 forward")
        report.add(f"from_peer_{size}", "cycles", sides[1], found[f"forward_{size}_sessions"],
                   "a layer 2 forward")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
