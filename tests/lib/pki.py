"""Throw-away certificate authorities and certificates, made with openssl."""
import os

from .netns import run

EXTENSIONS = """
basicConstraints=CA:FALSE
keyUsage=digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth,clientAuth
subjectAltName={names}
"""


class Authority:
    """A CA in a folder of its own; issue() gives (chain file, key file)."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        os.makedirs(folder, exist_ok=True)
        self.key, self.certificate = f"{folder}/{name}.key", f"{folder}/{name}.pem"
        if not os.path.exists(self.certificate):
            run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.key, "-out",
                self.certificate, "-days", "30", "-subj", f"/CN={name} test CA",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, common_name, *names, kind="rsa", days=10):
        stem = f"{self.folder}/{self.name}-{common_name}"
        chain, key, request, extensions = (stem + s for s in (".crt", ".key", ".csr", ".ext"))
        if os.path.exists(chain):
            return chain, key
        algorithm = (["rsa:2048"] if kind == "rsa"
                     else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        run("openssl", "req", "-newkey", *algorithm, "-nodes", "-keyout", key, "-out", request,
            "-subj", f"/CN={common_name}")
        with open(extensions, "w", encoding="ascii") as file:
            file.write(EXTENSIONS.format(
                names=",".join(f"DNS:{n}" for n in (common_name, *names))))
        run("openssl", "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
            "-CAcreateserial", "-out", chain, "-days", str(days), "-extfile", extensions)
        return chain, key


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()
