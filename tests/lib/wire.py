"""What goes over a test's wires: frames seen, and a switch that puts 802.1Q tags on."""
import fcntl
import os
import select
import socket
import struct
import threading

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 0x10
ETH_P_ALL, ETH_P_8021Q = 3, 0x8100
LARGEST = 65536


def packet_socket(namespace, device):
    """All frames of a device of the namespace, without blocking."""
    def make():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        sock.bind((device, ETH_P_ALL))
        sock.setblocking(False)
        return sock
    return namespace.call(make)


def receive(sock):
    """(frame without its tag, tag or 0, whether it came in); None when there is none."""
    try:
        frame, control, _, address = sock.recvmsg(LARGEST, 256)
    except BlockingIOError:
        return None
    tag = 0
    for level, kind, data in control:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", data[:20])
            tag = tci & 0xfff if status & TP_STATUS_VLAN_VALID else 0
    if frame[12:14] == struct.pack("!H", ETH_P_8021Q):
        tag = struct.unpack("!H", frame[14:16])[0] & 0xfff
        frame = frame[:12] + frame[16:]
    return frame, tag, address[2] != socket.PACKET_OUTGOING


class Capture:
    """What a device of a namespace received since."""

    def __init__(self, namespace, device="eth0"):
        self.sock = packet_socket(namespace, device)

    def ipv4(self, source=None):
        """(DSCP, whole length, flags and fragment, protocol) of each IPv4 packet so far."""
        found = []
        while (got := receive(self.sock)) is not None:
            frame, _, came_in = got
            if not came_in or frame[12:14] != b"\x08\x00":
                continue
            if source and frame[26:30] != socket.inet_aton(source):
                continue
            _, tos, size, _, fragment, _, protocol = struct.unpack("!BBHHHBB", frame[14:24])
            found.append((tos >> 2, size, fragment, protocol))
        return found

    def new_tcp(self, source):
        """(DSCP, ports) of each packet so far of the connections that began since, over IPv4:
        those before may still close."""
        found, began = [], set()
        while (got := receive(self.sock)) is not None:
            frame, _, came_in = got
            if not came_in or frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
                continue
            if frame[26:30] != socket.inet_aton(source):
                continue
            tcp = 14 + 4 * (frame[14] & 15)
            ports = struct.unpack("!HH", frame[tcp:tcp + 4])
            if frame[tcp + 13] & 0x02:  # SYN
                began.add(ports)
            found.append((frame[15] >> 2, ports))
        return [packet for packet in found if packet[1] in began]

    def sizes(self, source):
        """The whole length of each IP packet from that address so far."""
        v4 = "." in source
        address = socket.inet_pton(socket.AF_INET if v4 else socket.AF_INET6, source)
        place, kind = (26, b"\x08\x00") if v4 else (22, b"\x86\xdd")
        found = []
        while (got := receive(self.sock)) is not None:
            frame, _, came_in = got
            if came_in and frame[12:14] == kind and frame[place:place + len(address)] == address:
                size, = struct.unpack("!H", frame[16:18] if v4 else frame[18:20])
                found.append(size if v4 else size + 40)
        return found

    def close(self):
        self.sock.close()


class TaggingSwitch:
    """The kernel has neither 802.1Q devices nor bridges: between a trunk and one tap for each VLAN
    a thread moves frames and puts tags on and off."""

    def __init__(self, namespace, device):
        self.trunk = packet_socket(namespace, device)
        self.taps, self.strays = {}, []  # tags of IPv4 frames that no tap is there for
        self.ended = os.pipe()
        self.thread = None

    def add(self, vlan, namespace, address):
        name = f"vlan{vlan}"

        def make():
            tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
            return tap

        self.taps[vlan] = namespace.call(make)
        namespace.sh("ip", "addr", "add", address, "dev", name)
        namespace.sh("ip", "link", "set", name, "up")

    def start(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def run(self):
        vlans = {tap: vlan for vlan, tap in self.taps.items()}
        while True:
            ready, _, _ = select.select([self.trunk, self.ended[0], *vlans], [], [])
            if self.ended[0] in ready:
                return
            for tap in ready:
                if tap in vlans:
                    frame = os.read(tap, LARGEST)
                    tag = struct.pack("!HH", ETH_P_8021Q, vlans[tap])
                    self.trunk.send(frame[:12] + tag + frame[12:])
            while self.trunk in ready and (got := receive(self.trunk)) is not None:
                frame, tag, came_in = got
                if came_in and tag in self.taps:
                    os.write(self.taps[tag], frame)
                elif came_in and frame[12:14] == b"\x08\x00":
                    self.strays.append(tag)

    def stop(self):
        os.write(self.ended[1], b"x")
        self.thread.join()
        self.trunk.close()
        for fd in (*self.taps.values(), *self.ended):
            os.close(fd)
