"""Kamailio between a partner and an inside namespace, over plain veth: the peer of sip_proxy.py."""
import os
import signal
import socket
import subprocess

from tests.lib import topology
from tests.lib.appliance import wait_until
from tests.lib.netns import Namespace, run

HERE = os.path.dirname(os.path.abspath(__file__))
TLS = """[server:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {key}
certificate = {chain}
ca_list = {trust}
cipher_list = ECDHE+AESGCM
[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {key}
certificate = {chain}
ca_list = {trust}
"""


class KamailioLab:
    """NAME-partner 10.1.0.2 - 10.1.0.1 NAME-edge 10.2.0.1 - 10.2.0.2 NAME-inside."""

    def __init__(self, name):
        for suffix in ("partner", "edge", "inside"):
            run("ip", "netns", "del", f"{name}-{suffix}", check=False)
        self.partner, self.edge, self.inside = (
            Namespace(f"{name}-{suffix}") for suffix in ("partner", "edge", "inside"))
        for peer, device, ours, theirs in (
                (self.partner, "outside", topology.OUTSIDE["4"], topology.PARTNER_ADDRESS["4"]),
                (self.inside, "inside", topology.INSIDE["4"], topology.INSIDE_ADDRESS["4"])):
            run("ip", "-n", self.edge.name, "link", "add", device, "type", "veth", "peer", "name",
                "eth0", "netns", peer.name)
            for namespace, end, address in ((self.edge, device, ours), (peer, "eth0", theirs)):
                namespace.sh("ip", "addr", "add", f"{address}/24", "dev", end)
                namespace.sh("ip", "link", "set", end, "up")
        for namespace in (self.partner, self.edge, self.inside):
            namespace.sh("sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 60999",
                         "net.core.somaxconn=4096")

    def remove(self):
        for namespace in (self.partner, self.edge, self.inside):
            namespace.remove()


class Kamailio:
    """One worker under the tlsf allocator. `tcp_buffer` None leaves Kamailio's own default."""

    def __init__(self, lab, folder, chain, key, trust, core, tcp_buffer=65536):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "tls.cfg"), "w", encoding="ascii") as file:
            file.write(TLS.format(chain=chain, key=key, trust=trust))
        with open(os.path.join(HERE, "kamailio.cfg"), encoding="ascii") as file:
            text = file.read()
        for word, value in {
                "FOLDER": folder, "OUTSIDE": topology.OUTSIDE["4"], "INSIDE": topology.INSIDE["4"],
                "INSIDE_PEER": topology.INSIDE_ADDRESS["4"], "DOMAIN": topology.DOMAIN,
                "PARTNER": topology.PARTNER, "PARTNER_EDGE": topology.PARTNER_EDGE,
                "EDGE": topology.EDGE,
                "TCP_BUFFER": f"tcp_rd_buf_size={tcp_buffer}" if tcp_buffer else ""}.items():
            text = text.replace(f"@{word}@", str(value))
        config = os.path.join(folder, "kamailio.cfg")
        with open(config, "w", encoding="ascii") as file:
            file.write(text)
        self.log = os.path.join(folder, "kamailio.log")
        with open(self.log, "wb") as log:
            self.process = lab.edge.popen(
                "taskset", "-c", core, "kamailio", "-DD", "-x", "tlsf", "-f", config, "-m", "2048",
                "-M", "32", "-Y", folder, "-w", folder, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True)

        def answers():
            if self.process.poll() is not None:
                with open(self.log, encoding="utf-8", errors="replace") as file:
                    raise RuntimeError(f"kamailio ended:\n{file.read()[-2000:]}")
            try:
                lab.partner.call(lambda: socket.create_connection(
                    (topology.OUTSIDE["4"], 5061), timeout=1).close())
                return True
            except OSError:
                return False
        wait_until(answers, 20, f"kamailio listens (see {self.log})")
        # It listens before it forks: whole when nothing more has come for a while.
        seen = []

        def forked():
            seen.append(len(self.pids()))
            return len(seen) > 5 and seen[-1] == seen[-6] > 3
        wait_until(forked, 10, "kamailio has forked its processes", every=0.2)

    def pids(self):
        """Process id by name: Kamailio's processes are many, and all count as one."""
        pids, at = [self.process.pid], 0
        while at < len(pids):
            pids += map(int, run("pgrep", "-P", str(pids[at]), check=False).split())
            at += 1
        return {f"kamailio{i}": pid for i, pid in enumerate(pids)}

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
