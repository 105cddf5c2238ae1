"""M2: media's clients over TCP and TLS, and what becomes of them when processes die."""
import contextlib
import os
import socket
import ssl
import struct
import time

import pytest

from tests.lib import topology
from tests.lib.appliance import wait_until

SERVER = topology.OUTSIDE["4"]
TCP, TLS = 443, 5349


class Stream:
    """A STUN client over a stream."""

    def __init__(self, port=TCP):
        self.socket = socket.create_connection((SERVER, port), timeout=5)
        if port == TLS:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)

    def ask(self):
        """A Binding request; the reflexive address that the answer tells."""
        transaction = os.urandom(12)
        self.socket.sendall(struct.pack("!HHI", 1, 0, 0x2112A442) + transaction)
        kind, size, _ = struct.unpack("!HHI", self.read(8))
        assert (kind, self.read(12)) == (0x0101, transaction)
        body = self.read(size)
        while body:
            attribute, length = struct.unpack_from("!HH", body)
            if attribute == 0x0020:  # XOR-MAPPED-ADDRESS of IPv4
                port, address = struct.unpack_from("!HI", body, 6)
                return (socket.inet_ntoa(struct.pack("!I", address ^ 0x2112A442)), port ^ 0x2112)
            body = body[4 + (length + 3) // 4 * 4:]
        return None

    def read(self, size):
        out = b""
        while len(out) < size:
            octets = self.socket.recv(size - len(out))
            if not octets:
                raise ConnectionError("closed")
            out += octets
        return out

    def close(self):
        self.socket.close()


@pytest.fixture
def site(new_site):
    site = new_site()
    site.start(topology.with_media(site.topology()))
    return site


@pytest.fixture
def connect(site):
    with contextlib.ExitStack() as stack:
        def make(port=TCP):
            stream = site.lab.partner.call(lambda: Stream(port))
            stack.callback(stream.close)
            return stream

        yield make


@pytest.mark.parametrize("port", [TCP, TLS])
def test_M2_a_stream_is_answered_with_its_own_address(connect, port):
    stream = connect(port)
    for _ in range(3):
        assert stream.ask() == stream.socket.getsockname()


def test_M2_signal_control_and_agent_killed_leave_streams_alone(site, connect):
    streams = [connect(TCP), connect(TLS)]
    front = site.appliance.pid_of("front")
    for process in ("signal", "control", "agent"):
        site.appliance.kill(process)
        for stream in streams:
            assert stream.ask() == stream.socket.getsockname()
    wait_until(site.appliance.healthy, 15, "all are back")
    for stream in streams:
        assert stream.ask() == stream.socket.getsockname()
    assert site.appliance.pid_of("front") == front


def test_M2_streams_outlive_the_fast_path(site, connect):
    streams = [connect(TCP), connect(TLS)]
    for stream in streams:
        stream.ask()
    site.appliance.kill("fastpath")
    for stream in streams:
        assert stream.ask() == stream.socket.getsockname()


def test_M2_clients_of_a_killed_front_are_back_within_two_seconds(site, connect):
    stream = connect(TCP)
    stream.ask()
    killed = time.monotonic()
    site.appliance.kill("front")
    with pytest.raises(OSError):
        stream.ask()

    def again():
        with contextlib.suppress(OSError):
            return connect(TCP).ask()

    wait_until(again, 2, "front takes streams again")
    assert time.monotonic() - killed < 2
