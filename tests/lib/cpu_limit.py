"""A share of one CPU for some processes, by a cgroup of the test's own (version 1 or 2)."""
import os

ROOT = "/sys/fs/cgroup"
PERIOD_US = 20000  # short: a process that used up its share stands still for the rest


class CpuLimit:
    """Made when entered; the processes go back where they came from when left."""

    def __init__(self, name, pids, share):
        self.name, self.pids, self.quota_us = name, pids, int(share * PERIOD_US)
        self.homes = {}

    @staticmethod
    def parent():
        """Where groups with a CPU quota can be made; None on a machine without."""
        if os.path.exists(f"{ROOT}/cpu/cpu.cfs_quota_us"):
            return f"{ROOT}/cpu"
        try:
            with open(f"{ROOT}/cgroup.subtree_control", encoding="ascii") as file:
                return ROOT if "cpu" in file.read().split() else None
        except OSError:
            return None

    @staticmethod
    def home_of(pid):
        """The group that the process is in now."""
        with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
            groups = dict(line.rstrip().split(":", 2)[1:] for line in file)
        if os.path.exists(f"{ROOT}/cpu/cpu.cfs_quota_us"):
            return f"{ROOT}/cpu" + next(v for k, v in groups.items() if "cpu" in k.split(","))
        return ROOT + groups[""]

    def __enter__(self):
        self.folder = os.path.join(self.parent(), self.name)
        os.mkdir(self.folder)
        if os.path.exists(f"{self.folder}/cpu.max"):
            self.write("cpu.max", f"{self.quota_us} {PERIOD_US}")
        else:
            self.write("cpu.cfs_period_us", PERIOD_US)
            self.write("cpu.cfs_quota_us", self.quota_us)
        for pid in self.pids:
            self.homes[pid] = self.home_of(pid)
            self.write("cgroup.procs", pid)
        return self

    def __exit__(self, *_):
        for pid, home in self.homes.items():
            try:
                with open(os.path.join(home, "cgroup.procs"), "w", encoding="ascii") as file:
                    file.write(str(pid))
            except OSError:
                pass  # it has ended
        os.rmdir(self.folder)

    def write(self, name, value):
        with open(os.path.join(self.folder, name), "w", encoding="ascii") as file:
            file.write(str(value))
