"""What people would find in a file that somebody attached to a public issue."""

from __future__ import annotations

import pytest

from tests.observation_documents import document
from wslgpu.probe.document import Identity
from wslgpu.probe.redact import Redactor

MACHINE = "0123456789abcdef0123456789abcdef"
WHOSE = Identity(hostname="DESKTOP-AB12CD3", machine_id=MACHINE)


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        (f"/var/log/journal/{MACHINE}/system.journal", "/var/log/journal/<machine id>/system.journal"),
        ("/journal/fedcba98765432100123456789abcdef/x", "/journal/<machine id>/x"),
        ("machine 01234567-89ab-cdef-0123-456789abcdef", "machine <machine id>"),
        (f"m-{MACHINE.upper()}", "m-<machine id>"),
        ("from ::ffff:10.1.2.3", "from <ip>"),
        ("ip-10-0-1-23.ec2.internal", "ip-<ip>.ec2.internal"),
        ("k3s_DESKTOP-AB12CD3_gpu", "k3s_<host>_gpu"),
        ("node/desktop-ab12cd3.contoso.local", "node/<host>"),
        ("vEthernet 00155d1234ab", "vEthernet <mac>"),
        ("AzureAD\\AdaLovelace", "AzureAD\\<user>"),
        ("\\\\wsl$\\Ubuntu\\home\\ada\\x", "\\\\wsl$\\Ubuntu\\home\\<user>\\x"),
        ("/mnt/c/Users/J\u00fcrgen M\u00fcller/x", "/mnt/c/Users/<user>/x"),
        ("C:\\Users\\jo " + "word " * 20, "C:\\Users\\<user> " + "word " * 20),
        ('X-Meta-Auth = ["c2VjcmV0"]', 'X-Meta-Auth = ["<secret>"]'),
        ('identitytoken = "c2VjcmV0"', 'identitytoken = "<secret>"'),
        ('username = "ada"', 'username = "<user>"'),
        ("Host gpu\n  HostName 10.1.2.3\n  User ada\n", "Host gpu\n  HostName <ip>\n  User <user>\n"),
        ("uid=1000(ada) USER=ada", "uid=1000(<user>) USER=<user>"),
        ("user: root uid=0(root) USER=root", "user: root uid=0(root) USER=root"),
        ("http://ada:p@ss@proxy:1/", "http://<credentials>@proxy:1/"),
        ("k3s agent --token K10abc", "k3s agent --token <secret>"),
        ("AccountKey=abc==;", "AccountKey=<secret>;"),
        ("https://x/?sv=1&sig=ab%3D&se=2", "https://x/?sv=1&sig=<secret>&se=2"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nab\n-----END PGP PRIVATE KEY BLOCK-----", "<private key>"),
    ],
)
def test_what_goes(text: str, becomes: str) -> None:
    redactor = Redactor(document(identity=WHOSE), b"k" * 32)
    assert redactor.text(text) == becomes
    assert redactor.text(becomes) == becomes
