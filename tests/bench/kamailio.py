"""Kamailio between a partner and an inside namespace, over plain veth: the peer of sip_proxy.py."""
import os

from tests.lib import kamailio, topology
from tests.lib.netns import Namespace, run

HERE = os.path.dirname(os.path.abspath(__file__))


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


class Kamailio(kamailio.Kamailio):
    """One worker under the tlsf allocator. `tcp_buffer` None leaves Kamailio's own default."""

    def __init__(self, lab, folder, chain, key, trust, core, tcp_buffer=65536):
        super().__init__(lab.edge, folder, os.path.join(HERE, "kamailio.cfg"), {
            "OUTSIDE": topology.OUTSIDE["4"], "INSIDE": topology.INSIDE["4"],
            "INSIDE_PEER": topology.INSIDE_ADDRESS["4"], "DOMAIN": topology.DOMAIN,
            "PARTNER": topology.PARTNER, "PARTNER_EDGE": topology.PARTNER_EDGE,
            "EDGE": topology.EDGE,
            "TCP_BUFFER": f"tcp_rd_buf_size={tcp_buffer}" if tcp_buffer else ""},
            (chain, key, trust), (topology.OUTSIDE["4"], 5061), lab.partner,
            ("taskset", "-c", core), "2048")
