"""M1, M2: libnice as the independent client of the relay: in its two MS-TURN modes and as an ICE
agent of the RFCs, over UDP."""
import contextlib

import pytest

from tests.lib import nice, topology
from tests.lib.appliance import wait_until

SERVER = (topology.OUTSIDE["4"], 3478)
KINDS = {"oc2007": "ms_turn", "oc2007r2": "ms_turn", "rfc5245": "turn"}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return nice.build(str(tmp_path_factory.mktemp("nice")))


@pytest.fixture
def site(new_site):
    site = new_site()
    site.start(topology.with_media(site.topology()))
    return site


@pytest.fixture
def agents(site, program):
    """agents(compatibility, relay_only, relay_only): a controlling and a controlled one that have
    gathered."""
    with contextlib.ExitStack() as stack:
        def make(compatibility, *relay_only):
            made = []
            for i, only in enumerate(relay_only):
                credentials = site.appliance.rest("POST", "/v1/media/credentials",
                                                  {"identity": f"sip:agent{i}@example.com"})
                agent = nice.Agent(site.lab.partner, program, compatibility, i == 0, SERVER,
                                   credentials, only)
                stack.callback(agent.close)
                made.append(agent)
            return [agent.gather() for agent in made]

        yield make


def talk(one, other, words):
    for word in words:
        one.say(f"send {word}")
        assert other.expect("got ") == f"got {word}"
        other.say(f"send {word} yourself")
        assert one.expect("got ") == f"got {word} yourself"


def await_sessions(box, count):
    wait_until(lambda: box.metrics().get("fedge_media_sessions") == count, 5, f"{count} sessions")


def await_packets(box, name, least):
    wait_until(lambda: box.metrics().get(name, 0) >= least, 5, f"{name} of {least}")


@pytest.mark.parametrize("compatibility", KINDS)
def test_M1_M2_libnice_gathers_a_relayed_address(site, agents, compatibility):
    agent, = agents(compatibility, True)
    address, port = agent.relayed()
    assert address == topology.OUTSIDE["4"] and 50000 <= port <= 59999
    # And gives it back.
    await_sessions(site.appliance, 1)
    agent.close()
    await_sessions(site.appliance, 0)


@pytest.mark.parametrize("compatibility", KINDS)
def test_M1_M2_a_relayed_agent_reaches_one_outside(site, agents, compatibility):
    one, other = agents(compatibility, True, False)
    one.meet(other)
    other.meet(one)
    assert one.ready()[0][0] == "relay"
    assert other.ready()[1] == ("relay", "%s:%d" % one.relayed())
    talk(one, other, [f"word{i}" for i in range(20)])
    for direction in ("from_client", "to_client"):
        await_packets(site.appliance, f'fedge_media_packets_total{{kind="{KINDS[compatibility]}",'
                      f'direction="{direction}"}}', 20)


@pytest.mark.parametrize("compatibility", KINDS)
def test_M1_M2_two_relayed_agents_reach_each_other(site, agents, compatibility):
    one, other = agents(compatibility, True, True)
    one.meet(other)
    other.meet(one)
    assert {end[0] for end in (*one.ready(), *other.ready())} == {"relay"}
    talk(one, other, [f"word{i}" for i in range(20)])
    await_packets(site.appliance, "fedge_media_inside_total", 40)
