"""Certificates for tests, by the openssl program."""

import subprocess


def openssl(*arguments, directory):
    subprocess.run(
        ["openssl", *map(str, arguments)], cwd=directory, check=True, capture_output=True
    )


class Authority:
    """A certificate authority of a test: its own certificate is `certificate`."""

    def __init__(self, directory, name="authority"):
        self.directory, self.name = directory, name
        self.certificate = directory / f"{name}.crt"
        openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt"),
            directory=directory,
        )

    def issue(self, name, names="IP:127.0.0.1"):
        """A certificate for `names` (a subjectAltName) and its key: their paths."""
        openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName={names}"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
            directory=self.directory,
        )
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-days", "2", "-copy_extensions", "copy"),
            *("-CA", f"{self.name}.crt", "-CAkey", f"{self.name}.key", "-CAcreateserial"),
            *("-out", f"{name}.crt"),
            directory=self.directory,
        )
        return self.directory / f"{name}.crt", self.directory / f"{name}.key"
