"""B1 B4 of the host board: what the machine around the appliance sees of it."""
import asyncio
import os
import signal
import time

from tests.lib import netns
from tests.lib.appliance import PROCESSES, wait_until

URI = "sip:bob@example.com"


async def message(site):
    server = await site.inside.server().start()
    client = await site.partner.client().connect()
    answer = await client.request("MESSAGE", URI)
    await client.close()
    await server.stop()
    return answer.status


def test_B4_with_the_fast_path_stopped_the_box_answers_nothing_not_even_ARP(site):
    partner = site.partner.namespace
    assert asyncio.run(message(site)) == 200
    pid = site.appliance.pid_of("fastpath")
    os.kill(pid, signal.SIGSTOP)
    try:
        partner.sh("ip", "neigh", "flush", "all")
        out = partner.sh("ping", "-c", "2", "-W", "1", "10.1.0.1", check=False)
        assert " 0 received" in out or "100% packet loss" in out, out
        out = partner.sh("ping", "-6", "-c", "2", "-W", "1", "fd00:1::1", check=False)
        assert "100% packet loss" in out, out
        neighbours = partner.sh("ip", "neigh", "show", "10.1.0.1")
        assert "lladdr" not in neighbours, neighbours
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: "0% packet loss" in partner.sh(
        "ping", "-c", "1", "-W", "1", "10.1.0.1", check=False).replace("100%", "all"), 5,
        "it answers again")


def test_B1_two_appliances_run_side_by_side(new_site):
    first, second = new_site(), new_site()
    first.start()
    second.start()
    assert asyncio.run(message(first)) == 200
    assert asyncio.run(message(second)) == 200
    first.appliance.stop()
    assert asyncio.run(message(second)) == 200


def test_B4_a_clean_stop_removes_what_was_made(site):
    name = site.lab.name
    assert f"{name}-wire" in netns.run("ip", "netns", "list")
    site.appliance.stop()
    left = netns.run("ip", "netns", "list")
    assert f"{name}-wire" not in left and f"{name}-punt" not in left
    devices = netns.run("ip", "-br", "link")
    assert site.lab.outside_device in devices and site.lab.inside_device in devices


def test_B4_an_idle_box_costs_under_five_percent_of_a_core(site):
    assert asyncio.run(message(site)) == 200
    ticks = os.sysconf("SC_CLK_TCK")

    def cpu():
        total = 0
        for process in ("init", *PROCESSES):
            with open(f"/proc/{site.appliance.pid_of(process)}/stat", encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / ticks

    time.sleep(1)  # measured idleness: the interval is the subject, not a wait for an event
    before, start = cpu(), time.monotonic()
    time.sleep(4)
    share = (cpu() - before) / (time.monotonic() - start)
    assert share < 0.05, f"{share:.1%} of a core"


def test_B4_processes_run_unprivileged_under_seccomp(site):
    for process in PROCESSES:
        with open(f"/proc/{site.appliance.pid_of(process)}/status", encoding="ascii") as file:
            status = dict(line.split(":", 1) for line in file if ":" in line)
        assert status["Uid"].split()[1] != "0", process
        assert status["Seccomp"].strip() == "2", process
        assert status["NoNewPrivs"].strip() == "1", process
        assert int(status["CapEff"].strip(), 16) == 0, process
