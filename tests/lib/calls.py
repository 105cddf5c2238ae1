"""Calls from outside to phones inside, with an end of RTP on both sides."""
import asyncio

from . import rtp, sip

SDP = ("Content-Type", "application/sdp")


class Call:
    """A call from outside, with an end of RTP on both sides."""

    def __init__(self, site, number=0, ends=None):
        self.caller, self.called = ends or (
            rtp.End(site.lab.partner, site.partner.addresses["4"], f"out{number}"),
            rtp.End(site.lab.inside, site.inside.addresses["4"], f"in{number}"))

    async def start(self, client, server):
        server.sdp.append(rtp.offer(self.called))
        self.invite = client.build("INVITE", "sip:bob@example.com", headers=[SDP],
                                   body=rtp.offer(self.caller))
        async for response in client.responses(self.invite):
            self.final = response
        assert self.final.status == 200, self.final
        self.to_called = rtp.target(self.final.body)         # where the caller sends
        seen = server.invites[self.invite.get("Call-ID")]
        self.to_caller = rtp.target(seen.body)                # where the called sends
        self.dialog = dict(call_id=self.invite.get("Call-ID"), to=self.final.get("To"),
                           tag=self.invite.get("From").split("tag=")[1],
                           routes=sip.record_routes(self.final))
        await client.send(client.build("ACK", sip.contact_uri(self.final), **self.dialog))

    def talk(self, count, gap=0.02):
        for _ in range(count):
            self.caller.send(self.to_called, 1)
            self.called.send(self.to_caller, 1, gap)

    def missing(self, count, seconds=5):
        """Which packets of 0 to `count` did not come, by who sent them."""
        self.called.wait_for(self.caller.mark, count, seconds)
        self.caller.wait_for(self.called.mark, count, seconds)
        lost = {self.caller.mark: set(range(count)) - set(self.called.sequences(self.caller.mark)),
                self.called.mark: set(range(count)) - set(self.caller.sequences(self.called.mark))}
        return {mark: sorted(numbers) for mark, numbers in lost.items() if numbers}

    async def end(self, client):
        return await client.request("BYE", sip.contact_uri(self.final), cseq=2, **self.dialog)

    def close(self):
        self.caller.close()
        self.called.close()


class Phones:
    """The front end, which answers each INVITE with the next SDP that it was given."""

    def __init__(self, site):
        self.sdp, self.invites = [], {}
        self.server = site.inside.server(handler=self.answer)

    def answer(self, request):
        if request.method == "INVITE":
            self.invites[request.get("Call-ID")] = request
            contact = ("Contact", "<sip:bob@10.2.0.2:5061;transport=tls>")
            routes = [("Record-Route", r) for r in request.all("Record-Route")]
            return [sip.reply(request, 200, "OK", [contact, SDP, *routes], self.sdp.pop(0))]
        return [] if request.method == "ACK" else [sip.reply(request, 200, "OK")]


async def with_calls(site, count, work, ends=None):
    """Establishes so many calls, then runs `work(calls, client)`. `ends(i)`: both ends of call i."""
    phones = Phones(site)
    await phones.server.start()
    client = await site.partner.client().connect()
    calls = [Call(site, i, ends(i) if ends else None) for i in range(count)]
    try:
        for call in calls:
            await call.start(client, phones)
        await work(calls, client)
    finally:
        for call in calls:
            call.close()
        await client.close()
        await phones.server.stop()
