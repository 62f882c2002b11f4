"""Certificates made for a test: an authority, what it has signed for servers and a client, and another authority."""

import ssl
from pathlib import Path

import trustme


class Certificates:
    """Paths of PEM files in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        authority = trustme.CA()
        self.authority = folder / "ca.crt"
        self.other_authority = folder / "other-ca.crt"
        authority.cert_pem.write_to_path(str(self.authority))
        trustme.CA().cert_pem.write_to_path(str(self.other_authority))
        self.server, self.server_key = _write(authority.issue_cert("127.0.0.1"), folder / "server")
        self.elsewhere, self.elsewhere_key = _write(authority.issue_cert("elsewhere.example"), folder / "elsewhere")
        self.client, self.client_key = _write(authority.issue_cert("client.example"), folder / "client")

    @property
    def options(self) -> str:
        """The options of a URL that trusts our authority and shows our client's certificate."""
        return f"?ssl_ca_certs={self.authority}&ssl_certfile={self.client}&ssl_keyfile={self.client_key}"

    def context(self, *, ask_clients: bool = False, elsewhere: bool = False) -> ssl.SSLContext:
        """Return what a server needs; `elsewhere`: with the certificate of another host."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.authority))
        context.load_cert_chain(
            *((self.elsewhere, self.elsewhere_key) if elsewhere else (self.server, self.server_key))
        )
        context.verify_mode = ssl.CERT_REQUIRED if ask_clients else ssl.CERT_NONE
        return context

    def server_options(self, port: int, *, ask_clients: bool = False) -> tuple[str, ...]:
        """Return the arguments with which a server serves TLS on `port` besides."""
        return (
            *("--tls-port", str(port), "--tls-auth-clients", "yes" if ask_clients else "no"),
            *("--tls-cert-file", str(self.server), "--tls-key-file", str(self.server_key)),
            *("--tls-ca-cert-file", str(self.authority)),
        )


def _write(certificate: trustme.LeafCert, path: Path) -> tuple[Path, Path]:
    public, private = path.with_suffix(".crt"), path.with_suffix(".key")
    certificate.cert_chain_pems[0].write_to_path(str(public))
    certificate.private_key_pem.write_to_path(str(private))
    return public, private
