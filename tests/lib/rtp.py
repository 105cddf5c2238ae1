"""Ends of RTP streams in namespaces, as plain as a phone that knows no ICE."""
import contextlib
import re
import socket
import struct
import threading
import time


class Ear:
    """Knows which numbered packets have come, of whom and from where."""

    def __init__(self, mark):
        self.mark = mark   # in the payload of each packet it sends: who sent it
        self.heard = []    # (mark, sequence, source)
        self.arrived = threading.Condition()
        self.sequence = 0

    def take(self, packet, source):
        if len(packet) < 20:
            return
        with self.arrived:
            self.heard.append((packet[12:20].rstrip(b"\0").decode("ascii", "replace"),
                               struct.unpack("!H", packet[2:4])[0], source[:2]))
            self.arrived.notify_all()

    def next_packet(self):
        head = struct.pack("!BBHII", 0x80, 0, self.sequence & 0xffff, self.sequence * 160,
                           source_of(self.mark))
        self.sequence += 1
        return head + self.mark.encode().ljust(8, b"\0") + bytes(152)

    def sequences(self, mark):
        with self.arrived:
            return sorted({s for m, s, _ in self.heard if m == mark})

    def wait_for(self, mark, count, seconds=5):
        """Until so many different packets of `mark` have come; True when they have."""
        with self.arrived:
            return self.arrived.wait_for(
                lambda: len({s for m, s, _ in self.heard if m == mark}) >= count, seconds)


class End(Ear):
    """One UDP socket: sends numbered packets, and knows which of the other's have come."""

    def __init__(self, namespace, address, mark):
        super().__init__(mark)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = namespace.call(lambda: socket.socket(family, socket.SOCK_DGRAM))
        self.socket.bind((address, 0))
        self.address, self.port = address, self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while True:
            try:
                self.take(*self.socket.recvfrom(2048))
            except OSError:
                return

    def send(self, to, count=1, gap=0.0):
        for _ in range(count):
            self.socket.sendto(self.next_packet(), to)
            if gap:
                time.sleep(gap)  # the pace of speech

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread, though not connected
        self.socket.close()


def source_of(mark):
    return int.from_bytes(mark.encode().ljust(4, b"\0")[:4], "big")


def offer(end, extra=""):
    """SDP of one audio stream at `end`."""
    family = "IP6" if ":" in end.address else "IP4"
    return (f"v=0\r\no=- 1 1 IN {family} {end.address}\r\ns=-\r\nc=IN {family} {end.address}\r\n"
            f"t=0 0\r\nm=audio {end.port} RTP/AVP 0\r\n{extra}").encode()


def target(body):
    """Where an SDP wants its (first) stream."""
    text = body.decode()
    address = re.search(r"^c=IN IP[46] (\S+)", text, re.M).group(1)
    return address, int(re.search(r"^m=audio (\d+)", text, re.M).group(1))
