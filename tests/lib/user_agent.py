"""A SIP user agent that a test plays step by step: what comes in waits until it is asked for, and
every dialog keeps its own route set (RFC 3261 section 12)."""
import asyncio
import contextlib
import itertools
import os
import re
import socket
import ssl

from . import sip

_serial = itertools.count(1)
RUN = f"{os.getpid():x}"
TARGET_REFRESH = ("INVITE", "SUBSCRIBE", "NOTIFY", "UPDATE", "REFER", "REGISTER")
SDP = [("Content-Type", "application/sdp")]


def sdp(version):
    return (f"v=0\r\no=- 1 {version} IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
            "m=audio 49170 RTP/AVP 0\r\n").encode()


class Stream:
    """One connection, whoever made it: requests go to the agent, responses to their transaction."""

    def __init__(self, agent, reader, writer):
        self.agent, self.reader, self.writer = agent, reader, writer
        self.task = asyncio.current_task()

    def send(self, message):
        self.writer.write(message.encode())

    async def run(self):
        try:
            while True:
                message = await sip.read_message(self.reader)
                if message.is_request:
                    self.agent.on_request(Incoming(self, message))
                else:
                    self.agent.on_response(message)
        except (EOFError, ConnectionError, ssl.SSLError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.agent.streams.discard(self)
            self.writer.close()


class Incoming:
    """A request that came, to be answered."""

    def __init__(self, stream, message):
        self.stream, self.message = stream, message

    def answer(self, status, reason, headers=(), body=b"", tag="callee"):
        headers = list(headers)
        if 100 < status < 300 and self.message.method in TARGET_REFRESH:
            headers.append(("Contact", f"<{self.stream.agent.contact}>"))
        self.stream.send(sip.reply(self.message, status, reason, headers, body, tag))


class Transaction:
    """A request of ours and the responses to it."""

    def __init__(self, agent, request):
        self.agent, self.request, self.queue = agent, request, asyncio.Queue()

    async def next(self, timeout=5):
        return await asyncio.wait_for(self.queue.get(), timeout)

    async def until(self, status, timeout=5):
        """The response of that status; what comes before it must be provisional."""
        while True:
            response = await self.next(timeout)
            if response.status == status:
                return response
            assert response.status < 200, f"{response.start} instead of {status}"

    async def final(self, timeout=5):
        while True:
            response = await self.next(timeout)
            if response.status >= 200:
                return response

    def cancel(self):
        """The transaction of a CANCEL for this INVITE (RFC 3261 9.1)."""
        return self.agent.start(self.hop_by_hop("CANCEL"))

    def acknowledge(self, response):
        """ACK of a refusal: the INVITE's own branch (RFC 3261 17.1.1.3)."""
        ack = self.hop_by_hop("ACK")
        ack.headers = [(n, response.get("To") if n == "To" else v) for n, v in ack.headers]
        self.agent.outbound.send(ack)

    def hop_by_hop(self, method):
        kept = ("via", "max-forwards", "from", "to", "call-id", "route")
        number = self.request.get("CSeq").split()[0]
        return sip.Message(
            f"{method} {self.request.start.split()[1]} SIP/2.0",
            [(n, v) for n, v in self.request.headers if n.lower() in kept]
            + [("CSeq", f"{number} {method}")])


class UserAgent:
    """`local` is where it listens, `remote` its outbound proxy. `tls` is (chain, key, trust, name
    of the proxy); without it both are plain TCP."""

    def __init__(self, namespace, local, remote, address, tls=None, host=None):
        self.namespace, self.local, self.remote, self.tls = namespace, local, remote, tls
        self.address = address  # of record, "sip:user@domain"
        self.transport = "TLS" if tls else "TCP"
        self.host = host or f"{sip_host(local[0])}:{local[1]}"
        user = address.split(":")[1].split("@")[0]
        self.contact = f"sip:{user}@{self.host};transport={self.transport.lower()}"
        self.pending, self.arrived = [], asyncio.Event()
        self.transactions, self.streams = {}, set()
        self.server, self.outbound = None, None

    async def __aenter__(self):
        context = sip.tls_context(True, *self.tls[:3]) if self.tls else None

        def listen():
            sock = socket.socket(family_of(self.local), socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(self.local)
            sock.listen(16)
            sock.setblocking(False)
            return sock

        self.server = await asyncio.start_server(
            self.serve, sock=self.namespace.call(listen), ssl=context, limit=1 << 20)
        await self.connect()
        return self

    async def __aexit__(self, kind, *_):
        self.server.close()
        for stream in list(self.streams):
            stream.task.cancel()
            stream.writer.close()
        if kind is None:
            left = [request.message.start for request in self.pending]
            assert not left, f"{self.address} was sent more than the test expects: {left}"

    async def connect(self):
        def make():
            sock = socket.socket(family_of(self.remote), socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sock.setblocking(False)
            return sock

        sock = self.namespace.call(make)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, self.remote), 5)
        secure = {}
        if self.tls:
            secure = {"ssl": sip.tls_context(False, *self.tls[:3]), "server_hostname": self.tls[3]}
        ends = await asyncio.wait_for(
            asyncio.open_connection(sock=sock, limit=1 << 20, **secure), 5)
        ready = asyncio.Event()

        async def run():
            self.outbound = Stream(self, *ends)
            self.streams.add(self.outbound)
            ready.set()
            await self.outbound.run()
        self.outbound_task = asyncio.create_task(run())
        await ready.wait()

    async def serve(self, reader, writer):
        stream = Stream(self, reader, writer)
        self.streams.add(stream)
        with contextlib.suppress(asyncio.CancelledError):
            await stream.run()

    def on_request(self, incoming):
        self.pending.append(incoming)
        self.arrived.set()

    def on_response(self, response):
        transaction = self.transactions.get((response.get("Call-ID"), response.get("CSeq")))
        if transaction:
            transaction.queue.put_nowait(response)

    async def expect(self, method, seconds=5):
        """Takes the next request of that method, waiting for it to come."""
        async def look():
            while True:
                found = next((r for r in self.pending if r.message.method == method), None)
                if found:
                    self.pending.remove(found)
                    return found
                self.arrived.clear()
                await self.arrived.wait()
        try:
            return await asyncio.wait_for(look(), seconds)
        except (asyncio.TimeoutError, TimeoutError) as error:
            others = [r.message.start for r in self.pending]
            raise AssertionError(f"no {method} came to {self.address}, but {others}") from error

    def build(self, method, uri, headers=(), body=b"", cseq=1, ends=None, call_id=None, routes=()):
        """`ends` are From and To of a dialog."""
        number = next(_serial)
        source, target = ends or (f"<{self.address}>;tag=t{number}", f"<{uri}>")
        fields = [("Via", f"SIP/2.0/{self.transport} {self.host};"
                          f"branch=z9hG4bK{RUN}ua{number};rport"),
                  ("Max-Forwards", "70"), ("From", source), ("To", target),
                  ("Call-ID", call_id or f"{RUN}-ua{number}"), ("CSeq", f"{cseq} {method}"),
                  *[("Route", r) for r in routes]]
        if method in TARGET_REFRESH:
            fields.append(("Contact", f"<{self.contact}>"))
        return sip.Message(f"{method} {uri} SIP/2.0", fields + list(headers), body)

    def start(self, message):
        """Sends a request; its transaction."""
        key = (message.get("Call-ID"), message.get("CSeq"))
        self.transactions[key] = transaction = Transaction(self, message)
        self.outbound.send(message)
        return transaction

    def ask(self, method, uri, **fields):
        return self.start(self.build(method, uri, **fields))


class Dialog:
    """One end's view (RFC 3261 12.1)."""

    def __init__(self, agent, call_id, ends, target, routes, cseq=1):
        self.agent, self.call_id, self.ends = agent, call_id, ends
        self.target, self.routes, self.cseq = target, routes, cseq

    @classmethod
    def of_caller(cls, transaction, response):
        request = transaction.request
        return cls(transaction.agent, request.get("Call-ID"),
                   (request.get("From"), response.get("To")), sip.contact_uri(response),
                   sip.record_routes(response), int(request.get("CSeq").split()[0]))

    @classmethod
    def of_called(cls, incoming, tag="callee"):
        request = incoming.message
        return cls(incoming.stream.agent, request.get("Call-ID"),
                   (f"{request.get('To')};tag={tag}", request.get("From")),
                   sip.contact_uri(request), sip.record_routes(request)[::-1], 100)

    def build(self, method, headers=(), body=b"", cseq=None):
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        uri, routes = self.target, list(self.routes)
        if routes and not re.search(r";lr\b", routes[0]):  # a strict router: RFC 3261 12.2.1.1
            uri = routes.pop(0).strip("<>")
            routes.append(f"<{self.target}>")
        return self.agent.build(method, uri, headers, body, cseq, self.ends, self.call_id, routes)

    def ask(self, method, headers=(), body=b""):
        return self.agent.start(self.build(method, headers, body))

    def acknowledge(self, cseq=1, body=b""):
        self.agent.outbound.send(self.build("ACK", body=body, cseq=cseq))


async def establish(caller, called, headers=()):
    """A call that was answered: both ends' dialogs."""
    invite = caller.ask("INVITE", called.address, headers=[*SDP, *headers], body=sdp(1))
    asked = await called.expect("INVITE")
    assert asked.message.body == sdp(1)
    asked.answer(180, "Ringing")
    asked.answer(200, "OK", SDP, sdp(2))
    assert (await invite.until(180)).get("To").endswith("tag=callee")
    taken = await invite.until(200)
    assert taken.body == sdp(2)
    dialog = Dialog.of_caller(invite, taken)
    dialog.acknowledge()
    await called.expect("ACK")
    return dialog, Dialog.of_called(asked)


async def exchange(dialog, other, method, headers=(), body=b"", status=200):
    """A request in the dialog, answered at the other end; what arrived there."""
    transaction = dialog.ask(method, headers, body)
    asked = await other.agent.expect(method)
    assert asked.message.body == body
    assert asked.message.get("Route") is None, "every proxy took its own Route off"
    assert asked.message.start.split()[1] == other.agent.contact
    asked.answer(status, "As it is", tag="")
    assert (await transaction.final()).status == status
    if method == "INVITE":
        dialog.acknowledge(dialog.cseq)
        await other.agent.expect("ACK")
    return asked.message


def family_of(endpoint):
    return socket.AF_INET6 if ":" in endpoint[0] else socket.AF_INET


def sip_host(address):
    return f"[{address}]" if ":" in address else address
