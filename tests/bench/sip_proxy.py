#!/usr/bin/python3
"""SIP over mutual TLS, in and out, through fedge and through Kamailio, one core each, one after
the other in one run: CPU of a MESSAGE and of a whole call, latency, memory of idle connections.

Each proxy has core 0 to itself, the generator core 1. CPU is the time on a CPU of the proxy's
processes; fedge's fast path, which does in user space what the kernel does for Kamailio's veth,
has a row of its own. FEDGE_BENCH_SECONDS (6) is the length of one measurement.
"""
import os
import statistics
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.bench.kamailio import Kamailio, KamailioLab  # noqa: E402
from tests.bench.load import Generator  # noqa: E402
from tests.bench.report import Report  # noqa: E402
from tests.lib import topology  # noqa: E402
from tests.lib.pki import Authority  # noqa: E402
from tests.lib.site import Site  # noqa: E402

PROXY_CORE, LOAD_CORE = "0", "1"
SECONDS = float(os.environ.get("FEDGE_BENCH_SECONDS", "6"))
IDLE = int(os.environ.get("FEDGE_BENCH_IDLE", "10000"))
KAMAILIO = "Kamailio 5.6, 1 worker, tlsf"


def middle(runs, key):
    return statistics.median(run[key] for run in runs)


def total_cpu(run, names=None):
    return sum(v for k, v in run["cpu_us"].items() if names is None or k in names)


class Figures:
    """What one proxy did. `half_rate` None means: half of what this one can."""

    def __init__(self, name, generator, pids, half_rate=None):
        self.name, self.generator, self.pids = name, generator, pids
        print(f"{name}: warming up")
        for _ in range(2):
            generator.client(pids, window=64, warm=0, seconds=8)
        self.saturated = self.three("message", window=64)
        self.rate = middle(self.saturated, "rate")
        self.half_rate = half_rate or self.rate / 2
        self.half = self.three("message", rate=round(self.half_rate))
        self.slow = self.three("message", rate=1000)
        self.calls = self.three("call", window=64)
        self.slow_calls = self.three("call", rate=500)

    def three(self, what, **options):
        runs = [self.generator.client(self.pids, what, SECONDS, **options) for _ in range(3)]
        print(f"{self.name}: {what} {options}: "
              + ", ".join(f"{r['rate']:.0f}/s {total_cpu(r):.1f} us" for r in runs))
        return runs

    def cpu(self, runs, names=None):
        return statistics.median(total_cpu(run, names) for run in runs)


def measure_kamailio(folder, authorities):
    """Figures under load, then idle memory in a fresh one with its own default buffers."""
    partners, inside = authorities
    os.makedirs(folder, exist_ok=True)
    lab = KamailioLab("fbk")
    generator = None
    try:
        # One certificate names it on both sides, so each side must trust one authority only.
        chain, key = partners.issue(topology.EDGE)
        trust = os.path.join(folder, "both.pem")
        with open(trust, "w", encoding="ascii") as file:
            for authority in authorities:
                with open(authority.certificate, encoding="ascii") as part:
                    file.write(part.read())
        generator = Generator(
            lab.partner, lab.inside,
            (*partners.issue(topology.PARTNER_EDGE), partners.certificate),
            (*inside.issue(topology.FRONT_END), partners.certificate), LOAD_CORE)
        kamailio = Kamailio(lab, os.path.join(folder, "loaded"), chain, key, trust, PROXY_CORE)
        try:
            figures = Figures("kamailio", generator, kamailio.pids())
            figures.foreign = statistics.mean(generator.foreign)
        finally:
            kamailio.stop()
        kamailio = Kamailio(lab, os.path.join(folder, "idle"), chain, key, trust, PROXY_CORE, None)
        try:
            figures.idle = generator.idle(kamailio.pids(), IDLE)
            print(f"kamailio: idle: {figures.idle}")
        finally:
            kamailio.stop()
        return figures
    finally:
        if generator:
            generator.stop()
        lab.remove()


def measure_fedge(folder, half_rate):
    site = Site("fbf", folder, os.path.join(folder, "pki"), "127.0.0.1:18443")
    generator = None
    try:
        document = site.topology()
        document["limits"] = {"connections": 2 * IDLE, "connections_per_source": 2 * IDLE}
        site.start(document, cores=PROXY_CORE)
        for namespace in (site.lab.partner, site.lab.inside):
            namespace.sh("sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 60999",
                         "net.core.somaxconn=4096")
        partner, inside = site.partner, site.inside
        generator = Generator(site.lab.partner, site.lab.inside,
                              (partner.chain, partner.key, partner.trust),
                              (inside.chain, inside.key, inside.trust), LOAD_CORE)
        pids = {name: site.appliance.pid_of(name)
                for name in ("init", "control", "fastpath", "signal", "front", "agent")}
        figures = Figures("fedge", generator, pids, half_rate)
        figures.foreign = statistics.mean(generator.foreign)
        figures.idle = generator.idle(pids, IDLE)
        print(f"fedge: idle: {figures.idle}")
        return figures
    finally:
        if generator:
            generator.stop()
        site.remove()


def report(ours, peer):
    out = Report("sip_proxy")
    signal, fastpath = {"signal"}, {"fastpath"}

    def compare(metric, attribute, bar=None):
        out.add(metric, "us", ours.cpu(getattr(ours, attribute), signal),
                peer.cpu(getattr(peer, attribute)), KAMAILIO, bar)

    compare("message_cpu_us", "saturated", 0.6)
    compare("message_cpu_us_half_load", "half")
    compare("message_cpu_us_1000", "slow")
    compare("call_cpu_us", "calls")
    compare("call_cpu_us_500", "slow_calls")
    out.add("fastpath_message_cpu_us", "us", ours.cpu(ours.saturated, fastpath))
    out.add("fastpath_message_cpu_us_1000", "us", ours.cpu(ours.slow, fastpath))
    out.add("fastpath_call_cpu_us", "us", ours.cpu(ours.calls, fastpath))
    out.add("message_rate", "1/s", ours.rate, peer.rate, KAMAILIO)
    out.add("call_rate", "1/s", middle(ours.calls, "rate"), middle(peer.calls, "rate"), KAMAILIO)
    for quantile in ("p50", "p99"):
        out.add(f"message_{quantile}_half_load", "us", middle(ours.half, f"{quantile}_us"),
                middle(peer.half, f"{quantile}_us"), KAMAILIO)
    out.add("idle_connection_kb", "kB", ours.idle["kb_per_connection"],
            peer.idle["kb_per_connection"], KAMAILIO, 0.6)
    # Other work on the machine: far above what a quiet one has, the figures mean little.
    out.add("foreign_load", "cores", ours.foreign, peer.foreign, KAMAILIO)
    return out.finish()


def main():
    with tempfile.TemporaryDirectory(prefix="fedge-bench-") as folder:
        pki = os.path.join(folder, "pki-kamailio")
        authorities = Authority(pki, "partners"), Authority(pki, "inside")
        peer = measure_kamailio(os.path.join(folder, "kamailio"), authorities)
        ours = measure_fedge(os.path.join(folder, "fedge"), peer.half_rate)
        return report(ours, peer)


if __name__ == "__main__":
    sys.exit(main())
