"""sipp as a real peer. Debian's build has no TLS, so socat carries it: with our certificate
towards the appliance, and with a check of the appliance's."""
import os
import subprocess

from .appliance import wait_until

SCENARIOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration", "sipp")


class Tunnel:
    """socat between plain TCP on the namespace's loopback and TLS outside it."""

    def __init__(self, namespace, listen, connect, log):
        self.log = open(log, "ab")
        self.process = namespace.popen("socat", "-d", listen, connect, stdin=subprocess.DEVNULL,
                                       stdout=self.log, stderr=self.log)

    def stop(self):
        self.process.terminate()
        self.process.wait(5)
        self.log.close()


def bracket(address):
    return f"[{address}]" if ":" in address else address


def to_appliance(namespace, local_port, remote, name, chain, key, trust, log):
    """Plain TCP on 127.0.0.1:local_port becomes TLS with a client certificate to remote."""
    version = "6" if ":" in remote else "4"
    listen = f"TCP4-LISTEN:{local_port},bind=127.0.0.1,fork,reuseaddr"
    connect = (f"OPENSSL:{bracket(remote)}:5061,pf=ip{version},cert={chain},key={key},"
               f"cafile={trust},commonname={name},verify=1")
    tunnel = Tunnel(namespace, listen, connect, log)
    wait_until(lambda: f":{local_port} " in namespace.sh("ss", "-Hltn"), 5, "socat listens")
    return tunnel


def from_appliance(namespace, address, local_port, chain, key, trust, log, port=5061):
    """TLS at address:port, client certificate required, becomes plain TCP to local_port."""
    version = "6" if ":" in address else "4"
    listen = (f"OPENSSL-LISTEN:{port},bind={bracket(address)},pf=ip{version},fork,reuseaddr,"
              f"cert={chain},key={key},cafile={trust},verify=1")
    tunnel = Tunnel(namespace, listen, f"TCP4:127.0.0.1:{local_port}", log)
    wait_until(lambda: f":{port} " in namespace.sh("ss", "-Hltn"), 5, "socat listens")
    return tunnel


def command(scenario, folder, *more):
    return ["sipp", "-sf", os.path.join(SCENARIOS, scenario), "-t", "t1", "-i", "127.0.0.1",
            "-nostdin", "-trace_err", "-error_file", os.path.join(folder, f"{scenario}.err"), *more]


def serve(namespace, scenario, port, folder, *more):
    """sipp as server on 127.0.0.1:port until stopped."""
    log = open(os.path.join(folder, f"{scenario}.{port}.log"), "wb")
    process = namespace.popen(*command(scenario, folder, "-p", str(port), *more), stdout=log,
                              stderr=log, stdin=subprocess.DEVNULL)
    wait_until(lambda: f":{port} " in namespace.sh("ss", "-Hltn"), 5, "sipp listens")
    return process


def call(namespace, scenario, tunnel_port, folder, *more, calls=3, rate=10, timeout=20):
    """sipp as client through a tunnel; raises with sipp's own words when a call failed."""
    arguments = command(scenario, folder, "-m", str(calls), "-r", str(rate), "-timeout",
                        str(timeout), "-timeout_error", *more, f"127.0.0.1:{tunnel_port}")
    result = subprocess.run(namespace.command(*arguments), text=True, capture_output=True,
                            stdin=subprocess.DEVNULL, timeout=timeout + 10)
    if result.returncode != 0:
        errors = os.path.join(folder, f"{scenario}.err")
        detail = open(errors, encoding="utf-8", errors="replace").read() if os.path.exists(
            errors) else result.stdout[-2000:]
        raise AssertionError(f"sipp {scenario}: exit {result.returncode}\n{detail[-3000:]}")
