"""B4 of fedge-init alone: small stand-ins for the other programs speak the link's protocol."""
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from tests.lib.appliance import PROCESSES, PROGRAMS, RestError, wait_until
from tests.lib.netns import run

INIT = os.path.join(PROGRAMS, "fedge-init")

# Says that it is ready, writes down what it is given, ends when told to; or misbehaves as
# the file `behaviour` beside it says.
STAND_IN = r'''#!/usr/bin/python3
import array, json, os, signal, socket, struct, sys
folder = os.path.dirname(sys.argv[0])
name = os.path.basename(sys.argv[0]).removeprefix("fedge-")
try:
    behaviour = json.load(open(folder + "/behaviour")).get(name)
except OSError:
    behaviour = None
if behaviour == "crash":
    sys.exit(3)
link = socket.socket(fileno=3)
def say(**what):
    print("@" + json.dumps({"who": name, **what}), flush=True)
say(uid=os.getuid(), net=os.readlink("/proc/self/ns/net"), args=sys.argv[1:])
link.setblocking(True)
link.send(struct.pack("<H", 1))
if behaviour == "forbidden":
    link.send(struct.pack("<H", 12))
while True:
    data, extra, _, _ = link.recvmsg(70000, socket.CMSG_SPACE(4 * 32))
    if not data:
        break
    kind = struct.unpack_from("<H", data)[0]
    fds = array.array("i")
    for _, _, more in extra:
        fds.frombytes(more[:len(more) - len(more) % 4])
    say(kind=kind, body=data[2:].hex(), fds=len(fds))
    for fd in fds:
        os.close(fd)
    if kind == 12 and behaviour != "deaf":
        break
'''

LINK_OPENED, COUNTERS, SEALING_KEY, NETLINK, LISTENING = 2, 3, 8, 10, 11
INDEX = {"control": 1, "fastpath": 2, "signal": 3, "agent": 4, "front": 5}


