"""A small name server for tests: says what its zone says, over UDP and TCP, and can be silent,
slow, short of room, or forged. Shares no code with the product."""
import socket
import struct
import threading
import time

TYPES = {"A": 1, "SOA": 6, "AAAA": 28, "SRV": 33}


def encode_name(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def encode_data(kind, value):
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    priority, weight, port, target = value
    return struct.pack("!HHH", priority, weight, port) + encode_name(target)


def read_question(query):
    """(name, type number, the question's octets)."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += query[at] + 1
    end = at + 5
    return ".".join(labels).lower(), struct.unpack("!H", query[at + 1:at + 3])[0], query[12:end]


def build(query_id, question, answers=(), rcode=0, truncated=False, authority=b""):
    flags = 0x8180 | rcode | (0x0200 if truncated else 0)
    head = struct.pack("!HHHHHH", query_id, flags, 1, len(answers), 1 if authority else 0, 0)
    return head + question + b"".join(answers) + authority


class NameServer:
    """Serves `zone`, {(name, type): [values]}, from a thread. The rest is how it misbehaves:
    `silent`; `delays` seconds by name; `truncates`; `forger(query id, question)` gives datagrams
    that are sent before the answer, those marked True from another port."""

    def __init__(self, namespace, address="10.1.0.2", ttl=5, zone=None):
        self.zone, self.ttl = dict(zone or {}), ttl
        self.silent, self.truncates = False, False
        self.delays, self.forger = {}, None
        self.asked = []  # (name, type number), as they came
        self.running = True

        def bind():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            udp = socket.socket(family, socket.SOCK_DGRAM)
            udp.bind((address, 53))
            tcp = socket.socket(family, socket.SOCK_STREAM)
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((address, 53))
            tcp.listen(16)
            other = socket.socket(family, socket.SOCK_DGRAM)
            other.bind((address, 0))
            return udp, tcp, other

        self.udp, self.tcp, self.other = namespace.call(bind)
        self.threads = [threading.Thread(target=f, daemon=True)
                        for f in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def answer(self, query, may_truncate):
        query_id = struct.unpack("!H", query[:2])[0]
        name, kind, question = read_question(query)
        if may_truncate and self.truncates:
            return build(query_id, question, truncated=True)
        kinds = {number: text for text, number in TYPES.items()}
        values = self.zone.get((name, kinds.get(kind)), [])
        records = []
        for value in values:
            data = encode_data(kinds[kind], value)
            records.append(encode_name(name) +
                           struct.pack("!HHIH", kind, 1, self.ttl, len(data)) + data)
        if records:
            return build(query_id, question, records)
        soa = (encode_name("ns.test") + encode_name("admin.test") +
               struct.pack("!IIIII", 1, 1, 1, 1, self.ttl))
        authority = (encode_name(name) +
                     struct.pack("!HHIH", TYPES["SOA"], 1, self.ttl, len(soa)) + soa)
        exists = any(n == name for n, _ in self.zone)
        return build(query_id, question, rcode=0 if exists else 3, authority=authority)

    def reply(self, query, to):
        name, kind, question = read_question(query)
        self.asked.append((name, kind))
        if self.silent:
            return
        if self.forger:
            for datagram, elsewhere in self.forger(struct.unpack("!H", query[:2])[0], question):
                (self.other if elsewhere else self.udp).sendto(datagram, to)
        answer = self.answer(query, True)
        delay = self.delays.get(name, 0)
        if delay:
            threading.Timer(delay, lambda: self.send(answer, to)).start()
        else:
            self.send(answer, to)

    def send(self, answer, to):
        try:
            self.udp.sendto(answer, to)
        except OSError:
            pass  # stopped meanwhile

    def serve_udp(self):
        while self.running:
            try:
                query, to = self.udp.recvfrom(4096)
            except OSError:
                return
            if query:
                self.reply(query, to)

    def serve_tcp(self):
        while self.running:
            try:
                stream, _ = self.tcp.accept()
            except OSError:
                return
            with stream:
                stream.settimeout(2)
                size = struct.unpack("!H", stream.recv(2, socket.MSG_WAITALL))[0]
                answer = self.answer(stream.recv(size, socket.MSG_WAITALL), False)
                stream.sendall(struct.pack("!H", len(answer)) + answer)

    def wait_asked(self, name, seconds=5):
        """Until somebody has asked about that name."""
        deadline = time.monotonic() + seconds
        while not any(n == name for n, _ in self.asked):
            assert time.monotonic() < deadline, f"nobody asked about {name}: {self.asked}"
            time.sleep(0.01)

    def stop(self):
        self.running = False
        for sock in (self.udp, self.tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        for thread in self.threads:
            thread.join(2)
        self.other.close()
