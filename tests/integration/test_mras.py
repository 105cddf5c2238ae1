"""M3 R5: a pool inside asks by SERVICE for media relay credentials."""
import asyncio
import base64
import xml.etree.ElementTree as ElementTree

import pytest

from tests.lib import topology

MRAS = "{http://schemas.microsoft.com/2006/09/sip/mrasp}"
TYPE = ("Content-Type", "application/msrtc-media-relay-auth+xml")


def ask(*users, minutes=480):
    wanted = "".join(
        f'<credentialsRequest credentialsRequestID="{user}"><identity>sip:{user}@example.com'
        f"</identity><location>internet</location><duration>{minutes}</duration>"
        "</credentialsRequest>" for user in users)
    return ('<?xml version="1.0"?><request xmlns="http://schemas.microsoft.com/2006/09/sip/mrasp"'
            ' requestID="7" version="1.0" from="sip:fe1.example.com" to="sip:mras@example.com">'
            f"{wanted}</request>").encode()


async def service(identity, body, port=5062, headers=(TYPE,)):
    client = identity.client(port=port)
    try:
        return await client.request("SERVICE", "sip:mras.example.com@example.com;gruu",
                                    headers=list(headers), body=body)
    finally:
        await client.close()


@pytest.fixture
def media_site(new_site):
    site = new_site()
    return site.start(topology.with_media(site.topology()))


def test_M3_a_pool_is_given_credentials_for_its_users(media_site):
    answer = asyncio.run(service(media_site.inside, ask("alice", "bob", minutes=60)))
    assert answer.status == 200
    root = ElementTree.fromstring(answer.body)
    assert root.tag == f"{MRAS}response" and root.get("reasonPhrase") == "OK"
    given = root.findall(f"{MRAS}credentialsResponse")
    assert [g.get("credentialsRequestID") for g in given] == ["alice", "bob"]
    for user, response in zip(("alice", "bob"), given):
        credentials = response.find(f"{MRAS}credentials")
        assert credentials.findtext(f"{MRAS}duration") == "60"
        name = base64.b64decode(credentials.findtext(f"{MRAS}username"), validate=True)
        assert f"sip:{user}@example.com".encode() in name
        assert base64.b64decode(credentials.findtext(f"{MRAS}password"), validate=True)
        relay = response.find(f"{MRAS}mediaRelayList/{MRAS}mediaRelay")
        assert relay.findtext(f"{MRAS}hostName") in topology.OUTSIDE.values()
        assert relay.findtext(f"{MRAS}udpPort") == "3478"


def test_M3_what_is_no_request_is_told_why(media_site):
    broken = asyncio.run(service(media_site.inside, b"<request"))
    assert broken.status == 200
    assert ElementTree.fromstring(broken.body).get("reasonPhrase") == "Request Malformed"
    other = asyncio.run(service(media_site.inside, b"hi", headers=[("Content-Type", "text/plain")]))
    assert other.status == 415 and other.get("Accept") == TYPE[1]


def test_R5_a_pool_without_its_media_here_is_refused(media_site):
    document = topology.with_media(media_site.topology())
    document["next_hop_pools"][0]["media_edge"] = False
    document["next_hop_pools"].append({**document["next_hop_pools"][0], "name": "other",
                                       "media_edge": True, "members": [
        {**document["next_hop_pools"][0]["members"][0], "host": "fe2.example.com",
         "addresses": ["10.2.0.3"]}]})
    media_site.appliance.publish(document)
    answer = asyncio.run(service(media_site.inside, ask("alice")))
    assert answer.status == 403 and not answer.body
