"""Small SIP peers over mutual TLS, on asyncio: a client that counts every request it loses, and
a server that remembers what it was sent. For what sipp cannot tell exactly; they share no code
with the product."""
import asyncio
import itertools
import os
import socket
import ssl

_serial = itertools.count(1)
RUN = f"{os.getpid():x}"


class Message:
    def __init__(self, start, headers, body=b""):
        self.start, self.headers, self.body = start, headers, body

    @classmethod
    def parse(cls, head, body):
        lines = head.decode(errors="surrogateescape").split("\r\n")
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]
        return cls(lines[0], headers, body)

    def get(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    @property
    def is_request(self):
        return not self.start.startswith("SIP/2.0 ")

    @property
    def method(self):
        return self.start.split(" ")[0] if self.is_request else self.get("CSeq").split()[1]

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    def encode(self):
        head = "".join(f"{n}: {v}\r\n" for n, v in self.headers)
        return (f"{self.start}\r\n{head}Content-Length: {len(self.body)}\r\n\r\n"
                .encode(errors="surrogateescape") + self.body)

    def __str__(self):
        return self.encode().decode(errors="replace")


async def read_message(reader):
    """The next message of a stream; keep-alive CRLFs are skipped. EOFError at its end."""
    head = b""
    while not head.strip():
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise EOFError from error
        head = head.lstrip(b"\r\n")
    message = Message.parse(head, b"")
    length = int(message.get("Content-Length") or message.get("l") or 0)
    message.body = await reader.readexactly(length)
    message.headers = [h for h in message.headers if h[0].lower() not in ("content-length", "l")]
    return message


def tls_context(server, chain, key, trust):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(chain, key)
    context.load_verify_locations(trust)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def reply(request, status, reason, headers=(), body=b"", tag="srv"):
    """A response with what RFC 3261 section 8.2.6 copies."""
    copied = [(n, v) for n, v in request.headers
              if n.lower() in ("via", "from", "call-id", "cseq", "record-route")]
    to = request.get("To")
    if "tag=" not in to and status > 100:
        to += f";tag={tag}"
    return Message(f"SIP/2.0 {status} {reason}", copied + [("To", to), *headers], body)


class Server:
    """Listens in a namespace and answers by `handler(request)`, which gives a list of replies."""

    def __init__(self, namespace, address, port, chain, key, trust, handler=None):
        self.namespace, self.address, self.port = namespace, address, port
        self.context = tls_context(True, chain, key, trust)
        self.handler = handler or self.answer
        self.requests, self.writers = [], set()
        self.arrived = asyncio.Event()
        self.server = None

    def answer(self, request):
        contact = [("Contact", f"<sip:{self.address_text()}:{self.port};transport=tls>")]
        if request.method == "ACK":
            return []
        if request.method == "INVITE":
            return [reply(request, 180, "Ringing", contact), reply(request, 200, "OK", contact)]
        return [reply(request, 200, "OK")]

    def address_text(self):
        return f"[{self.address}]" if ":" in self.address else self.address

    async def start(self):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET

        def listen():  # with the protocol named, asyncio turns Nagle's algorithm off
            sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self.address, self.port))
            sock.listen(128)
            sock.setblocking(False)
            return sock

        self.server = await asyncio.start_server(self.serve, sock=self.namespace.call(listen),
                                                 ssl=self.context, limit=1 << 20)
        return self

    async def serve(self, reader, writer):
        self.writers.add(writer)
        try:
            while True:
                message = await read_message(reader)
                if not message.is_request:
                    continue
                self.requests.append(message)
                self.arrived.set()
                for answer in self.handler(message):
                    writer.write(answer.encode())
                await writer.drain()
        except (EOFError, ConnectionError, ssl.SSLError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writers.discard(writer)
            writer.close()

    async def wait_for(self, method, seconds=5):
        """The first request of that method, waiting for it to come."""
        async def look():
            while True:
                found = next((r for r in self.requests if r.method == method), None)
                if found:
                    return found
                self.arrived.clear()
                await self.arrived.wait()
        return await asyncio.wait_for(look(), seconds)

    async def stop(self):
        self.server.close()
        for writer in list(self.writers):
            writer.close()
        await asyncio.sleep(0)


class Client:
    """One TLS connection to the appliance; reconnects when asked to send and it is gone."""

    def __init__(self, namespace, remote, chain, key, trust, server_name, domain, host, local=None):
        self.namespace, self.remote, self.local = namespace, remote, local
        self.context = tls_context(False, chain, key, trust)
        self.server_name, self.domain, self.host = server_name, domain, host
        self.writer, self.reader_task = None, None
        self.waiting = {}
        self.via_parameters = ""
        # What it is sent is remembered, and answered when there is a handler (RFC 5923).
        self.requests, self.handler = [], None
        self.lock = asyncio.Lock()

    async def connect(self, timeout=5):
        family = socket.AF_INET6 if ":" in self.remote[0] else socket.AF_INET

        def make():
            sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sock.setblocking(False)
            if self.local:
                sock.bind((self.local, 0))
            return sock

        sock = self.namespace.call(make)
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.sock_connect(sock, self.remote), timeout)
            reader, self.writer = await asyncio.wait_for(asyncio.open_connection(
                sock=sock, ssl=self.context, server_hostname=self.server_name, limit=1 << 20),
                timeout)
        except BaseException:
            sock.close()
            raise
        self.reader_task = asyncio.create_task(self.read(reader, self.writer))
        return self

    async def read(self, reader, writer):
        try:
            while True:
                message = await read_message(reader)
                if message.is_request:
                    self.requests.append(message)
                    for answer in self.handler(message) if self.handler else []:
                        writer.write(answer.encode())
                    continue
                queue = self.waiting.get((message.get("Call-ID"), message.get("CSeq")))
                if queue:
                    queue.put_nowait(message)
        except (EOFError, ConnectionError, ssl.SSLError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            if self.writer is writer:
                self.writer = None
            writer.close()
            for queue in self.waiting.values():
                queue.put_nowait(None)  # the connection is gone

    def build(self, method, uri, to=None, user="alice", call_id=None, cseq=1, tag=None,
              headers=(), body=b"", routes=(), branch=None):
        number = next(_serial)
        call_id = call_id or f"{RUN}-{number}@{self.host}"
        lines = [
            ("Via", f"SIP/2.0/TLS {self.host}:5061{self.via_parameters}"
                    f";branch={branch or f'z9hG4bK{RUN}{number}'};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{user}@{self.domain}>;tag={tag or f't{number}'}"),
            ("To", to or f"<{uri}>"),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
            *[("Route", r) for r in routes],
        ]
        if method in ("INVITE", "SUBSCRIBE", "NOTIFY", "UPDATE", "REFER"):
            lines.append(("Contact", f"<sip:{user}@{self.host}:5061;transport=tls>"))
        return Message(f"{method} {uri} SIP/2.0", lines + list(headers), body)

    async def send(self, message):
        async with self.lock:
            if self.writer is None:
                await self.connect()
        self.writer.write(message.encode())
        await self.writer.drain()

    async def responses(self, message, timeout=5):
        """Sends a request and yields its responses up to the final one."""
        key = (message.get("Call-ID"), message.get("CSeq"))
        queue = self.waiting[key] = asyncio.Queue()
        try:
            await self.send(message)
            while True:
                response = await asyncio.wait_for(queue.get(), timeout)
                if response is None:
                    raise ConnectionError("the connection closed before the final response")
                yield response
                if response.status >= 200:
                    return
        finally:
            self.waiting.pop(key, None)

    async def request(self, method, uri, timeout=5, **fields):
        """Sends and gives the final response."""
        last = None
        async for response in self.responses(self.build(method, uri, **fields), timeout):
            last = response
        return last

    async def close(self):
        if self.reader_task:
            self.reader_task.cancel()
        if self.writer:
            self.writer.close()
            self.writer = None


def record_routes(response):
    """The route set a caller builds from a response (RFC 3261 section 12.1.2)."""
    routes = []
    for value in response.all("Record-Route"):
        routes += [part.strip() for part in value.split(",")]
    return list(reversed(routes))


def contact_uri(message):
    contact = message.get("Contact")
    return contact[contact.index("<") + 1:contact.index(">")]


async def call(client, uri, timeout=5, **fields):
    """INVITE, ACK, BYE; returns the BYE's response, or the INVITE's when it failed."""
    invite = client.build("INVITE", uri, **fields)
    final = None
    async for response in client.responses(invite, timeout):
        final = response
    if final.status >= 300:
        return final
    dialog = dict(call_id=invite.get("Call-ID"), to=final.get("To"),
                  tag=invite.get("From").split("tag=")[1], routes=record_routes(final))
    await client.send(client.build("ACK", contact_uri(final), cseq=1, **dialog))
    return await client.request("BYE", contact_uri(final), timeout, cseq=2, **dialog)


class Load:
    """Requests at a steady rate for as long as wanted; every failure is kept with its reason."""

    def __init__(self, send_one, rate):
        self.send_one, self.rate = send_one, rate
        self.good, self.failures, self.latencies = 0, [], []
        self.tasks, self.running, self.last_good = set(), True, None

    async def one(self, at):
        loop = asyncio.get_running_loop()
        try:
            response = await self.send_one()
            if response.status >= 300:
                self.failures.append((at, response.start))
                return
            self.good += 1
            self.last_good = loop.time()
            self.latencies.append(self.last_good - at)
        except (asyncio.TimeoutError, TimeoutError):
            self.failures.append((at, "no answer in time"))
        except (ConnectionError, OSError, ssl.SSLError, EOFError) as error:
            self.failures.append((at, f"{type(error).__name__}: {error}"))

    async def run(self, seconds):
        loop = asyncio.get_running_loop()
        start = loop.time()
        count = 0
        while self.running and loop.time() - start < seconds:
            due = start + count / self.rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            task = asyncio.create_task(self.one(loop.time()))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            count += 1
        if self.tasks:
            await asyncio.gather(*list(self.tasks))
        return self

    def stop(self):
        self.running = False
