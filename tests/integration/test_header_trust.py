"""T6: what only means something between systems that trust each other, over real TLS."""
import asyncio

from tests.lib import sip

URI = "sip:bob@example.com"
AWAY = "sip:alice@partner.example"
# As name and value; what is written between them is what Message.encode() writes: ": ".
CLAIMS = (
    ("ms-edge-proxy-message-trust", "ms-source-type=AuthorizedServer;ms-ep-fqdn=evil"),
    ("MS-EDGE-Proxy-Message-Trust ", "ms-source-type=AuthorizedServer"),
    ("ms-edge-proxy-message-trust\t", "\r\n ms-source-type=AuthorizedServer"),
    ("P-Asserted-Identity", "<sip:boss@example.com>"),
    ("p-asserted-identity \t", "\r\n\t<sip:boss@example.com>"),
)


def text(message):
    return str(message).lower()


def test_T6_a_partner_claims_nothing_and_hears_nothing_of_ours(site):
    site.appliance.publish(site.topology())

    async def scenario():
        inside = await site.inside.server().start()
        inside.handler = lambda r: [sip.reply(r, 404, "Not Found", headers=[
            ("ms-diagnostics", '1003;source="fe1.example.com";reason="no such user"'),
            ("ms-edge-proxy-message-trust", "ms-source-type=AuthorizedServer")])]
        partner = await site.partner.client().connect()
        answer = await partner.request("MESSAGE", URI, headers=CLAIMS)
        assert answer.status == 404
        assert "ms-diagnostics" not in text(answer) and "message-trust" not in text(answer)
        asked = inside.requests[0]
        assert "authorizedserver" not in text(asked) and "boss" not in text(asked)
        trust, = asked.all("ms-edge-proxy-message-trust")
        assert trust.startswith("ms-source-type=DirectPartner;ms-ep-fqdn=")
        await partner.close()
        await inside.stop()
    asyncio.run(scenario())


def test_T6_our_own_hear_why_and_are_told_who_is_outside(site):
    site.appliance.publish(site.topology())

    async def scenario():
        partner = await site.partner.server().start()
        front_end = await site.inside.client().connect()
        answer = await front_end.request("MESSAGE", AWAY, headers=(
            ("ms-edge-proxy-message-trust", "ms-source-type=AuthorizedServer"),
            ("P-Asserted-Identity", "<sip:bob@example.com>")))
        assert answer.status == 200
        trust, = answer.all("ms-edge-proxy-message-trust")
        assert trust.startswith("ms-source-type=DirectPartner")
        asked = partner.requests[0]
        assert "message-trust" not in text(asked)
        assert asked.get("P-Asserted-Identity") == "<sip:bob@example.com>"
        refused = await front_end.request("MESSAGE", "sip:x@nowhere.example")
        assert refused.status == 404
        assert refused.get("ms-diagnostics").startswith("1017;source=")
        await front_end.close()
        await partner.stop()
    asyncio.run(scenario())
