"""Runs sip_load: a server in the inside namespace, clients in the partner's."""
import json
import os
import subprocess

from tests.bench.report import FOLDER
from tests.lib import topology

TOOL = os.path.join(FOLDER, "sip_load")
INSIDE = f"{topology.INSIDE_ADDRESS['4']}:5061"


class Generator:
    """Both ends of the load around one proxy. Identities are (chain, key, trust)."""

    def __init__(self, partner, inside, partner_files, inside_files, core):
        self.partner, self.core = partner, core
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
        done = subprocess.run(command, text=True, stdout=subprocess.PIPE, timeout=timeout,
                              check=False)
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
        if result["failed"] or result["lost_connections"]:
            print(f"  note: {result['failed']} failed, {result['lost_connections']} connections "
                  f"lost in {what} {options}")
        return result

    def idle(self, pids, connections, seconds=5):
        return self.run("idle", pids, 400, connections=connections, seconds=seconds)

    def stop(self):
        self.server.kill()
        self.server.wait()
