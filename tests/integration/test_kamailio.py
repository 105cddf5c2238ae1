"""R10 R11: Kamailio 5.6 as the front end inside, phones behind it, IPv6 towards the appliance,
IPv4 outside: calls both ways and everything that happens in them."""
import asyncio
import contextlib
import hashlib
import os
import re

import pytest

from tests.integration.conftest import free_port
from tests.lib import topology
from tests.lib.appliance import wait_until
from tests.lib.kamailio import Kamailio
from tests.lib.site import Site
from tests.lib.user_agent import SDP, Dialog, UserAgent, establish, exchange, sdp

HERE = os.path.dirname(os.path.abspath(__file__))
PHONE, PHONES = "10.2.0.2", 5090


class Place:
    """A site whose front end is Kamailio, and the agents on its two sides."""

    def __init__(self, folder, pki_folder):
        self.site = Site(f"k{os.getpid() % 10000}", folder, pki_folder,
                         f"127.0.0.1:{free_port()}")
        self.front_end = None

    def start(self):
        self.site.start(self.site.topology("4", "6"))
        self.restart_front_end()
        return self

    def restart_front_end(self):
        if self.front_end:
            self.front_end.stop()
        inside = self.site.inside
        self.front_end = Kamailio(
            inside.namespace, os.path.join(self.site.folder, "front_end"),
            os.path.join(HERE, "front_end.cfg"),
            {"ADDRESS4": topology.INSIDE_ADDRESS["4"],
             "ADDRESS6": f"[{topology.INSIDE_ADDRESS['6']}]", "HOST": topology.FRONT_END,
             "DOMAIN": topology.DOMAIN, "EDGE": f"[{topology.INSIDE['6']}]"},
            (inside.chain, inside.key, inside.trust), (PHONE, 5060))

    def alice(self):
        """The partner's edge with one user; in dialogs she is known by an address behind it."""
        partner = self.site.partner
        agent = UserAgent(
            partner.namespace, (partner.addresses["4"], 5061), (partner.edge["4"], 5061),
            f"sip:alice@{topology.PARTNER}",
            (partner.chain, partner.key, partner.trust, topology.EDGE), topology.PARTNER_EDGE)
        agent.contact = "sip:alice@192.0.2.77:5061;transport=tls"
        return agent

    @contextlib.asynccontextmanager
    async def phone(self, user="bob", number=0, expires=60):
        """A registered phone of the front end."""
        agent = UserAgent(self.site.inside.namespace, (PHONE, PHONES + number), (PHONE, 5060),
                          f"sip:{user}@{topology.DOMAIN}")
        async with agent:
            async def register(seconds):
                answer = await agent.ask(
                    "REGISTER", f"sip:{topology.DOMAIN}", headers=[("Expires", str(seconds))],
                    ends=(f"<{agent.address}>;tag=r{number}", f"<{agent.address}>")).final()
                assert answer.status == 200
            await register(expires)
            try:
                yield agent
            finally:
                await register(0)

    def remove(self):
        if self.front_end:
            self.front_end.stop()
        self.site.remove()


@pytest.fixture(scope="module")
def place(tmp_path_factory, pki_folder):
    made = Place(str(tmp_path_factory.mktemp("kamailio")), pki_folder)
    try:
        yield made.start()
    finally:
        made.remove()


@contextlib.asynccontextmanager
async def both(place, direction):
    """(caller, called) of a direction."""
    async with place.alice() as alice, place.phone() as bob:
        yield (alice, bob) if direction == "inwards" else (bob, alice)


DIRECTIONS = pytest.mark.parametrize("direction", ["inwards", "outwards"])


@DIRECTIONS
@pytest.mark.parametrize("who_ends_it", ["caller", "called"])
def test_R10_R11_a_call_with_all_that_happens_in_one(place, direction, who_ends_it):
    async def scenario():
        async with both(place, direction) as (caller, called):
            ends = await establish(caller, called)
            for here, there in (ends, ends[::-1]):
                await exchange(here, there, "INVITE", SDP, sdp(3))
                await exchange(here, there, "UPDATE", SDP, sdp(4))
                await exchange(here, there, "INFO", [("Content-Type", "text/plain")], b"typing")
                await exchange(here, there, "MESSAGE", [("Content-Type", "text/plain")], b"hello")
                await exchange(here, there, "REFER", [("Refer-To", "<sip:carol@example.com>")],
                               status=202)
                await exchange(there, here, "NOTIFY",
                               [("Event", "refer"), ("Subscription-State", "terminated"),
                                ("Content-Type", "message/sipfrag")], b"SIP/2.0 200 OK\r\n")
            here, there = ends if who_ends_it == "caller" else ends[::-1]
            await exchange(here, there, "BYE")
    asyncio.run(scenario())