class Box:
    """fedge-init over stand-ins, with two virtual ports whose other ends stay on the machine."""

    def __init__(self, name, folder, port):
        self.name, self.folder = name, str(folder)
        os.chmod(self.folder, 0o700)  # only root may go there: init must cope
        self.state = os.path.join(self.folder, "state")
        self.programs = os.path.join(self.folder, "bin")
        os.makedirs(self.programs)
        for process in PROCESSES:
            path = os.path.join(self.programs, f"fedge-{process}")
            with open(path, "w", encoding="ascii") as file:
                file.write(STAND_IN)
            os.chmod(path, 0o755)
        self.ports = [f"{name}a", f"{name}b"]
        for device in self.ports:
            run("ip", "link", "add", device, "type", "veth", "peer", "name", device + "x")
            run("ip", "link", "set", device + "x", "up")
        self.config = os.path.join(self.folder, "board.json")
        self.write_config({"instance": name, "state": self.state, "programs": self.programs,
                           "management": f"127.0.0.1:{port}",
                           "ports": [{"name": f"port{i}", "interface": d}
                                     for i, d in enumerate(self.ports)]})
        self.log = os.path.join(self.folder, "log")
        self.process = None

    def write_config(self, config):
        with open(self.config, "w", encoding="ascii") as file:
            json.dump(config, file)

    def behave(self, **behaviour):
        path = os.path.join(self.programs, "behaviour")
        with open(path, "w", encoding="ascii") as file:
            json.dump(behaviour, file)
        os.chmod(path, 0o644)

    def start(self, ready=PROCESSES):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([INIT, "--config", self.config], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        wait_until(lambda: all(self.status(p).get("ready") for p in ready), 10,
                   f"{self.name} starts: {self.text()}")
        return self

    def status(self, process):
        try:
            with open(f"/run/fedge/{self.name}/status.json", encoding="ascii") as file:
                status = json.load(file)
        except (OSError, ValueError):
            return {}
        return status["processes"][process] if status["pid"] == self.process.pid else {}

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def said(self, who):
        return [entry for line in self.text().splitlines() if line.startswith("@")
                for entry in [json.loads(line[1:])] if entry["who"] == who]

    def given(self, who, kind):
        return [bytes.fromhex(e["body"]) for e in self.said(who) if e.get("kind") == kind]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(10) == 0

    def remove(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for suffix in ("wire", "punt"):
            run("ip", "netns", "del", f"{self.name}-{suffix}", check=False)
        for device in self.ports:
            run("ip", "link", "del", device + "x", check=False)


@pytest.fixture
def new_box(tmp_path):
    boxes = []

    def make():
        number = len(boxes)
        folder = tmp_path / f"box{number}"
        folder.mkdir()
        boxes.append(Box(f"i{os.getpid() % 10000}{number}", folder, 18700 + number))
        return boxes[-1]

    yield make
    for box in boxes:
        box.remove()


@pytest.fixture
def box(new_box):
    return new_box()


def namespaces():
    return run("ip", "netns", "list")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_B4_each_process_starts_in_its_place_with_its_means(box):
    box.start()
    first = {p: box.said(p)[0] for p in PROCESSES}
    uids = {"control": 64301, "fastpath": 0, "signal": 64303, "agent": 64304, "front": 64305}
    assert {p: first[p]["uid"] for p in PROCESSES} == uids
    here = os.readlink("/proc/self/ns/net")
    assert first["control"]["net"] == first["agent"]["net"] == here
    assert len({here, first["fastpath"]["net"], first["signal"]["net"]}) == 3
    assert first["front"]["net"] == first["signal"]["net"]
    assert first["fastpath"]["args"][:2] == ["--instance", box.name]
    assert f"port1={box.ports[1]}" in first["fastpath"]["args"]
    wait_until(lambda: len(box.given("control", COUNTERS)) == 6, 5, "control sees all counters")
    assert len(box.given("control", SEALING_KEY)) == 5, "each one's: it seals for them"
    wait_until(lambda: box.given("fastpath", NETLINK), 5, "the fast path follows the kernel")
    assert len(box.given("fastpath", SEALING_KEY)) == 1, "its own"
    wait_until(lambda: box.given("agent", LISTENING), 5, "agent has its socket")
    wait_until(lambda: box.given("signal", LINK_OPENED), 5, "signal has its link")
    assert box.given("signal", LINK_OPENED)[-1] == bytes([INDEX["fastpath"]])
    assert os.stat(os.path.join(box.state, "seal", "signal.key")).st_mode & 0o777 == 0o600


def test_B4_the_wire_is_silent(box):
    box.start()
    wire = ["ip", "netns", "exec", f"{box.name}-wire"]
    assert "inet" not in run(*wire, "ip", "addr", "show")
    assert "PROMISC" in run(*wire, "ip", "link", "show", box.ports[0])
    device = box.ports[0] + "x"
    run("ip", "addr", "add", "10.99.77.1/24", "dev", device)
    run(*wire, "ip", "link", "set", "lo", "up")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("10.99.77.2", 9))
        # The kernel asks three times, a second apart, and gives up.
        wait_until(lambda: "FAILED" in run("ip", "neigh", "show", "10.99.77.2", "dev", device), 6,
                   "nobody answers")


def test_B4_a_clean_stop_removes_everything(box):
    box.start()
    assert f"{box.name}-punt" in namespaces()
    box.stop()
    assert box.name not in namespaces()
    links = run("ip", "-br", "link")
    assert all(f"{device}@" in links for device in box.ports)
    assert not os.path.exists(f"/run/fedge/{box.name}")


@pytest.mark.parametrize("process", PROCESSES)
def test_B4_a_killed_process_is_back_with_its_links(box, process):
    box.start()
    before = box.status(process)
    peers = {"control": ["agent"], "agent": ["control"], "signal": ["fastpath"],
             "fastpath": ["signal", "front"], "front": ["fastpath"]}[process]
    opened = {p: len(box.given(p, LINK_OPENED)) for p in peers}
    started = time.monotonic()
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: box.status(process).get("pid") not in (before["pid"], None, 0)
               and box.status(process)["ready"], 5, f"{process} is back")
    assert time.monotonic() - started < 1
    assert box.status(process)["restarts"] == 1
    assert "killed by signal 9" in box.status(process)["last_end"]
    for peer in peers:
        wait_until(lambda p=peer: len(box.given(p, LINK_OPENED)) == opened[p] + 1, 5,
                   f"{peer} has a new link")
    others = [p for p in PROCESSES if p != process]
    assert all(box.status(p)["restarts"] == 0 for p in others)


def test_B4_a_process_that_always_fails_is_started_ever_later(box):
    box.behave(signal="crash")
    box.start(ready=[p for p in PROCESSES if p != "signal"])
    wait_until(lambda: box.status("signal").get("restarts", 0) >= 4, 10, "four attempts")
    waits = [int(ms) for ms in
             re.findall(r"signal exited with status 3 .* next start in (\d+) ms", box.text())]
    assert waits[:4] == [0, 100, 200, 400]
    assert all(box.status(p)["restarts"] == 0 for p in PROCESSES if p != "signal")


