"""Runs sip_load: a server in the inside namespace, clients in the partner's."""
import json
import os
import subprocess
import time

from tests.bench.report import FOLDER
from tests.lib import topology

TOOL = os.path.join(FOLDER, "sip_load")
INSIDE = f"{topology.INSIDE_ADDRESS['4']}:5061"


def busy_seconds():
    """CPU time of the whole machine spent on anything."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(word) for word in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


class Generator:
    """Both ends of the load around one proxy. Identities are (chain, key, trust)."""

    def __init__(self, partner, inside, partner_files, inside_files, core):
        self.partner, self.core = partner, core
        self.foreign = []  # of each run: cores kept busy by what does not belong to the bench
        self.partner_files = self.files(*partner_files)
        self.server = subprocess.Popen(
            ["taskset", "-c", core, TOOL, "server", "--netns", inside.name, "--bind", INSIDE,
             *self.files(*inside_files)], stdin=subprocess.DEVNULL)

    @staticmethod
    def files(chain, key, trust):
        return ["--cert", chain, "--key", key, "--trust", trust]

    def run(self, mode, pids, timeout, **options):
        """The JSON of one run; its cpu_us, load and pss_kb come by the names of `pids`."""
        command = ["taskset", "-c", self.core, TOOL, mode, "--netns", self.partner.name,
                   "--connect", f"{topology.OUTSIDE['4']}:5061", "--source",
                   topology.PARTNER_ADDRESS["4"], "--from", topology.PARTNER, "--to",
                   topology.DOMAIN, *self.partner_files]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        for pid in pids.values():
            command += ["--pid", str(pid)]
        ours = [self.server.pid, *pids.values()]
        before = busy_seconds() - cpu_seconds(ours), os.times(), time.monotonic()
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, timeout=timeout,
                              check=False)
        after = busy_seconds() - cpu_seconds(ours), os.times(), time.monotonic()
        client = sum(after[1][2:4]) - sum(before[1][2:4])
        self.foreign.append((after[0] - before[0] - client) / (after[2] - before[2]))
        if done.returncode not in (0, 3) or not done.stdout:
            raise RuntimeError(f"sip_load {mode} {options}: exit {done.returncode}")
        result = json.loads(done.stdout)
        names = {str(pid): name for name, pid in pids.items()}
        for key in ("cpu_us", "load", "pss_kb"):
            if key in result:
                result[key] = {names[pid]: value for pid, value in result[key].items()}
        return result

    def client(self, pids, what="message", seconds=6, **options):
        result = self.run("client", pids, seconds + 60, what=what, seconds=seconds, **options)
        if result["failed"] or result["refused"] or result["lost_connections"]:
            print(f"  note: {result['failed']} failed, {result['refused']} refused, {result['lost_connections']} connections "
                  f"lost in {what} {options}")
        return result

    def idle(self, pids, connections, seconds=5):
        return self.run("idle", pids, 400, connections=connections, seconds=seconds)

    def stop(self):
        self.server.kill()
        self.server.wait()
