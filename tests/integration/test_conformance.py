"""R10: messages that nobody on the project wrote, sent over mutual TLS: the torture messages of
RFC 4475 and RFC 5118 against the `tls` column of their verdicts, Kamailio's for staying alive.

The octets go out as they lie in the file. A message whose From and Request-URI are of one domain
without a user comes from the front end and goes to the partner of that domain; every other one
comes from the partner that its From names, who may only speak for its own domain.
"""
import asyncio
import csv
import os
import re
import ssl

import pytest

from tests.lib import sip, topology
from tests.lib.appliance import ROOT

MATERIAL = os.path.join(os.path.dirname(ROOT), "shared", "conformance")
RFC4475 = os.path.join(MATERIAL, "sip-rfc4475")
RFC5118 = os.path.join(MATERIAL, "sip-rfc5118")
KAMAILIO = os.path.join(MATERIAL, "sip-kamailio-messages")

PARTNERS = ("example.com", "example.net", "example.org", "east.example.com",
            "ift.client.example.net", "iptel.org")
# Whom the messages call: inside, though their domain is a partner's.
USERS = ("user@example.com", "userb@example.com", "kumiko@example.org",
         "t.watson@example.org", "user@example.org", "remote-target@example.com",
         "sips%3auser%40example.com@example.net", "user;par=u%40example.net@example.com",
         "1_unusual.uri~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com")
DOMAINS = ("chair-dnrc.example.com", "registrar.example.com", "host.example.net",
           "2001:db8::10", "2001:db8::10:5070", "2001:db8::192.0.2.1")

# Where we do otherwise than the table, and why.
OTHERWISE = {
    # No Content-Length, and a body: on a stream nobody can tell where it ends (RFC 3261 18.3 makes
    # the header mandatory there). Taken as empty, the body of one request would be read as the
    # next request, under the authority of the peer that sent it.
    "inv2543.dat": {"400"},
    # Tolerated: it is parsed, and no syntax error. But "2001:db8:::192.0.2.1" is no address, so
    # that nothing can be configured to be reached by it; the answer is one of policy.
    "ipv6-bug-abnf-3-colons": {"forward", "403"},
}


def edge_of(domain):
    return f"edge.{domain}"


def conformance_topology(site):
    document = site.topology()
    document["presence_domains"] = ["inside.example"]
    document["partners"] = [
        {"domain": d, "edge": edge_of(d), "addresses": ["10.1.0.2"], "port": 5061,
         "transport": "tls", "realm": "outside", "tls": "external"} for d in PARTNERS]
    document["static_routes"] = [
        {"pattern": p, "type": kind, "next_hop_pool": "frontend"}
        for kind, patterns in (("user", USERS), ("domain", DOMAINS)) for p in patterns]
    document["timers"] = {"partial_message_ms": 1000}
    return document


HEADER = re.compile(rb"([^:\r\n]+?)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n")
SHORT = {b"v": b"via", b"f": b"from", b"t": b"to", b"i": b"call-id", b"l": b"content-length"}
CHANGED = (b"via", b"max-forwards", b"route", b"record-route")


class Raw:
    """A message as octets: its start line, its headers as they stand, its body."""

    def __init__(self, octets):
        head, _, self.body = octets.partition(b"\r\n\r\n")
        self.start, _, rest = head.partition(b"\r\n")
        self.headers = [(SHORT.get(m[1].lower(), m[1].lower()), m[0])
                        for m in HEADER.finditer(rest + b"\r\n")]
        self.values = [(name, line.split(b":", 1)[1].strip()) for name, line in self.headers]
        length = next((v for n, v in self.values if n == b"content-length"), b"")
        if length.isdigit():
            self.body = self.body[:int(length)]

    def get(self, name):
        return next((v for n, v in self.values if n == name), None)

    def __repr__(self):
        return self.start.decode(errors="replace")

    @property
    def status(self):
        return int(self.start.split(b" ")[1]) if self.start.startswith(b"SIP/2.0 ") else None

    def answer(self):
        """A 200 with what RFC 3261 section 8.2.6 copies."""
        copied = b"".join(line for name, line in self.headers if name in
                          (b"via", b"from", b"to", b"call-id", b"cseq", b"record-route"))
        return b"SIP/2.0 200 OK\r\n" + copied + b"Content-Length: 0\r\n\r\n"


