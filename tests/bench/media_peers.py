"""The peers of the media benches between a partner and an inside namespace over plain veth, and
our own box in the same place: coturn, rtpengine in user space, fedge."""
import json
import os
import resource
import socket
import subprocess
import time

from tests.bench.report import FOLDER
from tests.lib import topology
from tests.lib.appliance import wait_until
from tests.lib.site import Site

TOOL = os.path.join(FOLDER, "turn_load")
RELAY_CORE, LOAD_CORE = "0", "1"
OUTSIDE, INSIDE = topology.OUTSIDE["4"], topology.INSIDE["4"]
COTURN, RTPENGINE = "coturn 4.6", "rtpengine 10.5"
USER, PASSWORD = "bench", "secret-of-the-bench"


def unlimit_files():
    """A relay that has a socket for each allocation needs many."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Daemon:
    """A peer's program in the edge namespace of a KamailioLab, on the relay's core."""

    def __init__(self, lab, folder, name, command):
        self.log = open(os.path.join(folder, name + ".log"), "wb")
        self.process = lab.edge.popen(
            "taskset", "-c", RELAY_CORE, *command, stdin=subprocess.DEVNULL, stdout=self.log,
            stderr=self.log, preexec_fn=unlimit_files, cwd=folder)

    def pids(self):
        return {"relay": self.process.pid}

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


class Coturn(Daemon):
    """Long-term credentials of a user named on the command line: nothing that it would look up."""

    server = f"{OUTSIDE}:3478"
    user, password = USER, PASSWORD

    def __init__(self, lab, folder):
        super().__init__(lab, folder, "coturn", [
            "turnserver", "-n", "-L", OUTSIDE, "-E", OUTSIDE, "-p", "3478", "--lt-cred-mech",
            "-u", f"{USER}:{PASSWORD}", "-r", topology.EDGE, "--no-tls", "--no-dtls", "--no-cli",
            "--no-rfc5780", "--no-multicast-peers", "-m", "1", "--min-port", "20000", "--max-port",
            "59999", "--log-file", "stdout", "--simple-log", "--pidfile",
            os.path.join(folder, "coturn.pid"), "--userdb", os.path.join(folder, "coturn.db")])
        wait_until(lambda: listens(lab.edge, "udp", 3478), 10, "coturn listens")

    def load(self):
        return ["--server", self.server, "--user", self.user, "--password", self.password]


def listens(namespace, protocol, port):
    kind = "-lun" if protocol == "udp" else "-ltn"
    return f":{port} " in namespace.sh("ss", "-H", kind)


class Fedge:
    """Our box with media; the user's credentials come by REST."""

    server = f"{OUTSIDE}:3478"

    def __init__(self, name, folder, management):
        self.site = Site(name, folder, os.path.join(folder, "pki"), management)
        try:
            document = topology.with_media(self.site.topology(), anchored=True)
            document["media"]["quotas"] = {
                "sessions_per_user": 1000000, "sessions_per_source": 1000000,
                "kbps_per_session": 0, "kbps_per_user": 0}
            # One range for clients' allocations, one for calls.
            turn, *anchors = document["media"]["pools"]
            turn.update(first_port=50000, last_port=61999)
            for pool in anchors:
                pool.update(first_port=62000, last_port=65535)
            document["partners"][0]["media"] = "anchor"
            self.site.start(document, cores=RELAY_CORE)
            made = self.site.appliance.rest("POST", "/v1/media/credentials",
                                            {"identity": "sip:bench@example.com"})
            self.user, self.password = made["username"], made["password"]
        except BaseException:
            self.stop()
            raise

    def load(self):
        return ["--server", self.server, "--user", self.user, "--password", self.password]

    def pids(self):
        names = ("fastpath", "init", "control", "signal", "front", "agent")
        return {name: self.site.appliance.pid_of(name) for name in names}

    def stop(self):
        self.site.remove()


class Load:
    """turn_load on the generator's core; its lines come as dicts, processes by name."""

    def __init__(self, pids, mode, outside, *options):
        self.names = {str(pid): name for name, pid in pids.items()}
        command = ["taskset", "-c", LOAD_CORE, TOOL, mode, "--outside", outside.name, *options]
        for pid in pids.values():
            command += ["--pid", str(pid)]
        self.process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"turn_load ended with {self.process.wait()}")
        found = json.loads(line)
        for key in ("cpu_us", "pss_kb"):
            if key in found:
                found[key] = {self.names[pid]: value for pid, value in found[key].items()}
        return found

    def stop(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