@DIRECTIONS
def test_R10_reliable_provisional_responses(place, direction):
    """RFC 3262: 183 with RSeq, PRACK in the early dialog, UPDATE before the answer."""
    async def scenario():
        async with both(place, direction) as (caller, called):
            invite = caller.ask("INVITE", called.address, body=sdp(1),
                                headers=[*SDP, ("Require", "100rel")])
            asked = await called.expect("INVITE")
            assert asked.message.get("Require") == "100rel"
            asked.answer(183, "Session Progress", [("Require", "100rel"), ("RSeq", "4711"), *SDP],
                         sdp(2))
            progress = await invite.until(183)
            assert progress.get("RSeq") == "4711" and progress.body == sdp(2)
            early, other = Dialog.of_caller(invite, progress), Dialog.of_called(asked)
            prack = await exchange(early, other, "PRACK", [("RAck", "4711 1 INVITE")])
            assert prack.get("RAck") == "4711 1 INVITE"
            await exchange(early, other, "UPDATE", SDP, sdp(3))
            await exchange(other, early, "UPDATE", SDP, sdp(4))
            asked.answer(200, "OK")
            await invite.until(200)
            early.acknowledge()
            await called.expect("ACK")
            await exchange(other, early, "BYE")
    asyncio.run(scenario())


@DIRECTIONS
def test_R10_CANCEL_while_it_rings(place, direction):
    async def scenario():
        async with both(place, direction) as (caller, called):
            invite = caller.ask("INVITE", called.address)
            asked = await called.expect("INVITE")
            asked.answer(180, "Ringing")
            await invite.until(180)
            assert (await invite.cancel().final()).status == 200
            (await called.expect("CANCEL")).answer(200, "OK")
            asked.answer(487, "Request Terminated")
            refusal = await invite.until(487)
            invite.acknowledge(refusal)
            await called.expect("ACK")
    asyncio.run(scenario())


@DIRECTIONS
def test_R10_a_subscription_with_refresh_and_end(place, direction):
    async def scenario():
        async with both(place, direction) as (caller, called):
            event = ("Event", "presence")
            subscribe = caller.ask("SUBSCRIBE", called.address,
                                   headers=[event, ("Expires", "600")])
            asked = await called.expect("SUBSCRIBE")
            asked.answer(200, "OK", [("Expires", "600")])
            watcher = Dialog.of_caller(subscribe, await subscribe.until(200))
            notifier = Dialog.of_called(asked)
            state = b"<presence/>" * 300
            await exchange(notifier, watcher, "NOTIFY",
                           [event, ("Subscription-State", "active;expires=600"),
                            ("Content-Type", "application/pidf+xml")], state)
            refreshed = await exchange(watcher, notifier, "SUBSCRIBE", [event, ("Expires", "600")])
            assert refreshed.get("Event") == "presence"
            await exchange(watcher, notifier, "SUBSCRIBE", [event, ("Expires", "0")])
            await exchange(notifier, watcher, "NOTIFY",
                           [event, ("Subscription-State", "terminated;reason=timeout")])
    asyncio.run(scenario())


@DIRECTIONS
def test_R10_a_large_body_arrives_byte_for_byte(place, direction):
    body = os.urandom(60000)

    async def scenario():
        async with both(place, direction) as (caller, called):
            sent = caller.ask("MESSAGE", called.address, body=body,
                              headers=[("Content-Type", "application/octet-stream")])
            asked = await called.expect("MESSAGE")
            assert asked.message.body == body
            asked.answer(200, "OK", [("Content-Type", "application/octet-stream")], body[::-1])
            assert (await sent.until(200)).body == body[::-1]
    asyncio.run(scenario())