async def read_raw(reader):
    """The next message, or b"" for an answered keep-alive."""
    start = await reader.readline()
    if start == b"\r\n":
        return b""
    head = start + await reader.readuntil(b"\r\n\r\n")
    length = Raw(head).get(b"content-length")
    return head + await reader.readexactly(int(length or 0))


class RawServer(sip.Server):
    """Keeps the octets of what arrives and answers 200."""

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while True:
                message = await read_raw(reader)
                if not message or message.startswith(b"SIP/2.0 "):
                    continue
                self.requests.append(message)
                if not message.startswith(b"ACK "):
                    writer.write(Raw(message).answer())
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()


class Peers:
    """Everybody around the appliance: a next hop on each side, and clients by name."""

    def __init__(self, site):
        self.site = site
        self.certificates = {d: site.partners.issue(edge_of(d)) for d in PARTNERS}
        chain, key = site.partners.issue("edges.example", *map(edge_of, PARTNERS))
        self.outside = RawServer(site.lab.partner, "10.1.0.2", 5061, chain, key,
                                 site.partners.certificate)
        inside = site.inside
        self.inside = RawServer(site.lab.inside, "10.2.0.2", 5061, inside.chain, inside.key,
                                inside.trust)

    async def start(self):
        await self.outside.start()
        await self.inside.start()
        return self

    async def stop(self):
        await self.outside.stop()
        await self.inside.stop()

    def client(self, octets):
        """Who sends this message: the partner its From names, or the front end."""
        sender = re.search(rb"(?im)^f(?:rom)?[ \t]*:[^@\n]*@([a-z0-9.]+)", octets)
        domain = sender[1].decode() if sender else None
        line = octets.split(b"\n", 1)[0]
        called = re.match(rb"\S+ +sips?:([a-z0-9.]+)[; ]", line)
        if domain not in PARTNERS or domain == "iptel.org" or (
                called and called[1].decode() in PARTNERS):
            return self.site.inside.client()
        client = self.site.partner.client()
        client.context = sip.tls_context(False, *self.certificates[domain],
                                         self.site.partners.certificate)
        return client

    def arrived(self):
        return [*self.outside.requests, *self.inside.requests]


async def read_outcome(reader):
    """"close", "drop" for an answered keep-alive, or the first final response."""
    try:
        while True:
            message = await read_raw(reader)
            if not message:
                return "drop"
            if Raw(message).status >= 200:
                return Raw(message)
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        return "close"


async def send(peers, octets, ping, answers=1):
    """(what came back last, what arrived at a next hop) of octets on a connection of their own."""
    before = peers.arrived()
    client = peers.client(octets)
    sock = client.namespace.call(lambda: sip.socket.create_connection(client.remote, 5))
    sock.setblocking(False)
    reader, writer = await asyncio.open_connection(
        sock=sock, ssl=client.context, server_hostname=topology.EDGE)
    writer.write(octets + (b"\r\n\r\n" if ping else b""))
    for _ in range(answers):
        outcome = await asyncio.wait_for(read_outcome(reader), 8)
    writer.close()
    return outcome, [m for m in peers.arrived() if m not in before]


def judge(allowed, outcome, arrived):
    """Why this is not one of the outcomes allowed; None when it is."""
    if arrived:
        got = "forward"
        if not isinstance(outcome, Raw) or outcome.status != 200:
            return f"forwarded, but the answer was {outcome}"
    else:
        got = str(outcome.status) if isinstance(outcome, Raw) else outcome
    return None if got in allowed else f"{got}: {outcome}"


