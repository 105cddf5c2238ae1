"""A whole site: laboratory, certificates, an appliance with a published topology, and the two
organisations' identities. What an integration test starts from."""
import os

from . import sip, topology
from .appliance import Appliance
from .netns import Lab
from .pki import Authority


class Identity:
    """How one organisation appears to the appliance, and what it expects of it."""

    def __init__(self, namespace, domain, host, chain, key, trust, family_addresses, edge):
        self.namespace, self.domain, self.host = namespace, domain, host
        self.chain, self.key, self.trust = chain, key, trust
        self.addresses = family_addresses  # our address by family
        self.edge = edge                   # the appliance's address on our side, by family

    def server(self, family="4", port=5061, handler=None):
        return sip.Server(self.namespace, self.addresses[family], port, self.chain, self.key,
                          self.trust, handler)

    def client(self, family="4", port=5061):
        return sip.Client(self.namespace, (self.edge[family], port), self.chain, self.key,
                          self.trust, topology.EDGE, self.domain, self.host)


class Site:
    def __init__(self, name, folder, pki_folder, management="127.0.0.1:8443"):
        self.folder = folder
        self.partners = Authority(pki_folder, "partners")
        self.internal = Authority(pki_folder, "inside")
        self.lab = Lab(name)
        self.appliance = Appliance(name, os.path.join(folder, name),
                                   {"port0": self.lab.outside_device,
                                    "port1": self.lab.inside_device}, management)
        host, port = management.rsplit(":", 1)
        self.management = {"addresses": [host], "port": int(port), "certificate": "management"}
        self.partner = Identity(
            self.lab.partner, topology.PARTNER, topology.PARTNER_EDGE,
            *self.partners.issue(topology.PARTNER_EDGE), self.partners.certificate,
            topology.PARTNER_ADDRESS, topology.OUTSIDE)
        self.inside = Identity(
            self.lab.inside, topology.DOMAIN, topology.FRONT_END,
            *self.internal.issue(topology.FRONT_END), self.internal.certificate,
            topology.INSIDE_ADDRESS, topology.INSIDE)

    def topology(self, *families):
        document = topology.standard(*families)
        document["management"] = dict(self.management)
        return document

    def import_certificates(self):
        box = self.appliance
        box.import_trust("partners", self.partners.certificate)
        box.import_trust("inside", self.internal.certificate)
        box.import_certificate("access", *self.partners.issue(topology.EDGE))
        box.import_certificate("internal", *self.internal.issue(topology.EDGE))
        box.import_certificate("av", *self.internal.issue("av." + topology.EDGE))

    def start(self, document=None, **options):
        self.appliance.start(**options)
        self.import_certificates()
        self.appliance.publish(document or self.topology())
        return self

    def remove(self):
        try:
            self.appliance.stop()
        finally:
            self.lab.remove()
