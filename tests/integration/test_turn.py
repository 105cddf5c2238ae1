"""M1: coturn's clients against us, with one worker of the fast path and with two; and what a closed
port of a peer says."""
import contextlib
import re
import struct
import subprocess

import pytest

from tests.lib import topology, turn
from tests.lib.appliance import wait_until

PEER_PORT = "3480"


@pytest.fixture(params=[1, 2], ids=["1worker", "2workers"])
def turn_site(new_site, request):
    site = new_site()
    site.appliance.describe(fastpath_workers=request.param)
    site.workers = request.param
    site.start(topology.with_media(site.topology()))
    with contextlib.ExitStack() as stack:
        # One process a family: it answers what comes from where it went to.
        for address in topology.PARTNER_ADDRESS.values():
            peer = site.lab.partner.popen("turnutils_peer", "-p", PEER_PORT, "-L", address,
                                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(peer.wait)
            stack.callback(peer.kill)
        # The first packets to a neighbour wait for nobody: they are lost while it is looked for.
        uclient(site, "-c", "-n", "2")
        yield site


def start(site, *switches, family="4", **options):
    made = site.appliance.rest("POST", "/v1/media/credentials", {"identity": "alice"})
    return site.lab.partner.popen(
        "turnutils_uclient", "-u", made["username"], "-w", made["password"],
        "-L", topology.PARTNER_ADDRESS[family], "-e", topology.PARTNER_ADDRESS[family],
        "-r", PEER_PORT, *switches, topology.OUTSIDE[family],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def uclient(site, *switches, family="4", seconds=40):
    client = start(site, *switches, family=family)
    try:
        output = client.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        client.kill()
        raise RuntimeError("uclient did not end:\n" + client.communicate()[0][-3000:]) from None
    return client.returncode, output


def lost(output):
    """(lost, sent) as uclient counted them."""
    sent = re.findall(r"tot_send_msgs=(\d+)", output)
    missing = re.findall(r"Total lost packets (\d+)", output)
    assert sent and missing, output[-3000:]
    return int(missing[-1]), int(sent[-1])


SWITCHES = {
    "channels": [], "indications": ["-s"], "one_component": ["-c"],
    "between_clients": ["-y"], "extra_requests": ["-G"], "dont_fragment": ["-g"],
    "mobility": ["-M"], "ipv6_relays": ["-x", "-y", "-c"], "both_families": ["-Z"],
}


STREAMS = {"tcp": ["-t", "-p", "443"], "tls": ["-t", "-S"]}


@pytest.mark.parametrize("how", SWITCHES)
def test_M1_coturns_client_loses_nothing(turn_site, how):
    code, output = uclient(turn_site, *SWITCHES[how], "-m", "4", "-n", "30")
    assert code == 0, output[-3000:]
    missing, sent = lost(output)
    assert sent >= 60 and missing == 0, (output[-3000:], dropped(turn_site))


@pytest.mark.parametrize("how", STREAMS)
def test_M2_coturns_client_loses_nothing_over_streams(turn_site, how):
    code, output = uclient(turn_site, *STREAMS[how], "-c", "-m", "2", "-n", "10")
    assert code == 0, output[-3000:]
    missing, sent = lost(output)
    assert sent == 20 and missing == 0, (output[-3000:], dropped(turn_site))


def test_M1_coturns_client_may_not_change_a_channel(turn_site):
    """-N binds a peer to a second channel, and gives up when that is refused: by coturn too."""
    code, output = uclient(turn_site, "-N", "-c", "-n", "5")
    assert code == 255 and "channel bind: error 400" in output, output[-3000:]


def test_M1_those_who_connect_and_leave_cost_others_nothing(turn_site):
    uclient(turn_site, "-O", "-m", "2", "-n", "5")  # it may end at the 508 of a stale reservation
    code, output = uclient(turn_site, "-c", "-n", "20")
    assert code == 0 and lost(output)[0] == 0, (output[-3000:], dropped(turn_site))


def test_M1_a_client_that_garbles_its_messages_harms_nobody(turn_site):
    """-R: it waits for ever for what it garbled itself, with coturn, too."""
    box = turn_site.appliance
    before = [box.pid_of(process) for process in ("fastpath", "front")]
    garbling = [start(turn_site, "-R", *how, "-c", "-m", "4", "-n", "20")
                for how in ([], ["-s"], ["-y"], STREAMS["tcp"], STREAMS["tls"])]
    try:
        code, output = uclient(turn_site, "-c", "-n", "20")
        assert code == 0 and lost(output)[0] == 0, (output[-3000:], dropped(turn_site))
        assert before == [box.pid_of(process) for process in ("fastpath", "front")]
    finally:
        for client in garbling:
            client.kill()
            client.communicate()


def test_M1_ipv6_both_ways(turn_site):
    uclient(turn_site, "-x", "-c", "-n", "2", family="6")
    code, output = uclient(turn_site, "-x", "-c", "-n", "20", family="6")
    assert code == 0, output[-3000:]
    assert lost(output)[0] == 0, (output[-3000:], dropped(turn_site))


def test_M1_stun_clients_learn_their_address(turn_site):
    out = turn_site.lab.partner.sh("turnutils_stunclient", topology.OUTSIDE["4"])
    assert topology.PARTNER_ADDRESS["4"] in out, out


def test_M1_nat_discovery_finds_the_mapping(turn_site):
    out = turn_site.lab.partner.sh("turnutils_natdiscovery", "-m", "-f", topology.OUTSIDE["4"])
    assert out.count("UDP reflexive addr: " + topology.PARTNER_ADDRESS["4"]) >= 2, out


class Hearing(turn.Client):
    """What it hears of its peers' paths: (peer, type, code)."""
    ICMP = 0x8004

    def __init__(self, *where):
        self.errors = []
        super().__init__(*where)

    def listen(self):
        while True:
            try:
                packet = self.socket.recv(65536)
            except OSError:
                return
            found = turn.attributes_of(packet)
            if self.ICMP in found:
                peer = turn.read_address(found[turn.XOR_PEER_ADDRESS], packet[8:20])
                _, word = struct.unpack_from("!HH", found[self.ICMP])
                self.errors.append((peer, word >> 9, word & 0x1FF))
            with self.answered:
                if packet[8:20] in self.waiting:
                    self.waiting[packet[8:20]] = packet
                    self.answered.notify_all()


@pytest.mark.parametrize("family, unreachable", [("4", (3, 3)), ("6", (1, 4))])
def test_M1_a_client_hears_that_its_peers_port_is_closed(turn_site, family, unreachable):
    made = turn_site.appliance.rest("POST", "/v1/media/credentials", {"identity": "alice"})
    peer = (topology.PARTNER_ADDRESS[family], 9)
    wanted = [(0x0017, b"\x02\0\0\0")] if family == "6" else []
    with contextlib.ExitStack() as stack:
        clients = []
        # The errors come by one queue: they reach the clients of all workers' relay ports.
        while {(c.relayed[1] >> 1) % turn_site.workers for c in clients} != set(
                range(turn_site.workers)):
            assert len(clients) < 30
            clients.append(Hearing(turn_site.lab.partner, (topology.OUTSIDE["4"], 3478), made))
            stack.callback(clients[-1].close)
            clients[-1].allocate(*wanted).permit(peer)

        def hear():
            for client in clients:
                client.send(peer, b"is anybody there?")
            return all((peer, *unreachable) in client.errors for client in clients)

        wait_until(hear, 10, "the error of the closed port")


def dropped(site):
    return {name: count for name, count in site.appliance.metrics().items()
            if "dropped" in name and count}


def count(site, series):
    return site.appliance.metrics().get(series, 0)


def sent_by_clients(site):
    return count(site, 'fedge_media_packets_total{kind="turn",direction="from_client"}')


def test_M1_B4_allocations_outlive_a_kill_of_the_fast_path(turn_site):
    box = turn_site.appliance
    already = sent_by_clients(turn_site)
    client = start(turn_site, "-c", "-n", "400", "-z", "20")
    wait_until(lambda: sent_by_clients(turn_site) > already + 50, 10, "media")
    made = count(turn_site, "fedge_media_allocations_total")
    before = {s["id"] for s in box.rest("GET", "/v1/media/sessions")["sessions"]}
    box.kill("fastpath")
    at_kill = sent_by_clients(turn_site)
    wait_until(lambda: sent_by_clients(turn_site) > at_kill + 5, 2, "media is back")
    assert before <= {s["id"] for s in box.rest("GET", "/v1/media/sessions")["sessions"]}
    output = client.communicate(timeout=40)[0]
    assert client.returncode == 0, output[-3000:]
    assert count(turn_site, "fedge_media_allocations_total") == made
    missing, sent = lost(output)
    assert missing < sent / 4, output[-3000:]
