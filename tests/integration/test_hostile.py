"""R10 T7: peers that do what they should not, with the tools that people do it with: sipp, sipsak,
openssl. Whatever comes, the appliance answers or closes, and the partner is served meanwhile."""
import asyncio
import os
import resource
import select
import socket
import subprocess
import threading
import time

import pytest

from tests.integration.conftest import free_port
from tests.lib import sip, sipp, topology
from tests.lib.site import Site

URI = f"sip:bob@{topology.DOMAIN}"
TUNNEL = 5070
SILENT = 3000


class FrontEnd:
    """Answers inside for as long as the module runs, in a thread of its own."""

    def __init__(self, site):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.server = site.inside.server()
        self.do(self.server.start())

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def stop(self):
        self.do(self.server.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


@pytest.fixture(scope="module")
def place(tmp_path_factory, pki_folder):
    made = Site(f"h{os.getpid() % 10000}", str(tmp_path_factory.mktemp("hostile")), pki_folder,
                f"127.0.0.1:{free_port()}")
    front_end = FrontEnd(made)
    try:
        yield made.start()
    finally:
        front_end.stop()
        made.remove()


async def serve_one(client, timeout=5):
    """Seconds that a MESSAGE took over a connection made for it."""
    start = time.monotonic()
    await client.connect(timeout)
    assert (await client.request("MESSAGE", URI, timeout)).status == 200
    took = time.monotonic() - start
    await client.close()
    return took


@pytest.fixture(autouse=True)
def still_alive(place):
    """After each test the same process serves the partner."""
    pid = place.appliance.pid_of("signal")
    yield
    asyncio.run(serve_one(place.partner.client()))
    assert place.appliance.pid_of("signal") == pid


@pytest.fixture
def tunnel(place):
    partner = place.partner
    made = sipp.to_appliance(partner.namespace, TUNNEL, partner.edge["4"], topology.EDGE,
                             partner.chain, partner.key, partner.trust,
                             f"{place.folder}/socat.log")
    yield made
    made.stop()


WHO = {"user": "bob", "to": topology.DOMAIN, "domain": topology.PARTNER,
       "host": topology.PARTNER_EDGE}
GOOD = sipp.REQUEST.format(method="OPTIONS", extra="", **WHO)
MALFORMED = {
    "two_call_ids": (GOOD.replace("Call-ID: [call_id]", "Call-ID: [call_id]\nCall-ID: other"), 400),
    "version": (GOOD.replace("SIP/2.0\nVia", "SIP/7.0\nVia"), 505),
    "scheme": (GOOD.replace("OPTIONS sip:", "OPTIONS mailto:"), 416),
    "spent": (GOOD.replace("Max-Forwards: 70", "Max-Forwards: 0"), 483),
    "forwards_of_nonsense": (GOOD.replace("Max-Forwards: 70", "Max-Forwards: many"), 400),
    "extension": (GOOD.replace("Max-Forwards", "Proxy-Require: antigravity\nMax-Forwards"), 420),
    "many_headers": (GOOD.replace("Max-Forwards", "X-More: x\n" * 150 + "Max-Forwards"), 513),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_R10_sipp_sends_what_is_malformed(place, tunnel, case):
    text, status = MALFORMED[case]
    scenario = sipp.scenario(case, sipp.send(text), sipp.receive(response=status))
    sipp.call(place.partner.namespace, place.folder, case, scenario, TUNNEL, calls=2)


def test_R10_sipsak_trashes_characters_at_random(place, tunnel):
    """Each request has one more character overwritten. What cannot be framed ends the connection,
    and that the run: so again and again."""
    for _ in range(10):
        done = subprocess.run(place.partner.namespace.command(
            "sipsak", "-R", "-t", "30", "-E", "tcp", "-p", f"127.0.0.1:{TUNNEL}", "-s", URI, "-D",
            "1", "-v"), capture_output=True, timeout=20)
        assert b"randomized chars" in done.stdout, done.stderr


# --- TLS ----------------------------------------------------------------------------------------

def s_client(site, *options):
    """The command line of openssl's own client as the partner."""
    partner = site.partner
    return partner.namespace.command(
        "openssl", "s_client", "-connect", f"{partner.edge['4']}:5061", "-cert", partner.chain,
        "-key", partner.key, "-CAfile", partner.trust, "-servername", topology.EDGE, *options)


def run_client(site, *options, say=b""):
    """How it ended, and what it printed."""
    done = subprocess.run(s_client(site, *options), input=say, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=10)
    return done.returncode, done.stdout


WEAK = "DEFAULT:COMPLEMENTOFALL:@SECLEVEL=0"  # whatever this openssl can still say


@pytest.mark.parametrize("options", [
    ("-tls1", "-cipher", WEAK), ("-tls1_1", "-cipher", WEAK), ("-tls1_3",),
    *(("-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
      for cipher in ("NULL", "aNULL", "RC4", "3DES", "PSK", "SRP"))],
    ids=lambda options: options[-1] if options[0] == "-tls1_2" else options[0])
def test_T2_old_versions_and_weak_ciphers_get_no_handshake(place, options):
    code, said = run_client(place, *options)
    assert code != 0, said
    assert b"BEGIN CERTIFICATE" not in said, "the server chose it"


def test_T2_what_is_offered_works_with_openssl(place):
    """The check of the tests around it."""
    code, said = run_client(place, "-tls1_2", say=b"Q\n")
    assert code == 0 and b"Verify return code: 0 (ok)" in said, said


def test_T2_renegotiation_is_refused(place):
    """Thirty clients ask for it, as those do that make a server compute."""
    clients = [subprocess.Popen(s_client(place, "-tls1_2"), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
               for _ in range(30)]
    for client in clients:
        client.stdin.write(b"R\n")
        client.stdin.flush()
    said = [client.communicate(timeout=20)[0] for client in clients]
    for text in said:
        assert b"RENEGOTIATING" in text and b"no renegotiation" in text, text
        assert text.count(b"depth=0") == 1, "one handshake each"


# --- connections that say nothing ---------------------------------------------------------------

def open_silent(source, count):
    """Connections of one address, on their way."""
    made = []
    for _ in range(count):
        made.append(socket.socket())
        made[-1].setblocking(False)
        made[-1].bind((source, 0))
        made[-1].connect_ex((topology.OUTSIDE["4"], 5061))
    return made


@pytest.mark.parametrize("say", [b"", b"\x16\x03\x01"], ids=["nothing", "a_beginning"])
def test_T7_silent_connections_of_one_source_keep_nobody_out(place, say):
    """3,000 of them, while a partner and a stranger come: who says nothing takes no handshake, and
    who begins and stops gives way to other sources."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, SILENT + 500), hard))
    for last in (66, 67):
        place.partner.namespace.sh("ip", "addr", "replace", f"10.1.0.{last}/24", "dev", "eth0")
    silent = place.partner.namespace.call(lambda: open_silent("10.1.0.66", SILENT))
    try:
        poll = select.epoll()
        for sock in silent:
            poll.register(sock, select.EPOLLOUT | select.EPOLLONESHOT)
        speaking, said = {sock.fileno(): sock for sock in silent}, 0
        while said < SILENT * 0.9:  # the fast path may hold back what is left of a flood
            ready = poll.poll(5)
            assert ready, f"{said} connected"
            for fd, _ in ready:
                said += 1
                if say:
                    speaking[fd].send(say)
        took = []
        for source in ("10.1.0.2", "10.1.0.67") * 5:
            client = place.partner.client()
            client.local = source
            took.append(asyncio.run(serve_one(client, 30)))
        assert max(took) < 1, took
    finally:
        for sock in silent:
            sock.close()
