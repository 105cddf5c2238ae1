#!/usr/bin/python3
"""RTP of 172 octets, both ways of TURN channels, over a DPDK port as a VM has it: net_virtio_user,
whose other end is the generator's net_vhost. How many a second our station relays without loss in
the loop of a worker, on one core, beside testpmd that only swaps MAC addresses on the same ports,
and beside coturn and rtpengine on veth in the same run.

The relay has core 0, the generator core 1. FEDGE_BENCH_SESSIONS (1000) allocations.
"""
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.bench.media_peers import COTURN, LOAD_CORE, RELAY_CORE, RTPENGINE  # noqa: E402
from tests.bench.relay_wire import BEARABLE_LOSS, measure_peers, search  # noqa: E402
from tests.bench.report import FOLDER, Report  # noqa: E402
from tests.lib.appliance import wait_until  # noqa: E402

TOOL = os.path.join(FOLDER, "port_load")
SESSIONS = int(os.environ.get("FEDGE_BENCH_SESSIONS", "1000"))
# Rings of 1,024 packets show within milliseconds what is too much for them, and lose packets in
# one of somebody else's.
TRIAL = 0.2
CHANCES = 4
FIRST_RATE, MOST_RATE = 1000000, 30000000
TESTPMD = "testpmd macswap"


def start(core, *command, log=None):
    return subprocess.Popen(["taskset", "-c", core, *command], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)


@contextlib.contextmanager
def undisturbed(*pids):
    """A core each, as a box that polls has it, for as long as a trial takes."""
    threads = [int(t) for pid in pids for t in os.listdir(f"/proc/{pid}/task")]
    for thread in threads:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        for thread in threads:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def end(process):
    """What it printed last."""
    process.terminate()
    process.stdin.close()
    text = process.stdout.read()
    process.wait(10)
    return text


class Pair:
    """A relay and the generator at the other end of its port."""

    def __init__(self, name, folder, start_relay):
        self.name, self.socket = name, os.path.join(folder, name.split()[0] + ".sock")
        self.frames = os.path.join(folder, "frames")
        self.relay = start_relay(self)
        self.generator = None
        try:
            wait_until(lambda: os.path.exists(self.frames), 30, "the frames to send")
            self.generator = start(LOAD_CORE, TOOL, "generate", self.socket, self.frames)
        except BaseException:
            self.stop()
            raise
        assert self.read()["listens"]
        self.relay.stdin.write("go\n")
        self.relay.stdin.flush()

    def read(self):
        line = self.generator.stdout.readline()
        if not line:
            raise RuntimeError(f"port_load ended with {self.generator.wait()}")
        return json.loads(line)

    def trial(self, rate):
        self.generator.stdin.write(f"{rate:.0f} {TRIAL}\n")
        self.generator.stdin.flush()
        return self.read()

    def carries(self, rate):
        """The trial, or None: not without loss."""
        for _ in range(CHANCES):
            with undisturbed(self.relay.pid, self.generator.pid):
                found = self.trial(rate)
            time.sleep(TRIAL)  # the others' turn
            if found["loss"] < BEARABLE_LOSS and found["relayed"] > 0.98 * rate:
                break
        else:
            found = None
        print(f"{self.name}: {rate:,.0f}/s: "
              + (f"relayed, generator {1 - found['idle']:.2f}" if found else "loss"), flush=True)
        return found

    def stop(self):
        """What the relay printed at its end."""
        if self.generator:
            end(self.generator)
            self.generator = None
        relay, self.relay = self.relay, None
        return end(relay) if relay else ""


def start_ours(pair):
    return start(RELAY_CORE, TOOL, "relay", pair.socket, pair.frames, str(SESSIONS))


def start_testpmd(pair):
    core = RELAY_CORE
    # One thread forwards; the other one only waits for the end. testpmd does not wait to be told
    # that the generator has made the socket.
    command = ["dpdk-testpmd", "--no-telemetry", "--log-level=*:error", "--no-pci", "--no-huge",
               "--no-shconf", "--file-prefix=" + os.path.basename(pair.socket), "--iova-mode=va",
               "-m", "256", f"--lcores=0@{core},1@{core}",
               f"--vdev=net_virtio_user0,path={pair.socket},queue_size=1024", "--",
               "--forward-mode=macswap", "--auto-start", "--nb-cores=1",
               "--total-num-mbufs=16383", "--rxd=1024", "--txd=1024"]
    return start(core, "sh", "-c", 'read -r _; exec "$@"', "sh", *command, log=subprocess.DEVNULL)


def measure(name, folder, start_relay):
    """Packets/s without loss, and what the relay says at its end."""
    pair = Pair(name, folder, start_relay)
    with contextlib.ExitStack() as stack:
        stack.callback(pair.stop)
        pair.trial(FIRST_RATE / 10)  # begins when the port is up
        most = search(pair.carries, FIRST_RATE, MOST_RATE)
        stack.pop_all()
    return most, pair.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="fedge-bench-") as folder:
        ours, said = measure("fedge", folder, start_ours)
        told = json.loads(said)
        if told["not_relayed"]:
            sys.exit(f"the station did not relay all: {told}")
        macswap, _ = measure(TESTPMD, folder, start_testpmd)
        peers, _ = measure_peers(folder, only_most=True)
    coturn, rtpengine = peers["coturn"].most, peers["rtpengine"].most
    out = Report("relay_port")
    better = COTURN if coturn > rtpengine else RTPENGINE
    out.add("loss_free_pps", "1/s", ours, max(coturn, rtpengine), better + " on veth", 8,
            at_least=True)
    out.add("loss_free_pps_of_macswap", "1/s", ours, macswap, TESTPMD, 0.5, at_least=True)
    out.add("cycles_per_packet", "cycles", told["cycles_per_packet"])
    return out.finish()


if __name__ == "__main__":
    sys.exit(main())
