"""Kamailio 5.6 as a real peer: one instance in a namespace, by a configuration with @WORDS@."""
import os
import signal
import socket
import subprocess

from .appliance import wait_until
from .netns import run

TLS = """[server:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {key}
certificate = {chain}
ca_list = {trust}
cipher_list = ECDHE+AESGCM
[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {key}
certificate = {chain}
ca_list = {trust}
"""


class Kamailio:
    """Answers at `probe` (address, port), asked from `asker`, once this returns."""

    def __init__(self, namespace, folder, config, words, identity, probe, asker=None,
                 wrapper=(), memory="256"):
        os.makedirs(folder, exist_ok=True)
        chain, key, trust = identity
        with open(os.path.join(folder, "tls.cfg"), "w", encoding="ascii") as file:
            file.write(TLS.format(chain=chain, key=key, trust=trust))
        with open(config, encoding="ascii") as file:
            text = file.read()
        for word, value in {"FOLDER": folder, **words}.items():
            text = text.replace(f"@{word}@", str(value))
        path = os.path.join(folder, "kamailio.cfg")
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        self.log = os.path.join(folder, "kamailio.log")
        with open(self.log, "wb") as log:
            self.process = namespace.popen(
                *wrapper, "kamailio", "-DD", "-x", "tlsf", "-f", path, "-m", memory, "-M", "32",
                "-Y", folder, "-w", folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True)
        try:
            wait_until(lambda: self.answers(asker or namespace, probe), 20,
                       f"kamailio listens (see {self.log})")
            # It listens before it forks: whole when nothing more has come for a while.
            seen = []

            def forked():
                seen.append(len(self.pids()))
                return len(seen) > 5 and seen[-1] == seen[-6] > 3
            wait_until(forked, 10, "kamailio has forked its processes", every=0.1)
        except BaseException:
            self.stop()
            raise

    def answers(self, asker, probe):
        if self.process.poll() is not None:
            raise RuntimeError(f"kamailio ended:\n{self.tail()}")
        try:
            asker.call(lambda: socket.create_connection(probe, timeout=1).close())
            return True
        except OSError:
            return False

    def tail(self, octets=3000):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()[-octets:]

    def pids(self):
        """Process id by name: Kamailio's processes are many, and all count as one."""
        pids, at = [self.process.pid], 0
        while at < len(pids):
            pids += map(int, run("pgrep", "-P", str(pids[at]), check=False).split())
            at += 1
        return {f"kamailio{i}": pid for i, pid in enumerate(pids)}

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
