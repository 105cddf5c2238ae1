"""R7: two appliances that point at each other. Every request ends, after a number of messages that
the rules of RFC 3261 and RFC 5393 bound, and other calls are answered meanwhile.

          10.1.0.1 ┌───┐ 10.2.0.1                        outer and inner are namespaces: routers
     outer ────────┤ A ├──────── inner                   between A and B, and the front end of
       │           └───┘           │                     both. Relays in outer take a request
       │           ┌───┐           │                     from one and give it to the other, so
       └───────────┤ B ├───────────┘                     changed that no Via tells of a loop.
          10.3.0.1 └───┘ 10.4.0.1
"""
import asyncio
import itertools
import os
import ssl

import pytest

from tests.integration.conftest import free_port
from tests.lib import sip, topology
from tests.lib.appliance import Appliance, wait_until
from tests.lib.netns import Namespace, Wire
from tests.lib.pki import Authority

LOOP = "loop.example"
OUTSIDE = {"a": "10.1.0", "b": "10.3.0"}
INSIDE = {"a": "10.2.0", "b": "10.4.0"}
OTHER = {"a": "b", "b": "a"}
CARRIER = "carrier.example"  # what the relays call themselves when they connect
RELAYS = {"relay1.example": 5061, "relay2.example": 5062}


def hop(host, address, side, port=5061):
    """A member of a pool, reached through that side."""
    return {"host": host, "addresses": [address], "port": port, "transport": "tls",
            "realm": side, "tls": side}


def document(who, management, routes):
    """`routes` are pools that the looping domain leads to, all at once when several."""
    them = OTHER[who]
    found = topology.standard()
    found["appliance"] = {"name": f"edge-{who}", "fqdn": f"out.{who}.example", "site": "hq"}
    found["edge_pool"]["fqdn"] = f"out.{who}.example"
    found["realms"] = [
        {"name": name, "port": port, "addresses": [{"address": f"{net[who]}.1/24"}],
         "routes": [{"to": f"{net[them]}.0/24", "via": f"{net[who]}.2"}]}
        for name, port, net in (("outside", "wan", OUTSIDE), ("inside", "lan", INSIDE))]
    found["tls_contexts"] = [
        {"name": side, "certificates": [side], "trust": ["all"], "client_certificate": "required"}
        for side in ("outside", "inside")]
    found["listeners"] = [topology.listener(side, side, f"{net[who]}.1", side)
                          for side, net in (("outside", OUTSIDE), ("inside", INSIDE))]
    found["presence_domains"] = [f"{who}.example"]
    pools = {"frontend": hop(topology.FRONT_END, f"{INSIDE[who]}.2", "inside"),
             "carrier": hop(CARRIER, f"{OUTSIDE[who]}.2", "outside", 5069),
             "out": hop(f"out.{them}.example", f"{OUTSIDE[them]}.1", "outside"),
             "in": hop(f"in.{them}.example", f"{INSIDE[them]}.1", "inside")}
    for relay, port in RELAYS.items():
        pools[relay.split(".", 1)[0]] = hop(relay, f"{OUTSIDE[who]}.2", "outside", port)
    found["next_hop_pools"] = [{"name": n, "members": [h]} for n, h in pools.items()]
    found["static_routes"] = [
        {"pattern": f"{them}.example", "type": "domain", "next_hop_pool": "out"},
        *({"pattern": LOOP, "type": "domain", "next_hop_pool": pool,
           **({"forking": "all"} if len(routes) > 1 else {})} for pool in routes)]
    found["partners"] = []
    found["management"] = management
    found["timers"] = {"health_interval_ms": 500}
    return found