def test_B4_a_process_that_breaks_the_rules_of_its_link_is_replaced(box):
    box.behave(agent="forbidden")
    box.start(ready=[p for p in PROCESSES if p != "agent"])
    wait_until(lambda: box.status("agent").get("restarts", 0) >= 1, 5, "agent is replaced")
    assert all(box.status(p)["restarts"] == 0 for p in PROCESSES if p != "agent")


def test_B4_a_process_that_does_not_stop_is_killed(box):
    box.behave(signal="deaf")
    box.start()
    started = time.monotonic()
    box.stop()
    assert 2.5 < time.monotonic() - started < 6
    assert "signal does not stop; it is killed" in box.text()
    assert box.name not in namespaces()


def test_B4_init_killed_leaves_no_process_and_starts_again_over_the_rest(box):
    box.start()
    pids = [box.status(p)["pid"] for p in PROCESSES]
    box.process.kill()
    box.process.wait()
    wait_until(lambda: not any(alive(pid) for pid in pids), 3, "the others end with init")
    assert f"{box.name}-wire" in namespaces()
    box.start()
    box.stop()
    assert box.name not in namespaces()


def test_B4_an_instance_runs_once(box):
    box.start()
    second = subprocess.run([INIT, "--config", box.config], capture_output=True, text=True,
                            timeout=10)
    assert second.returncode == 1
    assert "runs on this machine already" in second.stderr
    assert all(box.status(p)["running"] for p in PROCESSES)


def test_B4_two_instances_leave_each_other_alone(new_box):
    first, second = new_box().start(), new_box().start()
    pids = [second.status(p)["pid"] for p in PROCESSES]
    first.stop()
    assert all(alive(pid) for pid in pids)
    assert f"{second.name}-wire" in namespaces() and first.name not in namespaces()


def test_B4_a_missing_port_is_named_and_nothing_is_left(box):
    run("ip", "link", "del", box.ports[1])
    out = subprocess.run([INIT, "--config", box.config], capture_output=True, text=True, timeout=10)
    assert out.returncode == 1
    assert f"port port1: there is no interface {box.ports[1]}" in out.stderr
    assert box.name not in namespaces()
    assert f"{box.ports[0]}@" in run("ip", "-br", "link")


def test_B4_check_tells_all_that_is_wrong(box):
    good = subprocess.run([INIT, "--check", "--config", box.config], capture_output=True, text=True)
    assert good.returncode == 0, good.stderr
    box.write_config({"instance": "No", "ports": [{"name": "p"}], "colour": 1})
    bad = subprocess.run([INIT, "--check", "--config", box.config], capture_output=True, text=True)
    assert bad.returncode == 1
    for path in ("/instance: ", "/ports/0/interface: is missing", "/colour: "):
        assert path in bad.stderr


def test_B4_R11_realms_follow_a_publish_and_connections_live_on(site):
    punt = ["ip", "netns", "exec", f"{site.lab.name}-punt"]

    def taps():
        return run(*punt, "ip", "-br", "addr")

    async def scenario():
        server = await site.inside.server().start()
        client = await site.partner.client().connect()
        topology = site.topology()
        grown = json.loads(json.dumps(topology))
        grown["realms"].append({"name": "lab", "port": topology["realms"][0]["port"], "vlan": 77,
                                "mtu": 1400, "addresses": [{"address": "10.77.0.1/24"}]})
        loop = asyncio.get_running_loop()
        for document, there in ((grown, True), (topology, False)):
            await loop.run_in_executor(None, site.appliance.publish, document)
            await loop.run_in_executor(None, lambda want=there: wait_until(
                lambda: ("lab" in taps()) == want, 5, f"the tap's presence is {want}"))
            if there:
                assert "10.77.0.1/24" in taps()
                assert "mtu 1400" in run(*punt, "ip", "link", "show", "lab")
            assert (await client.request("MESSAGE", "sip:bob@example.com")).status == 200
        await client.close()
        await server.stop()

    asyncio.run(scenario())


def test_B4_P1_a_port_that_the_box_does_not_have_is_refused_in_words(site):
    before = site.appliance.rest("GET", "/v1/status")["revision"]
    topology = site.topology()
    topology["ports"][0]["device"] = "port9"
    try:
        answer = json.dumps(site.appliance.publish(topology))
    except RestError as error:
        answer = json.dumps(error.body)
    assert "port9, which this box does not have" in answer
    wait_until(lambda: "is refused" in site.appliance.tail(200), 5, "init says so")
    site.appliance.publish(site.topology())
    assert site.appliance.rest("GET", "/v1/status")["revision"] > before
