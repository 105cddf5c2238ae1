"""Pictures in text, 80 columns: the site, and the path a request took by what was counted."""

SITE = """
 partner.example                 the appliance "demo"             example.com
┌───────────────┐   ┌──────────────────────────────────────┐   ┌───────────────┐
│ demo-partner  │   │ demo-wire   no addresses: DPDK ports │   │ demo-inside   │
│ 10.1.0.2      ├───┤ port0 ── fedge-fastpath ── port1     ├───┤ 10.2.0.2      │
│ fd00:1::2     │   │           │tap        │tap           │   │ fd00:2::2     │
│ its edge,     │   │ demo-punt outside     inside         │   │ the front end │
│ mutual TLS    │   │  10.1.0.1, fd00:1::1  10.2.0.1, fd00…│   │ mutual TLS    │
└───────────────┘   │           └ fedge-signal ┘           │   └───────────────┘
                    └──────────────────────────────────────┘"""


def site():
    return SITE


def moved(before, after, *parts):
    """How far the series whose names contain all parts have moved."""
    return int(sum(value - before.get(name, 0) for name, value in after.items()
                   if all(part in name for part in parts)))


def path(before, after):
    """The way through the box with the counters that moved."""
    def packets(realm, direction):
        return moved(before, after, "fedge_fastpath_packets_total", f'realm="{realm}"',
                     f'direction="{direction}"')

    requests = moved(before, after, "fedge_signal_requests_total")
    responses = moved(before, after, "fedge_signal_responses_total")
    dropped = moved(before, after, "fedge_fastpath_dropped_total")
    rows = [
        ("  partner ══ port0 ══ fastpath ══ tap outside ══╗", ""),
        (f"     {packets('outside', 'in'):5d} frames in", "║"),
        (f"     {packets('outside', 'out'):5d} frames out", f"╠══ fedge-signal  {requests} requests"),
        (f"     {packets('inside', 'in'):5d} frames in", f"║                 {responses} responses"),
        (f"     {packets('inside', 'out'):5d} frames out", "║"),
        ("  inside  ══ port1 ══ fastpath ══ tap inside  ══╝", f"   {dropped} frames dropped"),
    ]
    column = len(rows[0][0]) - 1
    return "\n" + "\n".join(left.ljust(column) + right for left, right in rows)
