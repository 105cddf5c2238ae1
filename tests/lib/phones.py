"""Both ends of many calls at the pace of speech: tests/bench/rtp_peer, one process a side."""
import json
import subprocess

from tests.bench.report import FOLDER

TOOL = f"{FOLDER}/rtp_peer"


class Phone:
    """One end of a call, as calls.Call wants it: its socket is rtp_peer's."""

    def __init__(self, mark, address, port):
        self.mark, self.address, self.port = mark, address, port

    def close(self):
        """The side closes all of its sockets at once."""


class Side:
    """The phones of one namespace."""

    def __init__(self, number, name, namespace, address, count):
        self.process = namespace.popen(TOOL, str(number), address, str(count), text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ports = self.read()["ports"]
        self.phones = [Phone(f"{name}{i}", address, port) for i, port in enumerate(ports)]

    def read(self):
        line = self.process.stdout.readline()
        assert line, f"{TOOL} has ended"
        return json.loads(line)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        answer = self.read()
        assert "error" not in answer, (words, answer)
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class Crowd:
    """Callers and called, stream by stream."""

    def __init__(self, site, count):
        self.sides = []
        try:
            self.sides.append(Side(0, "out", site.lab.partner, site.partner.addresses["4"], count))
            self.sides.append(Side(1, "in", site.lab.inside, site.inside.addresses["4"], count))
        except BaseException:
            self.close()
            raise

    def ends(self, number):
        return tuple(side.phones[number] for side in self.sides)

    def talk(self, calls, rate):
        """Both ends of all calls talk from now on."""
        for i, call in enumerate(calls):
            self.sides[0].ask("target", i, *call.to_called)
            self.sides[1].ask("target", i, *call.to_caller)
        for side in self.sides:
            side.ask("start", rate)

    def stop(self):
        for side in self.sides:
            side.ask("stop")

    def report(self):
        return [side.ask("report") for side in self.sides]

    def sent(self):
        """Packets that every stream has sent by now."""
        return min(len(stream["sent"]) for side in self.report() for stream in side["streams"])

    def heard(self):
        """What became of all packets, both ways together; `lost` is (from which side, stream,
        number, when it was sent) of each one."""
        report = self.report()
        sums = {"sent": 0, "received": 0, "repeated": 0, "misplaced": 0, "strange": 0,
                "overflowed": 0, "lost": [], "late": [side["late"] for side in report]}
        for side, (talker, listener) in enumerate((report, report[::-1])):
            for i, (out, back) in enumerate(zip(talker["streams"], listener["streams"])):
                sums["sent"] += len(out["sent"])
                for name in ("received", "repeated", "misplaced", "strange", "overflowed"):
                    sums[name] += back[name]
                come = back["come"]
                sums["lost"] += [(side, i, number, at) for number, at in enumerate(out["sent"])
                                 if number >= len(come) or not come[number]]
        return sums

    def close(self):
        for side in self.sides:
            side.close()