def compare(sent, arrived):
    """What a proxy may not change of a message (RFC 3261 16.6). A partner's Route before a dialog
    chooses nothing (T4): the look-up does, and nobody behind us may be led by it."""
    sent, arrived = Raw(sent), Raw(arrived)
    assert arrived.start == sent.start
    if sent.get(b"route"):
        assert arrived.get(b"route") is None
    assert arrived.body == sent.body
    for name, line in sent.headers:
        if name not in CHANGED:
            assert line in dict.fromkeys(l for _, l in arrived.headers), line
    ours = [v for n, v in arrived.values if n == b"via"]
    theirs = [v for n, v in sent.values if n == b"via"]
    assert len(ours) == len(theirs) + 1


def read_verdicts(folder):
    with open(os.path.join(folder, "verdicts.tsv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [(r["file"], set(r["tls"].split("|"))) for r in rows if r["tls"] != "-"]


def read(path):
    with open(path, "rb") as file:
        return file.read()


@pytest.fixture
def conformance_site(new_site):
    site = new_site()
    site.start(conformance_topology(site))
    return site


async def check_table(site, messages):
    """Every message on a connection of its own; what deviates, by name."""
    peers = await Peers(site).start()
    wrong = {}
    for name, octets, allowed in messages:
        allowed = OTHERWISE.get(name, allowed)
        answers = 1
        if name == "dblreq.dat":  # two requests; the second's length leaves out its last octets
            octets, answers = octets.removesuffix(b"C\r\n\r\n"), 2
        outcome, arrived = await send(peers, octets, "drop" in allowed, answers)
        failure = judge(allowed, outcome, arrived)
        if failure:
            wrong[name] = f"{failure} (allowed: {'|'.join(sorted(allowed))})"
        elif arrived:
            compare(octets, arrived[0])
        if name == "bext01.dat":
            unsupported = outcome.get(b"unsupported").replace(b" ", b"").split(b",")
            assert sorted(unsupported) == [b"noProxiesSupportThis", b"norDoAnyProxiesSupportThis"]
        if name == "dblreq.dat" and len(arrived) != 2:
            wrong[name] = f"{len(arrived)} of its two requests arrived: {outcome}"
    await peers.stop()
    return wrong


def pids(site):
    return [site.appliance.pid_of(p) for p in ("init", "control", "fastpath", "signal", "front", "agent")]


@pytest.mark.skipif(not os.path.isdir(RFC4475), reason="no ../shared/conformance/sip-rfc4475")
def test_R10_torture_messages_of_RFC_4475(conformance_site):
    before = pids(conformance_site)
    messages = [(name, read(os.path.join(RFC4475, name)), allowed)
                for name, allowed in read_verdicts(RFC4475)]
    assert asyncio.run(check_table(conformance_site, messages)) == {}
    assert pids(conformance_site) == before


@pytest.mark.skipif(not os.path.isdir(RFC5118), reason="no ../shared/conformance/sip-rfc5118")
def test_R10_R11_torture_messages_of_RFC_5118(conformance_site):
    before = pids(conformance_site)
    messages = [(name, read(os.path.join(RFC5118, "wire", f"{name}.sip")), allowed)
                for name, allowed in read_verdicts(RFC5118)]
    assert asyncio.run(check_table(conformance_site, messages)) == {}
    assert pids(conformance_site) == before


@pytest.mark.skipif(not os.path.isdir(KAMAILIO),
                    reason="no ../shared/conformance/sip-kamailio-messages")
def test_R10_messages_of_Kamailio_leave_the_box_alive(conformance_site):
    before = pids(conformance_site)

    async def scenario():
        peers = await Peers(conformance_site).start()
        outcomes = {}
        for name in sorted(os.listdir(KAMAILIO)):
            outcome, arrived = await send(peers, read(os.path.join(KAMAILIO, name)), True)
            outcomes[name] = "forward" if arrived else outcome
        assert "forward" in outcomes.values()
        client = await conformance_site.inside.client().connect()
        answer = await client.request("MESSAGE", "sip:bob@iptel.org", body=b"still there")
        assert answer.status == 200
        await client.close()
        await peers.stop()
    asyncio.run(scenario())
    assert pids(conformance_site) == before