def test_R10_forked_by_the_front_end_early_dialogs_then_one_answers(place):
    """RFC 3261 13.2.2.4: each branch has a dialog of its own, through the same two proxies."""
    async def scenario():
        async with (place.alice() as alice, place.phone(number=0) as desk,
                    place.phone(number=1) as pocket):
            invite = alice.ask("INVITE", desk.address)
            at_desk, at_pocket = await desk.expect("INVITE"), await pocket.expect("INVITE")
            at_desk.answer(183, "Session Progress", tag="desk")
            at_pocket.answer(180, "Ringing", tag="pocket")
            first, second = await invite.next(), await invite.next()
            if first.status == 100:
                first, second = second, await invite.next()
            early = {r.get("To").split("tag=")[1]: Dialog.of_caller(invite, r)
                     for r in (first, second)}
            assert set(early) == {"desk", "pocket"}
            await exchange(early["desk"], Dialog.of_called(at_desk, "desk"), "UPDATE", SDP, sdp(2))
            at_pocket.answer(200, "OK", tag="pocket")
            taken = await invite.until(200)
            assert taken.get("To").endswith("tag=pocket")
            dialog = Dialog.of_caller(invite, taken)
            dialog.acknowledge()
            await pocket.expect("ACK")
            (await desk.expect("CANCEL")).answer(200, "OK")
            at_desk.answer(487, "Request Terminated", tag="desk")
            await desk.expect("ACK")
            await exchange(Dialog.of_called(at_pocket, "pocket"), dialog, "BYE")
    asyncio.run(scenario())


def test_R10_forked_by_the_front_end_both_refuse(place):
    async def scenario():
        async with (place.alice() as alice, place.phone(number=0) as desk,
                    place.phone(number=1) as pocket):
            invite = alice.ask("INVITE", desk.address)
            (await desk.expect("INVITE")).answer(486, "Busy Here")
            (await pocket.expect("INVITE")).answer(603, "Decline", tag="pocket")
            await desk.expect("ACK")
            await pocket.expect("ACK")
            refusal = await invite.final()
            assert refusal.status == 603 and refusal.get("To").endswith("tag=pocket")
            invite.acknowledge(refusal)
    asyncio.run(scenario())


@pytest.mark.parametrize("user,status", [
    ("busy", 486), ("nobody", 404), ("moved", 302),
    ("overloaded", 500)])  # 503 speaks of the next hop: RFC 3261 16.7 step 6
@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
def test_R10_what_the_front_end_refuses_comes_back(place, method, user, status):
    async def scenario():
        async with place.alice() as alice:
            sent = alice.ask(method, f"sip:{user}@{topology.DOMAIN}")
            refusal = await sent.final()
            assert refusal.status == status
            if user == "moved":
                assert refusal.get("Contact") == "<sip:bob@elsewhere.example>;expires=60"
            if method == "INVITE":
                sent.acknowledge(refusal)
            async with place.phone() as bob:  # and the next one gets through
                good = alice.ask("MESSAGE", bob.address)
                (await bob.expect("MESSAGE")).answer(200, "OK")
                assert (await good.final()).status == 200
    asyncio.run(scenario())


@pytest.mark.parametrize("user,reason", [("bounced", "loop"), ("renamed", "came_from_there")])
def test_R7_what_the_front_end_sends_back_is_a_loop(place, user, reason):
    series = f'fedge_signal_refused_total{{reason="{reason}"}}'
    before = place.site.appliance.metrics()[series]

    async def scenario():
        async with place.alice() as alice:
            sent = alice.ask("INVITE", f"sip:{user}@{topology.DOMAIN}")
            refusal = await sent.until(482)
            sent.acknowledge(refusal)
    asyncio.run(scenario())
    wait_until(lambda: place.site.appliance.metrics()[series] == before + 1, 5, reason)