class Pair:
    """Both appliances, running; point() says where each sends the looping domain."""

    def __init__(self, folder, pki_folder):
        self.folder = folder
        self.authority = Authority(pki_folder, "loops")
        name = f"l{os.getpid() % 10000}"
        self.outer, self.inner = Namespace(f"{name}-outer"), Namespace(f"{name}-inner")
        self.wires, self.boxes = [], {}
        for index, who in enumerate("ab"):
            devices = {}
            for port, namespace, net in (("port0", self.outer, OUTSIDE),
                                         ("port1", self.inner, INSIDE)):
                devices[port] = f"{name}{who}{port[-1]}"
                self.wires.append(Wire(namespace, devices[port], [f"{net[who]}.2/24"],
                                       peer_device=f"eth{index}"))
            self.boxes[who] = Appliance(f"{name}{who}", os.path.join(folder, who), devices,
                                        f"127.0.0.1:{free_port()}")
        for namespace in (self.outer, self.inner):
            namespace.sh("sysctl", "-qw", "net.ipv4.ip_forward=1")

    def start(self):
        for box in self.boxes.values():
            box.start(wait=0)
        for who, box in self.boxes.items():
            wait_until(box.healthy, 20, f"{box.name} starts (see {box.log})")
            box.import_trust("all", self.authority.certificate)
            for side, name in (("outside", "out"), ("inside", "in")):
                box.import_certificate(side, *self.authority.issue(f"{name}.{who}.example"))
        return self

    def point(self, **routes):
        for who, pools in routes.items():
            host, port = self.boxes[who].management.rsplit(":", 1)
            self.boxes[who].publish(document(
                who, {"addresses": [host], "port": int(port), "certificate": "management"}, pools))

    def identity(self, host):
        return (*self.authority.issue(host), self.authority.certificate)

    def front_end(self, who):
        return sip.Server(self.inner, f"{INSIDE[who]}.2", 5061, *self.identity(topology.FRONT_END))

    def client(self, who):
        return sip.Client(self.inner, (f"{INSIDE[who]}.1", 5061),
                          *self.identity(topology.FRONT_END), f"in.{who}.example",
                          f"{who}.example", topology.FRONT_END)

    def seen(self, method="message"):
        """(requests that A was sent, that B was sent) since they started."""
        return tuple(sum(v for k, v in self.boxes[w].metrics().items()
                         if k.startswith("fedge_signal_requests_total") and f'"{method}"' in k)
                     for w in "ab")

    def refused(self, who, reason):
        return sum(v for k, v in self.boxes[who].metrics().items()
                   if k.startswith("fedge_signal_refused_total") and f'"{reason}"' in k)

    def serves(self, hosts):
        """Whether neither appliance takes one of these next hops for down."""
        hops = [h for box in self.boxes.values()
                for h in box.rest("GET", "/v1/next-hops")["next_hops"] if h["host"] in hosts]
        return hops and all(h["state"] in ("up", "unknown") for h in hops)

    def pids(self):
        return [self.boxes[w].pid_of("signal") for w in "ab"]

    def remove(self):
        for box in self.boxes.values():
            box.stop()
        for wire in self.wires:
            wire.remove()
        for namespace in (self.outer, self.inner):
            namespace.remove()


@pytest.fixture(scope="module")
def pair(tmp_path_factory, pki_folder):
    made = Pair(str(tmp_path_factory.mktemp("loops")), pki_folder)
    try:
        yield made.start()
    finally:
        made.remove()


class Relay:
    """Sends what it is sent on to `onward`, under another Request-URI and Call-ID every time, and
    takes the answers back. Nothing else changes: not Max-Forwards, not Max-Breadth."""

    serial = itertools.count(1)

    def __init__(self, pair, host, address, onward, name):
        self.pair, self.host, self.address, self.onward = pair, host, address, onward
        self.name = name  # of the appliance it goes on to
        self.server, self.writer, self.tasks = None, None, set()
        self.waiting, self.requests = {}, 0

    async def start(self):
        pair = self.pair
        listener = sip.Server(pair.outer, *self.address, *pair.identity(self.host))
        listener.serve = self.serve
        self.server = await listener.start()
        client = sip.Client(pair.outer, self.onward, *pair.identity(CARRIER), self.name,
                            CARRIER, CARRIER)
        client.read = self.read
        self.client = await client.connect()
        return self

    async def serve(self, reader, writer):
        self.server.writers.add(writer)
        try:
            while True:
                request = await sip.read_message(reader)
                if request.method == "OPTIONS":  # a next hop's health
                    writer.write(sip.reply(request, 200, "OK").encode())
                    continue
                self.requests += 1
                number = next(self.serial)
                method = request.start.split()[0]
                self.waiting[f"z9hG4bKrelay{number}"] = (writer, request.get("Call-ID"))
                request.start = f"{method} sip:{number}@{LOOP} SIP/2.0"
                request.headers = [
                    ("Via", f"SIP/2.0/TLS {CARRIER}:5069;branch=z9hG4bKrelay{number}"),
                    *((n, f"{number}@{CARRIER}" if n == "Call-ID" else v)
                      for n, v in request.headers)]
                self.client.writer.write(request.encode())
        except (EOFError, ConnectionError, ssl.SSLError, OSError):
            pass
        finally:
            self.server.writers.discard(writer)
            writer.close()

    async def read(self, reader, _):
        while True:
            try:
                response = await sip.read_message(reader)
            except (EOFError, ConnectionError, ssl.SSLError, OSError):
                return
            branch = response.get("Via").split("branch=")[1].split(";")[0]
            writer, call_id = self.waiting[branch]
            response.headers = [(n, call_id if n == "Call-ID" else v)
                                for n, v in response.headers[1:]]
            if not writer.is_closing():
                writer.write(response.encode())

    async def stop(self):
        await self.client.close()
        await self.server.stop()


async def relays(pair, names):
    """Between both appliances, both ways, one for each name; known to be up."""
    between = [await Relay(pair, name, (f"{OUTSIDE[who]}.2", RELAYS[name]),
                           (f"{OUTSIDE[OTHER[who]]}.1", 5061), f"out.{OTHER[who]}.example").start()
               for name in names for who in "ab"]
    await asyncio.get_running_loop().run_in_executor(
        None, lambda: wait_until(lambda: pair.serves(names), 10, "the relays are up"))
    return between


