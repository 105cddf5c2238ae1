"""M9: coturn's client over TCP relays (RFC 6062): its peer is a server, or the client itself."""
import contextlib
import re
import socket
import subprocess
import threading

import pytest

from tests.lib import topology
from tests.lib.appliance import wait_until

SERVER = topology.OUTSIDE["4"]
PARTNER = topology.PARTNER_ADDRESS["4"]
TCP, TLS = 443, 5349


@pytest.fixture
def site(new_site):
    site = new_site()
    site.start(topology.with_media(site.topology()))
    return site


@pytest.fixture
def listening(site):
    with site.lab.partner.call(lambda: socket.create_server((PARTNER, 0))) as listening:
        yield listening


def echo(listening):
    """Gives everybody back what they say, until nobody listens any more."""
    def serve(peer):
        with peer, contextlib.suppress(OSError):
            while octets := peer.recv(65536):
                peer.sendall(octets)

    with contextlib.suppress(OSError):
        while True:
            threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()


def uclient(site, port, *switches):
    made = site.appliance.rest("POST", "/v1/media/credentials", {"identity": "alice"})
    client = site.lab.partner.popen(
        "turnutils_uclient", "-c", "-u", made["username"], "-w", made["password"],
        "-L", PARTNER, "-p", str(port), "-m", "2", "-t", *switches, SERVER,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output = client.communicate(timeout=30)[0]
    except subprocess.TimeoutExpired:
        client.kill()
        output = client.communicate()[0]
    assert client.returncode == 0, output[-3000:]
    return output


@pytest.mark.parametrize("switches,port", [((), TCP), (("-S",), TLS)])
def test_M9_coturns_client_loses_nothing(site, listening, switches, port):
    """coturn's own peer has no TCP."""
    threading.Thread(target=echo, args=(listening,), daemon=True).start()
    output = uclient(site, port, "-T", "-n", "20", *switches,
                     "-e", PARTNER, "-r", str(listening.getsockname()[1]))
    assert "Total lost packets 0 " in output, output[-3000:]


def test_M9_coturns_client_takes_a_peers_connection(site):
    """-P: the client's other half is the peer and connects in. It sends as much as the first, whose
    messages it does not count when they come: half of all are lost by its count, with coturn, too."""
    output = uclient(site, TCP, "-P", "-n", "10")
    counted = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", output)
    assert counted[-1] == ("20", "10"), output[-3000:]
    both = [f'fedge_front_peer_octets_total{{to="{to}"}}' for to in ("client", "peer")]
    wait_until(lambda: [site.appliance.metrics()[series] for series in both] == [1000, 1000], 5,
               "ten messages of 100 octets each way")
