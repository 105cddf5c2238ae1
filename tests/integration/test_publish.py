"""P1: a publish under load loses nothing and leaves nothing behind."""
import asyncio
import json
import random
import subprocess
import sys
import threading

import pytest

from tests.integration.conftest import free_port
from tests.lib import sip, topology
from tests.lib.appliance import RestError, wait_until

URI = "sip:bob@example.com"


def with_front_end_port(site, port):
    document = site.topology()
    document["next_hop_pools"][0]["members"][0]["port"] = port
    return document


def test_P1_route_changes_under_load_fail_nothing(site):
    """200 requests/s for 20 s, 20 publishes between two front ends; none reaches the retired
    one once its publish has answered."""
    async def scenario():
        servers = {port: await site.inside.server(port=port).start() for port in (5061, 5071)}
        client = await site.partner.client().connect()
        loop = asyncio.get_running_loop()
        load = sip.Load(lambda: client.request("MESSAGE", URI, body=b"hello"), 200)
        running = asyncio.create_task(load.run(20))
        late = []
        for turn in range(20):
            active = 5071 if turn % 2 == 0 else 5061
            retired = 5061 if turn % 2 == 0 else 5071
            answer = await loop.run_in_executor(
                None, site.appliance.publish, with_front_end_port(site, active))
            # What was sent before the answer may still be on its way; what is sent now may not.
            marker = await client.request("MESSAGE", URI, headers=[("X-Turn", str(turn))])
            assert marker.status == 200, answer
            seen = len(servers[retired].requests)
            await asyncio.sleep(0.5)
            late += [m.get("Call-ID") for m in servers[retired].requests[seen:]]
        await running
        await client.close()
        for server in servers.values():
            await server.stop()
        assert load.failures == []
        assert load.good >= 3900
        assert late == [], "requests reached a retired next hop"
    asyncio.run(scenario())


def test_P1_rollback_runs_the_old_revision(site):
    first = site.appliance.rest("GET", "/v1/status")["revision"]
    site.appliance.publish(with_front_end_port(site, 5071))
    second = site.appliance.rest("GET", "/v1/status")["revision"]
    assert second > first
    site.appliance.rest("POST", f"/v1/revisions/{first}/rollback?wait=10s")

    async def scenario():
        server = await site.inside.server(port=5061).start()
        client = await site.partner.client().connect()
        assert (await client.request("MESSAGE", URI)).status == 200
        await client.close()
        await server.stop()
    asyncio.run(scenario())
    revisions = site.appliance.rest("GET", "/v1/revisions")
    assert len(revisions["revisions"]) >= 3


def test_R1_listeners_move_without_touching_connections(site):
    """A publish that moves one listener keeps the connections of both."""
    document = site.topology()
    document["listeners"][1]["port"] = 5062

    async def scenario():
        server = await site.inside.server().start()
        client = await site.partner.client().connect()
        assert (await client.request("MESSAGE", URI)).status == 200
        writer = client.writer
        await asyncio.get_running_loop().run_in_executor(None, site.appliance.publish, document)
        assert (await client.request("MESSAGE", URI)).status == 200
        assert client.writer is writer, "the connection was cut by the publish"
        moved = await site.partner.client("6", port=5062).connect()
        assert (await moved.request("MESSAGE", URI)).status == 200
        with pytest.raises((OSError, asyncio.TimeoutError)):
            await site.partner.client("6", port=5061).connect(timeout=1)
        for end in (client, moved):
            await end.close()
        await server.stop()
    asyncio.run(scenario())