class Bystanders:
    """MESSAGEs through both appliances, each way, while something else goes on."""

    def __init__(self, pair):
        self.pair = pair

    async def __aenter__(self):
        self.servers = [await self.pair.front_end(w).start() for w in "ab"]
        self.clients = [await self.pair.client(w).connect() for w in "ab"]
        self.loads = [sip.Load(lambda c=c, to=to: c.request("MESSAGE", f"sip:bob@{to}.example"), 20)
                      for c, to in zip(self.clients, "ba")]
        self.running = [asyncio.create_task(load.run(60)) for load in self.loads]
        return self

    async def __aexit__(self, kind, *_):
        for load in self.loads:
            load.stop()
        await asyncio.gather(*self.running)
        for client in self.clients:
            await client.close()
        for server in self.servers:
            await server.stop()
        if kind is None:
            for load in self.loads:
                assert load.failures == []
                assert load.good > 0

    def passed(self):
        """Requests that A and B saw of these: each went through both."""
        return sum(load.good + len(load.tasks) for load in self.loads)


async def ask(pair, method="MESSAGE", seconds=10):
    client = await pair.client("a").connect()
    try:
        return await client.request(method, f"sip:bob@{LOOP}", timeout=seconds)
    finally:
        await client.close()


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_R7_what_came_from_there_is_not_sent_back_there(pair, method):
    pair.point(a=["out"], b=["out"])
    before, came = pair.seen(method.lower()), pair.refused("b", "came_from_there")
    answer = asyncio.run(ask(pair, method))
    assert answer.status == 482
    after = pair.seen(method.lower())
    assert [y - x for x, y in zip(before, after)] == [1, 1]
    assert pair.refused("b", "came_from_there") == came + 1


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_R7_a_loop_over_two_wires_ends_at_its_first_return(pair, method):
    """B sends it on to A's other name, so that only the Vias tell."""
    pair.point(a=["out"], b=["in"])
    before, loops = pair.seen(method.lower()), pair.refused("a", "loop")
    answer = asyncio.run(ask(pair, method))
    assert answer.status == 482
    after = pair.seen(method.lower())
    assert [y - x for x, y in zip(before, after)] == [2, 1]
    assert pair.refused("a", "loop") == loops + 1


def test_R7_a_loop_that_no_Via_tells_of_ends_by_Max_Forwards(pair):
    pair.point(a=["relay1"], b=["relay1"])
    pids, before, at_once = pair.pids(), pair.seen("service"), 20

    async def scenario():
        between = await relays(pair, ["relay1.example"])
        async with Bystanders(pair):
            answers = await asyncio.gather(*(ask(pair, "SERVICE") for _ in range(at_once)))
        assert [a.status for a in answers] == [483] * at_once
        assert sum(r.requests for r in between) == 70 * at_once
        for relay in between:
            await relay.stop()
    asyncio.run(scenario())
    # Max-Forwards 70, 68 … 0 at A, 69 … 1 at B.
    after = pair.seen("service")
    assert [y - x for x, y in zip(before, after)] == [36 * at_once, 35 * at_once]
    assert pair.pids() == pids


@pytest.mark.parametrize("method", ["SERVICE", "INVITE"])
def test_R7_two_forking_appliances_stop_at_the_first_return(pair, method):
    """A sends it to both names of B, B each of these to both names of A: what returns is a loop."""
    pair.point(a=["out", "in"], b=["out", "in"])
    pids, before = pair.pids(), pair.seen(method.lower())

    async def scenario():
        async with Bystanders(pair):
            answer = await ask(pair, method)
        assert answer.status == 482
    asyncio.run(scenario())
    at_a, at_b = (y - x for x, y in zip(before, pair.seen(method.lower())))
    assert at_b == 2, "one for each branch"
    assert 3 <= at_a <= 5, "the caller's, and what came back"
    assert pair.pids() == pids


def test_R7_a_forked_loop_that_no_Via_tells_of_is_bounded_by_Max_Breadth(pair):
    """RFC 5393: without the bound 2^70 messages. Max-Breadth 60 is divided at each fork: no round
    can send more than 60, and where 1 is left there is no fork but 440."""
    pair.point(a=["relay1", "relay2"], b=["relay1", "relay2"])
    pids, before = pair.pids(), pair.seen("service")

    async def scenario():
        between = await relays(pair, RELAYS)
        async with Bystanders(pair):
            answer = await ask(pair, "SERVICE", 30)
        assert answer.status == 440
        sent = sum(r.requests for r in between)
        for relay in between:
            await relay.stop()
        return sent
    sent = asyncio.run(scenario())
    # Divided by two each time: 60, 30, 15, 8 or 7, 4 or 3, 2 or 1. Four of the last have 1 left.
    assert sent == 2 + 4 + 8 + 16 + 32 + 2 * 28
    assert sum(pair.seen("service")) - sum(before) == sent + 1
    assert pair.pids() == pids
