"""ICE agents of libnice (nice_agent.c says which lines they speak), each a process in a
namespace."""
import os
import queue
import shutil
import subprocess
import threading
import time

from .netns import run

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nice_agent.c")


def build(folder):
    """Compiles the agent; returns the program."""
    program = os.path.join(folder, "nice_agent")
    flags = run("pkg-config", "--cflags", "--libs", "nice", "gio-2.0").split()
    run(shutil.which("gcc") or "cc", "-O1", "-Wall", "-o", program, SOURCE, *flags)
    return program


class Agent:
    """`credentials` as the appliance gives them out."""

    def __init__(self, namespace, program, compatibility, is_controlling, server, credentials,
                 relay_only=False):
        self.lines, self.seen = queue.Queue(), []
        self.local, self.candidates = None, []
        self.process = namespace.popen(
            program, compatibility, "controlling" if is_controlling else "controlled",
            server[0], str(server[1]), credentials["username"], credentials["password"],
            *(["relay"] if relay_only else []),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def expect(self, start, timeout=20):
        """The next line that begins so; what comes before it is kept in `seen`."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0.001))
            except queue.Empty:
                line = None
            if line is None or line == "state failed":
                raise AssertionError(f"no {start!r}, but: {self.seen}, then {line!r}")
            self.seen.append(line)
            if line.startswith(start):
                return line

    def gather(self):
        self.expect("gathered")
        self.local = next(line for line in self.seen if line.startswith("local "))
        self.candidates = [line for line in self.seen if line.startswith("candidate ")]
        return self

    def relayed(self):
        """The relayed candidate's address and port."""
        relay = next(c for c in self.candidates if c.startswith("candidate relay "))
        words = relay.split()
        return words[4], int(words[5])

    def meet(self, other):
        """Takes the other's candidates and begins to check."""
        self.say(other.local.replace("local", "remote", 1))
        for candidate in other.candidates:
            self.say(candidate)
        self.say("check")

    def ready(self):
        """The selected pair: (type, address) here and there."""
        local, remote = self.expect("pair ").split()[1:]
        return tuple(local.split(":", 1)), tuple(remote.split(":", 1))

    def close(self):
        """Gives the allocation back."""
        if self.process.poll() is None:
            try:
                self.say("quit")
                self.process.wait(5)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        self.reader.join(5)
        self.process.stdin.close()
        self.process.stdout.close()