def credentials(challenge, user, password, method, uri):
    """RFC 2617 without qop."""
    fields = dict(part.strip().split("=", 1) for part in challenge.split(" ", 1)[1].split(","))
    realm, nonce = (fields[name].strip('"') for name in ("realm", "nonce"))

    def digest(text):
        return hashlib.md5(text.encode()).hexdigest()
    response = digest(f"{digest(f'{user}:{realm}:{password}')}:{nonce}:"
                      f"{digest(f'{method}:{uri}')}")
    return (f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", algorithm=MD5')


def test_R10_a_challenge_and_its_answer_pass(place):
    async def scenario():
        uri = f"sip:guarded@{topology.DOMAIN}"
        async with place.alice() as alice, place.phone("guarded") as phone:
            first = alice.ask("INVITE", uri)
            challenge = await first.until(407)
            first.acknowledge(challenge)
            answer = credentials(challenge.get("Proxy-Authenticate"), "alice", "secret", "INVITE",
                                 uri)
            again = alice.ask("INVITE", uri, headers=[("Proxy-Authorization", answer)], cseq=2,
                              call_id=first.request.get("Call-ID"))
            asked = await phone.expect("INVITE")
            asked.answer(200, "OK")
            dialog = Dialog.of_caller(again, await again.until(200))
            dialog.acknowledge(2)
            await phone.expect("ACK")
            await exchange(dialog, Dialog.of_called(asked), "BYE")
    asyncio.run(scenario())


def test_R10_a_phone_that_only_rings_is_given_up_by_the_front_end(place):
    async def scenario():
        async with place.alice() as alice, place.phone("patient") as phone:
            invite = alice.ask("INVITE", phone.address)
            asked = await phone.expect("INVITE")
            asked.answer(180, "Ringing")
            await invite.until(180)
            refusal = await invite.until(408)
            invite.acknowledge(refusal)
            (await phone.expect("CANCEL")).answer(200, "OK")
            asked.answer(487, "Request Terminated")
            await phone.expect("ACK")
    asyncio.run(scenario())


def test_R10_CRLF_keep_alive_on_the_connection_that_calls_use(place):
    """RFC 5626 4.4.1: pings in front of a message and behind it, in one TLS record."""
    async def scenario():
        async with place.alice() as alice, place.phone() as bob:
            got, answered, feed = bytearray(), asyncio.Event(), alice.outbound.reader.feed_data

            def feed_data(data):
                got.extend(data)
                feed(data)
                if got.count(b"SIP/2.0 200") == 2:
                    answered.set()
            alice.outbound.reader.feed_data = feed_data
            sent = alice.build("MESSAGE", bob.address)
            last = alice.build("MESSAGE", bob.address)
            alice.outbound.writer.write(b"\r\n\r\n" + sent.encode() + b"\r\n\r\n")
            transaction = alice.start(last)
            for _ in range(2):
                (await bob.expect("MESSAGE")).answer(200, "OK")
            await transaction.until(200)
            await asyncio.wait_for(answered.wait(), 5)
            between = re.sub(rb"SIP/2\.0 .*?\r\n\r\n", b"", bytes(got), flags=re.DOTALL)
            assert between == b"\r\n" * 2, "one pong for each ping"
    asyncio.run(scenario())


@DIRECTIONS
def test_R10_a_call_outlives_a_restart_of_the_front_end(place, direction):
    async def scenario():
        async with both(place, direction) as (caller, called):
            ends = await establish(caller, called)
            phone = caller if caller.tls is None else called
            await asyncio.get_running_loop().run_in_executor(None, place.restart_front_end)
            await phone.connect()
            for here, there in (ends, ends[::-1]):
                await exchange(here, there, "INFO")
            await exchange(*ends, "BYE")
    asyncio.run(scenario())


# --- the partner's edge is a Kamailio as well, and a strict router ------------------------------

@pytest.fixture
def strict_edge(place):
    partner = place.site.partner
    edge = Kamailio(
        partner.namespace, os.path.join(place.site.folder, "strict_edge"),
        os.path.join(HERE, "strict_edge.cfg"),
        {"ADDRESS4": partner.addresses["4"], "HOST": topology.PARTNER_EDGE,
         "PARTNER": topology.PARTNER, "EDGE": topology.OUTSIDE["4"],
         "PHONE": f"{partner.addresses['4']}:{PHONES}"},
        (partner.chain, partner.key, partner.trust), (partner.addresses["4"], 5060))
    try:
        yield UserAgent(partner.namespace, (partner.addresses["4"], PHONES),
                        (partner.addresses["4"], 5060), f"sip:alice@{topology.PARTNER}")
    finally:
        edge.stop()


@DIRECTIONS
def test_R10_a_strict_router_on_the_way(place, strict_edge, direction):
    """RFC 3261 16.4, 16.6 step 6 and 16.12.1.2: Request-URIs make way for a strict router's, and
    come back from the end of the Route; each end still sees its own."""
    async def scenario():
        async with strict_edge as alice, place.phone() as bob:
            ends = await establish(*((alice, bob) if direction == "inwards" else (bob, alice)))
            assert ends[0].routes[0 if direction == "inwards" else -1] == f"<sip:{topology.PARTNER_ADDRESS['4']}:5061;transport=tls>"
            for here, there in (ends, ends[::-1]):
                await exchange(here, there, "INVITE", SDP, sdp(3))
                info = await exchange(here, there, "INFO")
                if here.agent is alice:  # what the appliance had as its Request-URI
                    assert info.get("X-Strictly").startswith(f"sip:{topology.OUTSIDE['4']}:5061;")
            await exchange(*ends, "BYE")
    asyncio.run(scenario())
