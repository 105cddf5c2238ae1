"""The topology most tests publish: one partner outside, one front end inside."""
import copy

DOMAIN = "example.com"
PARTNER = "partner.example"
EDGE = "sip.example.com"
PARTNER_EDGE = "sip.partner.example"
FRONT_END = "fe1.example.com"

OUTSIDE = {"4": "10.1.0.1", "6": "fd00:1::1"}
INSIDE = {"4": "10.2.0.1", "6": "fd00:2::1"}
PARTNER_ADDRESS = {"4": "10.1.0.2", "6": "fd00:1::2"}
INSIDE_ADDRESS = {"4": "10.2.0.2", "6": "fd00:2::2"}


def listener(name, realm, address, tls, port=5061):
    return {"name": name, "realm": realm, "address": address, "port": port, "transport": "tls",
            "service": "access", "tls": tls}


def standard(outside_family="4", inside_family="4"):
    """Listeners on both families; next hops by the families asked for."""
    return copy.deepcopy({
        "version": 1,
        "appliance": {"name": "edge1", "fqdn": EDGE, "site": "hq"},
        "ports": [{"name": "wan", "device": "port0"}, {"name": "lan", "device": "port1"}],
        "realms": [
            {"name": "outside", "port": "wan",
             "addresses": [{"address": "10.1.0.1/24"}, {"address": "fd00:1::1/64"}]},
            {"name": "inside", "port": "lan",
             "addresses": [{"address": "10.2.0.1/24"}, {"address": "fd00:2::1/64"}]},
        ],
        "tls_contexts": [
            {"name": "external", "certificates": ["access"], "trust": ["partners"],
             "client_certificate": "required"},
            {"name": "internal", "certificates": ["internal"], "trust": ["inside"],
             "client_certificate": "required"},
        ],
        "listeners": [
            listener("access-v4", "outside", OUTSIDE["4"], "external"),
            listener("access-v6", "outside", OUTSIDE["6"], "external"),
            listener("inside-v4", "inside", INSIDE["4"], "internal"),
            listener("inside-v6", "inside", INSIDE["6"], "internal"),
        ],
        "presence_domains": [DOMAIN],
        "edge_pool": {"fqdn": EDGE, "services": ["access"], "federation": True},
        "next_hop_pools": [
            {"name": "frontend", "members": [
                {"host": FRONT_END, "addresses": [INSIDE_ADDRESS[inside_family]], "port": 5061,
                 "transport": "tls", "realm": "inside", "tls": "internal"}]},
        ],
        "federation_route": {"next_hop": "frontend"},
        "partners": [
            {"domain": PARTNER, "edge": PARTNER_EDGE,
             "addresses": [PARTNER_ADDRESS[outside_family]], "port": 5061, "transport": "tls",
             "realm": "outside", "tls": "external"},
        ],
        "management": {"addresses": ["127.0.0.1"], "port": 8443, "certificate": "management"},
    })


def with_media(document, anchored=False):
    """TURN on every address outside (UDP; TCP and TLS on IPv4), A/V authentication inside. The
    certificate "av" must be imported. `anchored`: the partner's calls go through relay ports."""
    document["listeners"] += [
        {"name": "turn-v4", "realm": "outside", "address": OUTSIDE["4"], "transport": "udp",
         "service": "av"},
        {"name": "turn-v6", "realm": "outside", "address": OUTSIDE["6"], "transport": "udp",
         "service": "av"},
        {"name": "turn-tcp", "realm": "outside", "address": OUTSIDE["4"], "transport": "tcp",
         "service": "av"},
        {"name": "turn-tls", "realm": "outside", "address": OUTSIDE["4"], "transport": "tls",
         "service": "av", "tls": "turn"},
        {"name": "mras", "realm": "inside", "address": INSIDE["4"], "transport": "tls",
         "service": "mras", "tls": "internal"},
    ]
    document["tls_contexts"].append({"name": "turn", "certificates": ["access"],
                                     "client_certificate": "none"})
    document["edge_pool"]["services"].append("av")
    document["next_hop_pools"][0]["media_edge"] = True
    pools = [{"realm": "outside", "addresses": list(OUTSIDE.values())}]
    if anchored:
        pools += [{"realm": "outside", "addresses": list(OUTSIDE.values()), "use": "anchor"},
                  {"realm": "inside", "addresses": list(INSIDE.values()), "use": "anchor"}]
        document["partners"][0]["media"] = "anchor"
    # Tests relay between addresses that are private.
    rules = [{"prefix": prefix, "allow": True} for prefix in ("10.1.0.0/24", "fd00:1::/64")]
    document["media"] = {"certificates": ["av"], "pools": pools, "peer_rules": rules}
    return document
