"""The peers of the media benches between a partner and an inside namespace over plain veth, and
our own box in the same place: coturn, rtpengine in user space, fedge."""
import asyncio
import json
import os
import re
import resource
import socket
import subprocess

from tests.bench.report import FOLDER
from tests.lib import sip, topology
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

    def trial(self, rate, seconds):
        """Of a relay: what became of packets at that rate. `cpu`: us of each relayed packet."""
        self.process.stdin.write(f"{rate:.0f} {seconds}\n")
        self.process.stdin.flush()
        found = self.read()
        found["cpu"] = sum(found["cpu_us"].values())
        return found

    def stop(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def encode(value):
    """Bencode, as rtpengine's ng protocol has it."""
    if isinstance(value, dict):
        return b"d" + b"".join(encode(k) + encode(value[k]) for k in sorted(value)) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    octets = value.encode()
    return b"%d:%s" % (len(octets), octets)


def sdp(address, port):
    return (f"v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n")


class Rtpengine(Daemon):
    """Calls between virtual callers outside and virtual phones inside."""

    CONTROL = ("127.0.0.1", 2223)

    def __init__(self, lab, folder, calls):
        super().__init__(lab, folder, "rtpengine", [
            "rtpengine", "-f", "-E", "-L", "3", "--table=-1", "-i", f"outside/{OUTSIDE}", "-i",
            f"inside/{INSIDE}", "-n", "%s:%d" % self.CONTROL, "-m", "20000", "-M", "60000",
            "--num-threads=1", "--pidfile", os.path.join(folder, "rtpengine.pid")])
        self.flows = os.path.join(folder, "rtpengine.flows")
        self.control = lab.edge.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        try:
            wait_until(lambda: listens(lab.edge, "udp", 2223), 10, "rtpengine listens")
            self.control.connect(self.CONTROL)
            self.control.settimeout(5)
            with open(self.flows, "w", encoding="ascii") as file:
                for i in range(calls):
                    file.write(self.set_up(i))
        except BaseException:
            self.stop()
            raise

    def load(self):
        return ["--flows", self.flows]

    def ask(self, number, request):
        self.control.send(b"%d " % number + encode(request))
        answer = self.control.recv(65535)
        if b"6:result2:ok" not in answer:
            raise RuntimeError(f"rtpengine: {answer}")
        return media_of(answer.decode())

    def set_up(self, i):
        caller, called = callers(i)
        call = {"call-id": f"bench-{i}", "from-tag": f"from{i}", "ICE": "remove",
                "replace": ["origin"], "flags": ["trust-address"]}
        offered = self.ask(2 * i, {**call, "command": "offer", "sdp": sdp(*caller),
                                   "direction": ["outside", "inside"]})
        answered = self.ask(2 * i + 1, {**call, "command": "answer", "to-tag": f"to{i}",
                                        "sdp": sdp(*called)})
        return flow(caller, answered, called, offered)

    def stop(self):
        self.control.close()
        super().stop()


def callers(i):
    """Where a call's ends are, both the generator's."""
    return ("10.1.0.16", 10000 + 2 * i), ("10.2.0.128", 10000 + 2 * i)


def media_of(text):
    """Where the SDP in `text` wants its audio."""
    return (re.search(r"c=IN IP4 ([\d.]+)", text).group(1),
            int(re.search(r"m=audio (\d+)", text).group(1)))


def flow(caller, to_caller_side, called, to_called_side):
    """A line of turn_load: who sends where."""
    return "%s %d %s %d %s %d %s %d\n" % (*caller, *to_caller_side, *called, *to_called_side)


class Calls:
    """Calls through our box, anchored, by SIP: each stays while the event loop runs."""

    SDP = ("Content-Type", "application/sdp")

    def __init__(self, fedge, folder):
        self.site, self.pids = fedge.site, fedge.pids
        self.flows = os.path.join(folder, "fedge.flows")
        self.invites = {}
        self.server = self.client = None

    def load(self):
        return ["--flows", self.flows]

    def answer(self, request):
        if request.method != "INVITE":
            return [] if request.method == "ACK" else [sip.reply(request, 200, "OK")]
        call_id = request.get("Call-ID")
        self.invites[call_id] = request
        routes = [("Record-Route", r) for r in request.all("Record-Route")]
        contact = ("Contact", f"<sip:bob@{topology.INSIDE_ADDRESS['4']}:5061;transport=tls>")
        return [sip.reply(request, 200, "OK", [contact, self.SDP, *routes],
                          sdp(*self.called).encode())]

    async def start(self, calls):
        self.server = await self.site.inside.server(handler=self.answer).start()
        self.client = await self.site.partner.client().connect()
        with open(self.flows, "w", encoding="ascii") as file:
            for i in range(calls):
                file.write(await self.set_up(i))

    async def set_up(self, i):
        caller, self.called = callers(i)
        invite = self.client.build("INVITE", "sip:bob@example.com", headers=[self.SDP],
                                   body=sdp(*caller).encode())
        async for response in self.client.responses(invite):
            final = response
        if final.status != 200:
            raise RuntimeError(f"call {i}: {final.status}")
        await self.client.send(self.client.build(
            "ACK", sip.contact_uri(final), call_id=invite.get("Call-ID"), to=final.get("To"),
            tag=invite.get("From").split("tag=")[1], routes=sip.record_routes(final)))
        offered = self.invites[invite.get("Call-ID")]
        return flow(caller, media_of(final.body.decode()), self.called,
                    media_of(offered.body.decode()))

    async def stop(self):
        # The box keeps connections to the phones: they end with the loop, and it would complain.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        if self.client:
            await self.client.close()
        if self.server:
            await self.server.stop()
