"""Network namespaces of a test: a partner outside, a front end inside, and the two wires that
the appliance takes as its ports.

    NAME-partner            the appliance               NAME-inside
    10.1.0.2/24    veth     10.1.0.1      10.2.0.1      veth    10.2.0.2/24
    fd00:1::2/64 ───────── (NAMEo)          (NAMEi) ─────────   fd00:2::2/64
"""
import ctypes
import os
import queue
import subprocess
import threading

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL("libc.so.6", use_errno=True)


def run(*command, check=True, **options):
    """Runs a command; on failure raises with what it printed."""
    result = subprocess.run(command, text=True, capture_output=True, **options)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip() or result.stdout.strip()}")
    return result.stdout


class Namespace:
    """A named namespace; sockets made by call() belong to it for good."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.sh("ip", "link", "set", "lo", "up")

    @classmethod
    def existing(cls, name):
        """One that somebody else made and will remove."""
        namespace = cls.__new__(cls)
        namespace.name = name
        return namespace

    def command(self, *command):
        return ["ip", "netns", "exec", self.name, *command]

    def sh(self, *command, check=True):
        return run(*self.command(*command), check=check)

    def popen(self, *command, **options):
        return subprocess.Popen(self.command(*command), **options)

    def call(self, function):
        """Runs function in a thread inside the namespace and returns what it returns."""
        results = queue.Queue()

        def inside():
            fd = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                if _libc.setns(fd, CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
                results.put((function(), None))
            except Exception as error:  # handed to the caller
                results.put((None, error))
            finally:
                os.close(fd)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        value, error = results.get()
        if error:
            raise error
        return value

    def remove(self):
        for pid in run("ip", "netns", "pids", self.name, check=False).split():
            try:
                os.kill(int(pid), 9)
            except ProcessLookupError:
                pass
        run("ip", "netns", "del", self.name, check=False)


class Wire:
    """A veth pair: `device` waits in the machine's namespace for an appliance, the other end is
    `peer_device` in `namespace`."""

    def __init__(self, namespace, device, addresses, gateways=(), peer_device="eth0"):
        self.namespace, self.device, self.peer_device = namespace, device, peer_device
        run("ip", "link", "del", device, check=False)
        run("ip", "link", "add", device, "type", "veth", "peer", "name", peer_device, "netns",
            namespace.name)
        # Partial checksums would make the appliance's kernel drop what it is punted.
        namespace.sh("ethtool", "-K", peer_device, "tx", "off")
        namespace.sh("sysctl", "-qw", f"net.ipv6.conf.{peer_device}.accept_dad=0")
        for address in addresses:
            family = ["-6"] if ":" in address else []
            extra = ["nodad"] if family else []
            namespace.sh("ip", *family, "addr", "add", address, "dev", peer_device, *extra)
        namespace.sh("ip", "link", "set", peer_device, "up")
        for gateway in gateways:
            family = ["-6"] if ":" in gateway else []
            namespace.sh("ip", *family, "route", "add", "default", "via", gateway)

    def remove(self):
        self.namespace.sh("ip", "link", "del", self.peer_device, check=False)
        run("ip", "link", "del", self.device, check=False)


class Lab:
    """One partner, one inside, and the two wires between them and an appliance called `name`."""

    def __init__(self, name):
        self.name = name
        for suffix in ("partner", "inside", "wire", "punt"):
            run("ip", "netns", "del", f"{name}-{suffix}", check=False)
        self.partner = Namespace(f"{name}-partner")
        self.inside = Namespace(f"{name}-inside")
        self.outside_device, self.inside_device = f"{name}o", f"{name}i"
        self.wires = [
            Wire(self.partner, self.outside_device, ["10.1.0.2/24", "fd00:1::2/64"]),
            Wire(self.inside, self.inside_device, ["10.2.0.2/24", "fd00:2::2/64"]),
        ]

    def remove(self):
        for wire in self.wires:
            wire.remove()
        self.partner.remove()
        self.inside.remove()