def test_P1_a_refused_publish_leaves_management_where_it_was(site):
    """Agent has let go of the old port by the time signal refuses: it must take it back."""
    box = site.appliance
    holder = subprocess.Popen(
        ["ip", "netns", "exec", f"{box.name}-punt", sys.executable, "-c",
         "import socket, sys; s = socket.socket(); s.bind(('10.1.0.1', 5099)); s.listen(); "
         "print('held', flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline()
    document = site.topology()
    document["management"]["port"] = free_port()
    document["listeners"][0]["port"] = 5099
    with pytest.raises(RestError) as refusal:
        box.publish(document)
    holder.communicate()
    assert refusal.value.status == 409
    assert "5099" in json.dumps(refusal.value.body)
    answered = [box.rest("GET", "/v1/status")["revision"] for _ in range(3)]
    assert answered == [1, 1, 1]


def cut_power(site, moment, port):
    """Kills everything at `moment` seconds into a publish. True when the publish had answered."""
    answered = threading.Event()

    def publish():
        try:
            site.appliance.publish(with_front_end_port(site, port), wait="5s")
            answered.set()
        except Exception:  # the power is cut under it
            pass

    site.appliance.put_candidate(with_front_end_port(site, port))
    thread = threading.Thread(target=publish)
    thread.start()
    threading.Event().wait(moment)
    done = answered.is_set()
    pids = [site.appliance.pid_of(p) for p in ("control", "fastpath", "signal", "front", "agent")]
    site.appliance.kill("init")
    thread.join()
    wait_until(lambda: not any(alive(p) for p in pids if p), 3, "no child outlives init")
    return done


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def power_cuts(site, times, seed):
    chance = random.Random(seed)
    port = 5061
    for _ in range(times):
        wanted = 5071 if port == 5061 else 5061
        done = cut_power(site, chance.uniform(0.0, 0.25), wanted)
        site.appliance.start()
        running = site.appliance.rest("GET", "/v1/topology")
        document = running.get("topology", running)
        found = document["next_hop_pools"][0]["members"][0].get("port", 5061)
        assert found in (port, wanted), json.dumps(document)
        if done:
            assert found == wanted, "a publish that had answered is gone"
        status = site.appliance.rest("GET", "/v1/status")
        assert status["database"]["state"] == "ok"
        port = found
        serve_once(site, port)


def serve_once(site, port):
    async def scenario():
        server = await site.inside.server(port=port).start()
        client = await site.partner.client().connect()
        assert (await client.request("MESSAGE", URI, timeout=8)).status == 200
        await client.close()
        await server.stop()
    asyncio.run(scenario())


def test_P1_power_cut_during_a_publish_leaves_old_or_new(site):
    power_cuts(site, 5, seed=1)


@pytest.mark.soak
def test_P1_power_cut_during_a_publish_fifty_times(site):
    power_cuts(site, 50, seed=2)


def test_P1_a_database_of_noise_does_not_stop_the_box(site):
    site.appliance.stop()
    database = f"{site.appliance.state}/control/fedge.db"
    noise = random.Random(3).randbytes(65536)
    with open(database, "r+b") as file:
        file.write(noise)
    for suffix in ("-wal", "-shm"):
        try:
            with open(database + suffix, "r+b") as file:
                file.write(noise[:4096])
        except FileNotFoundError:
            pass
    site.appliance.start(wait=0)

    async def scenario():
        server = await site.inside.server().start()
        client = site.partner.client()
        deadline = asyncio.get_running_loop().time() + 15
        while True:
            try:
                await client.connect(timeout=1)
                break
            except (OSError, asyncio.TimeoutError):
                assert asyncio.get_running_loop().time() < deadline, site.appliance.tail()
                await asyncio.sleep(0.05)
        assert (await client.request("MESSAGE", URI)).status == 200
        await client.close()
        await server.stop()
    asyncio.run(scenario())
    wait_until(lambda: "database" in site.appliance.tail(200), 5, "the log names the database")
    _, _, body = site.appliance.request("GET", "/v1/status")
    assert b"damaged" in body, body


def test_B4_a_port_that_is_gone_leaves_management(site):
    """Status names it, and a topology without it can be published."""
    box = site.appliance
    box.stop()
    with open(box.config, "r+", encoding="ascii") as file:
        board = json.load(file)
        board["ports"] = [p for p in board["ports"] if p["name"] != "port1"]
        file.seek(0)
        file.truncate()
        json.dump(board, file)
    box.start()
    wait_until(lambda: "port1" in json.dumps(box.rest("GET", "/v1/status")), 10,
               "the status names the port")
    document = site.topology()
    document["ports"] = document["ports"][:1]
    document["realms"][1].update(port="wan", vlan=7)
    assert box.publish(document)["state"] == "running"
    wait_until(lambda: box.rest("GET", "/v1/health")["health"] == "ok", 10, "the box is well")
