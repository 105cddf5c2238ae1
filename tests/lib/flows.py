"""Streams of numbered packets, paced so that nobody but what is between the ends can lose one."""
import collections
import contextlib
import threading
import time

from . import rtp, turn
from .appliance import wait_until

# `send()` sends one packet of `mark`; `hears()` is the sequence numbers of it that have come.
Way = collections.namedtuple("Way", "mark send hears")


def ways_of_call(call):
    return [Way(call.caller.mark, lambda: call.caller.send(call.to_called),
                lambda: call.called.sequences(call.caller.mark)),
            Way(call.called.mark, lambda: call.called.send(call.to_caller),
                lambda: call.caller.sequences(call.called.mark))]


class Relayed(rtp.Ear):
    """A client of TURN with an allocation, and a peer that it has a channel to."""
    CHANNEL = 0x4001

    def __init__(self, site, name, made=None):
        super().__init__(f"c{name}")
        self.namespace = site.lab.partner
        made = made or credentials(site, f"sip:{name}@example.com")
        host = site.partner.addresses["4"]
        self.peer = rtp.End(self.namespace, host, f"p{name}")
        self.client = turn.Client(self.namespace, (site.partner.edge["4"], 3478), made)
        self.client.on_data = lambda peer, data: self.take(data, peer)
        self.there = (host, self.peer.port)

    def start(self):
        self.client.allocate()
        self.client.bind(self.CHANNEL, self.there)
        return self

    def send(self):
        self.client.send_channel(self.CHANNEL, self.next_packet())

    def answer(self):
        self.peer.send(self.client.relayed)

    def ways(self):
        return [Way(self.mark, self.send, lambda: self.peer.sequences(self.mark)),
                Way(self.peer.mark, self.answer, lambda: self.sequences(self.peer.mark))]

    def close(self):
        self.client.close()
        self.peer.close()


def credentials(site, identity="sip:alice@example.com", **more):
    return site.appliance.rest("POST", "/v1/media/credentials", {"identity": identity, **more})


class Pump:
    """Sends a packet of each way in turn, `rate` a second of each, until it is stopped. When the
    machine is late, so is the pump: it never makes up for it."""

    def __init__(self, ways, rate):
        self.ways, self.gap = ways, 1 / (rate * len(ways))
        self.sent = [[] for _ in ways]  # when which packet of each way went out
        self.running, self.failure = True, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            due = time.monotonic()
            while self.running:
                for way, sent in zip(self.ways, self.sent):
                    sent.append(time.monotonic())
                    way.send()
                    due += self.gap
                    if (early := due - time.monotonic()) > 0:
                        time.sleep(early)
                    else:
                        due -= early
        except OSError as error:
            self.failure = error

    def count(self):
        return min(len(sent) for sent in self.sent)

    def await_rounds(self, number, seconds=30):
        """Until each way has sent so many more packets."""
        more = self.count() + number
        wait_until(lambda: self.failure or self.count() >= more, seconds, "packets are sent")

    def stop(self):
        self.running = False
        self.thread.join()
        if self.failure:
            raise self.failure

    def lost(self, seconds=5):
        """(mark, sequence, when it was sent) of all that did not come. After stop()."""
        def missing():
            found = []
            for way, sent in zip(self.ways, self.sent):
                come = set(way.hears())
                found += [(way.mark, i, at) for i, at in enumerate(sent) if i not in come]
            return found

        with contextlib.suppress(TimeoutError):
            wait_until(lambda: not missing(), seconds, "all packets", every=0.1)
        return missing()

    def total(self):
        return sum(map(len, self.sent))
