"""One appliance: fedge-init with everything it starts, and its REST interface."""
import http.client
import json
import os
import signal
import ssl
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.environ.get("FEDGE_PROGRAMS", os.path.join(ROOT, "build", "bin"))
PROCESSES = ("control", "fastpath", "signal", "front", "agent")
# Every appliance that does not say otherwise: the same tests with several workers.
SIGNAL_WORKERS = int(os.environ.get("FEDGE_SIGNAL_WORKERS", "1"))
FASTPATH_WORKERS = int(os.environ.get("FEDGE_FASTPATH_WORKERS", "1"))


def wait_until(condition, seconds, what, every=0.02):
    """Polls for what no event tells; fails loudly at the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(every)
    raise TimeoutError(f"{what}: not within {seconds} s")


class RestError(Exception):
    def __init__(self, status, body):
        super().__init__(f"{status}: {json.dumps(body) if not isinstance(body, str) else body}")
        self.status, self.body = status, body


class Appliance:
    def __init__(self, name, folder, ports, management="127.0.0.1:8443"):
        self.name, self.folder, self.management = name, folder, management
        self.state = os.path.join(folder, "state")
        self.log = os.path.join(folder, "fedge.log")
        self.config = os.path.join(folder, "board.json")
        self.process = None
        self.token = None
        os.makedirs(folder, exist_ok=True)
        with open(self.config, "w", encoding="ascii") as file:
            json.dump({"instance": name, "board": "host", "state": self.state,
                       "programs": PROGRAMS, "management": management,
                       "signal_workers": SIGNAL_WORKERS,
                       "fastpath_workers": FASTPATH_WORKERS,
                       "ports": [{"name": n, "interface": i} for n, i in ports.items()]}, file,
                      indent=1)

    def describe(self, **fields):
        """Adds to the instance's description, before the start."""
        with open(self.config, encoding="ascii") as file:
            description = json.load(file)
        with open(self.config, "w", encoding="ascii") as file:
            json.dump({**description, **fields}, file, indent=1)

    # --- life ---------------------------------------------------------------------------------

    def start(self, wait=20, cores=None):
        log = open(self.log, "ab")
        command = [os.path.join(PROGRAMS, "fedge-init"), "--config", self.config]
        if cores is not None:
            command = ["taskset", "-c", cores, *command]
        self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL)
        log.close()
        if wait:
            wait_until(self.healthy, wait, f"{self.name} starts (see {self.log})")
        return self

    def healthy(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"fedge-init ended with {self.process.returncode}:\n{self.tail()}")
        try:
            self.read_token()
            return self.rest("GET", "/v1/status") is not None
        except (OSError, http.client.HTTPException, RestError):
            return False

    def stop(self, seconds=10):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.process = None

    def pid_of(self, process):
        """The pid of one of our processes now; None when it is not running."""
        if process == "init":
            return self.process.pid
        out = subprocess.run(["pgrep", "-P", str(self.process.pid), "-x", f"fedge-{process}"],
                             text=True, capture_output=True).stdout.split()
        return int(out[0]) if out else None

    def kill(self, process):
        """kill -9, and the pid it had."""
        pid = wait_until(lambda: self.pid_of(process), 5, f"{process} is running")
        os.kill(pid, signal.SIGKILL)
        if process == "init":
            self.process.wait()
        return pid

    def tail(self, lines=40):
        with open(self.log, errors="replace", encoding="utf-8") as file:
            return "".join(file.readlines()[-lines:])

    # --- REST ---------------------------------------------------------------------------------

    def read_token(self):
        if self.token is None:
            path = os.path.join(self.state, "control", "first-token")
            with open(path, encoding="ascii") as file:
                self.token = file.read().strip()
        return self.token

    def connection(self, timeout=130):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        host, port = self.management.rsplit(":", 1)
        return http.client.HTTPSConnection(host, int(port), timeout=timeout, context=context)

    def request(self, method, path, body=None, headers=None):
        """(status, headers, body bytes) of one request, whatever the status."""
        connection = self.connection()
        try:
            send = {"Authorization": f"Bearer {self.token}", **(headers or {})}
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
                send.setdefault("Content-Type", "application/json")
            connection.request(method, path, body=body, headers=send)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def rest(self, method, path, body=None, headers=None):
        """The decoded body; RestError on 4xx and 5xx."""
        status, _, data = self.request(method, path, body, headers)
        try:
            value = json.loads(data) if data else None
        except ValueError:
            value = data.decode(errors="replace")
        if status >= 400:
            raise RestError(status, value)
        return value

    def put_candidate(self, topology):
        _, headers, _ = self.request("GET", "/v1/topology/candidate")
        etag = next((v for k, v in headers.items() if k.lower() == "etag"), None)
        return self.rest("PUT", "/v1/topology/candidate", topology,
                         {"If-Match": etag} if etag else {"If-Match": "*"})

    def publish(self, topology=None, wait="10s"):
        if topology is not None:
            self.put_candidate(topology)
        return self.rest("POST", f"/v1/topology/publish?wait={wait}")

    def import_certificate(self, name, chain, key):
        with open(chain, encoding="ascii") as c, open(key, encoding="ascii") as k:
            return self.rest("PUT", f"/v1/certificates/{name}",
                             {"chain": c.read(), "key": k.read()})

    def import_trust(self, name, certificate):
        with open(certificate, encoding="ascii") as file:
            return self.rest("PUT", f"/v1/trust/{name}", {"pem": file.read()})

    def metrics(self):
        """Series of /metrics: name with labels → value."""
        status, _, data = self.request("GET", "/metrics")
        if status != 200:
            raise RestError(status, data.decode(errors="replace"))
        series = {}
        for line in data.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                series[name] = float(value)
        return series
