"""M1, M3, M6, C3: media over REST: what is refused, credentials, sessions, the A/V certificate."""
import base64
import contextlib
import datetime
import hashlib
import hmac
import json

import pytest

from tests.lib import topology, turn
from tests.lib.appliance import RestError, wait_until


@pytest.fixture
def media_site(new_site):
    site = new_site()
    site.start(topology.with_media(site.topology(), anchored=True))
    return site


def post(box, body, **more):
    return box.request("POST", "/v1/media/credentials", {**body, **more})


def later(**delta):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**delta)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def body_of(chain, key, **more):
    with open(chain, encoding="ascii") as c, open(key, encoding="ascii") as k:
        return {"chain": c.read(), "key": k.read(), **more}


def test_M1_M4_what_cannot_work_is_refused_with_its_path(media_site):
    box = media_site.appliance
    for path, change in {
            "/media/pools/0/addresses/0":
                lambda d: d["media"]["pools"][0].update(addresses=["10.2.0.1"]),
            "/media/pools/0/first_port": lambda d: d["media"]["pools"][0].update(first_port=40000),
            "/media/quotas/sessions": lambda d: d["media"].update(quotas={"sessions": 1000000}),
            "/media/certificates/0": lambda d: d["media"].update(certificates=["nothing"]),
            "/media/certificates": lambda d: d["media"].update(certificates=[]),
            "/partners/0/media": lambda d: d["media"]["pools"].pop(1),
            "/listeners/8/service": lambda d: d["next_hop_pools"][0].update(media_edge=False),
    }.items():
        document = topology.with_media(media_site.topology(), anchored=True)
        change(document)
        with pytest.raises(RestError) as refused:
            box.rest("POST", "/v1/topology/validate", document)
        errors = refused.value.body["errors"]
        assert path in [e["path"] for e in errors], (path, errors)
        assert all(e["found"] and e["allowed"] for e in errors)


def test_M3_credentials_in_both_forms_and_within_bounds(media_site):
    box = media_site.appliance
    token = box.rest("POST", "/v1/media/credentials", {"identity": "sip:alice@example.com"})
    assert token["ttl"] == 480 * 60
    assert token["realm"] == topology.EDGE
    assert "turn:10.1.0.1:3478?transport=udp" in token["uris"]
    assert "turns:10.1.0.1:5349?transport=tcp" in token["uris"]
    assert b"sip:alice@example.com" in base64.b64decode(token["username"])
    base64.b64decode(token["password"], validate=True)
    again = box.rest("POST", "/v1/media/credentials", {"identity": "sip:alice@example.com"})
    assert again["username"] != token["username"]

    timed = box.rest("POST", "/v1/media/credentials",
                     {"identity": "alice", "minutes": 1, "form": "timestamp"})
    expiry, user = timed["username"].split(":")
    assert user == "alice" and timed["ttl"] == 60
    assert len(base64.b64decode(timed["password"])) == hashlib.sha1().digest_size
    assert not hmac.compare_digest(timed["password"], token["password"])
    assert int(expiry) > 0

    for wrong in ({"minutes": 0}, {"minutes": 259201}, {"form": "plain"}, {"identity": ""}):
        assert post(box, {"identity": "a"}, **wrong)[0] == 422, wrong
    assert box.rest("POST", "/v1/media/credentials", {"identity": "a", "minutes": 259200})
    for line in box.tail(10000).splitlines():
        assert token["password"] not in line and timed["password"] not in line


def test_C3_the_successor_of_an_av_certificate_leaves_time_for_tokens(media_site):
    box = media_site.appliance
    pids = {p: box.pid_of(p) for p in ("control", "fastpath", "signal", "agent")}
    successor = media_site.internal.issue("av2." + topology.EDGE)
    path = "/v1/certificates/av/successor"
    status, _, data = box.request("POST", path, body_of(*successor, effective_from=later(hours=7)))
    assert status == 422 and "480 minutes" in data.decode()
    status, _, data = box.request("POST", f"{path}?force&wait=10s",
                                  body_of(*successor, effective_from=later(seconds=3)))
    assert status == 201, data
    before = key_of(box)
    wait_until(lambda: key_of(box) != before, 10, "new credentials come from the successor")
    assert {p: box.pid_of(p) for p in pids} == pids, "nothing was restarted"
    status, _, data = box.request(
        "PUT", "/v1/certificates/av",
        body_of(*media_site.internal.issue("av3." + topology.EDGE)))
    assert status == 409 and "/media/certificates/0" in data.decode()


def key_of(box):
    """Which key a new token names: the four octets behind its version."""
    made = box.rest("POST", "/v1/media/credentials", {"identity": "a"})
    return base64.b64decode(made["username"])[1:5]


@pytest.mark.parametrize("form", ["token", "timestamp"])
def test_M3_M6_an_allocation_made_with_them_is_shown_and_can_be_ended(media_site, form):
    box = media_site.appliance
    made = box.rest("POST", "/v1/media/credentials", {"identity": "alice", "form": form})
    server = (topology.OUTSIDE["4"], 3478)
    with contextlib.closing(turn.Client(media_site.lab.partner, server, made)) as client:
        client.allocate()
        shown = box.rest("GET", "/v1/media/sessions?user=alice")["sessions"]
        assert len(shown) == 1 and shown[0]["kind"] == "turn", shown
        host, port = client.reflexive
        assert shown[0]["client"] == f"{host}:{port}"
        path = f"/v1/media/sessions/{shown[0]['id']}"
        one = box.rest("GET", path)
        assert one["relays"] and one["peers"] == []
        assert box.rest("GET", "/v1/media/sessions")["totals"]["turn"] == 1
        assert made["password"] not in json.dumps(one)
        assert box.request("DELETE", path)[0] == 204
        assert box.request("GET", path)[0] == 404
        assert box.rest("GET", "/v1/media/sessions")["sessions"] == []


def test_M6_sessions_of_an_idle_box(media_site):
    box = media_site.appliance
    listed = box.rest("GET", "/v1/media/sessions")
    assert listed["sessions"] == [] and "next" not in listed
    assert listed["totals"]["turn"] == 0
    for path in ("/v1/media/sessions/0.0.1", "/v1/media/sessions/nothing"):
        assert box.request("GET", path)[0] == 404
        assert box.request("DELETE", path)[0] == 404
    assert box.request("GET", "/v1/media/sessions?kind=x")[0] == 400
    document = box.rest("GET", "/v1/openapi.json")
    assert "delete" in document["paths"]["/v1/media/sessions/{id}"]
    assert json.dumps(document).count("CredentialsRequest") == 2
