"""What is taken out of a document before it leaves the machine: one table, of what it looks like and what stands there
instead. Each row carries an example that a test holds it against.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

Replace = Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class Redaction:
    """One row.

    :param pattern: what is looked for; the group ``keep`` stays, what follows it goes
    :param mark: what stands there afterwards
    :param example: a text with it; ``becomes`` is what it must become
    :param only_if: what was found is taken out only where this says so
    """

    name: str
    pattern: re.Pattern[str]
    mark: str
    example: str
    becomes: str
    only_if: Callable[[str], bool] | None = None

    def apply(self, text: str) -> str:
        """The text without what this row looks for."""
        return self.pattern.sub(self._replace, text)

    def _replace(self, found: re.Match[str]) -> str:
        kept = found.groupdict().get("keep") or ""
        if self.only_if is not None and not self.only_if(found[0][len(kept) :]):
            return found[0]
        return f"{kept}{self.mark}"


# Users of everybody's machine, and what cannot be a user: they tell nobody.
_COMMON_USERS = r"(?:Public|Default(?: User)?|All Users|\*|<user>)(?=[\\/\"'\s:]|$)"
# it may have spaces; where nothing ends it, the first word
_WINDOWS_NAME = r"(?:[^\\/:*?\"<>|\r\n\t]{1,64}?(?=[\\/\"'\r\n:;,<]|$)|[^\\/:*?\"<>|\s]{1,64})"


def _is_address(text: str) -> bool:
    """An IP address that says something: loopback, all zeros and netmasks do not."""
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or text.startswith("255."))


def _is_somebody(text: str) -> bool:
    """A user who is not on every machine."""
    return text.lower() not in ("root", "nobody", "false", "true", "none", "null")


def _is_mail(text: str) -> bool:
    """Not the instance of a systemd unit, whose name looks like an address."""
    units = ("service", "socket", "timer", "mount", "target", "slice", "path", "scope", "device", "swap", "automount")
    return not text.lower().endswith(tuple(f".{unit}" for unit in units))


REDACTIONS: tuple[Redaction, ...] = (
    Redaction(
        "private key",
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----(?:(?!-----END)[\s\S]){0,20000}"
            r"(?:-----END [A-Z ]*-----)?"
        ),
        "<private key>",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk=\n-----END OPENSSH PRIVATE KEY-----",
        "<private key>",
    ),
    Redaction(
        "ssh public key",
        re.compile(
            r"\b(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\S{1,30}|sk-\S{1,40}) AAAA[0-9A-Za-z+/=]{8,}(?: [^\s\"']+)?"
        ),
        "<ssh key>",
        "key ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ ada@tower",
        "key <ssh key>",
    ),
    Redaction(
        "credentials in an address",
        re.compile(r"(?P<keep>\b[a-zA-Z][a-zA-Z0-9+.-]{0,20}://)[^\s/\"'<>]{1,300}@"),
        "<credentials>@",
        "proxy=https://ada:hunter2@proxy.example/x",
        "proxy=https://<credentials>@proxy.example/x",
    ),
    Redaction(
        "token by its form",
        re.compile(
            r"\b(?:gh[opsur]_[0-9A-Za-z]{16,}|github_pat_\w{16,}|hf_[0-9A-Za-z]{16,}|glpat-[\w-]{16,}|nvapi-[\w-]{16,}"
            r"|xox[a-z]-[\w-]{10,}|sk-[\w-]{20,}|AKIA[0-9A-Z]{16}|dckr_pat_[\w-]{16,}"
            r"|eyJ[\w-]{8,2000}\.[\w-]{8,4000}\.[\w-]{0,2000})"
        ),
        "<token>",
        "HF=hf_abcdefghijklmnopqrstuvwxyz",
        "HF=<token>",
    ),
    Redaction(
        "secret by its name",
        re.compile(
            r"(?i)(?P<keep>(?:token|passwd|password|passphrase|secret|(?:api|access|account)[_-]?key|credentials?|auth)"
            r"[\"']?\s{0,3}(?:[:=]\s{0,3}\[{0,3}|\s(?=\S{20}))\s{0,3}[\"']?(?:bearer\s+|basic\s+)?)(?![<\[])"
            r"(?:(?<=\")[^\"\n]{1,500}|(?<=')[^'\n]{1,500}|(?<![\"'])[^\s\"',;&]{1,500})"
        ),
        "<secret>",
        "NGC_API_KEY=abc123 password: 'hunter2'",
        "NGC_API_KEY=<secret> password: '<secret>'",
    ),
    Redaction(
        "secret after an option",
        re.compile(
            r"(?i)(?P<keep>(?<![\w-])--(?:[\w-]{0,30}-)?(?:token|password|passwd|secret|api-?key|access-?key)\s{1,3}[\"']?)"
            r"(?![<-])[^\s\"']{1,500}"
        ),
        "<secret>",
        "k3s agent --token K10abc --server x, login --password 'hunter2'",
        "k3s agent --token <secret> --server x, login --password '<secret>'",
    ),
    Redaction(
        "signature in an address",
        re.compile(r"(?i)(?P<keep>[?&][\w-]{0,20}(?:sig|signature|credential)=)(?!<)[^\s&\"'<>]{1,500}"),
        "<secret>",
        "https://models.example/x?se=1&sig=abc%3D&sv=2",
        "https://models.example/x?se=1&sig=<secret>&sv=2",
    ),
    Redaction(
        "authorization header",
        re.compile(r"(?i)(?P<keep>\b(?:bearer|basic)\s+)[0-9a-z._~+/=-]{12,}"),
        "<secret>",
        "Authorization: Bearer abcdefghijkl.mnop",
        "Authorization: Bearer <secret>",
    ),
    Redaction(
        "mail address",
        re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}\b"),
        "<mail>",
        "Ada <ada.l@example.org> runs user@1000.service",
        "Ada <<mail>> runs user@1000.service",
        _is_mail,
    ),
    Redaction(
        "account of a Windows domain",
        re.compile(r"(?i)(?P<keep>\b(?:AzureAD|MicrosoftAccount)[\\+]{1,2})[\w.@-]{1,64}"),
        "<user>",
        "as AzureAD\\AdaLovelace",
        "as AzureAD\\<user>",
    ),
    Redaction(
        "user by its name",
        re.compile(
            r"(?im)(?P<keep>(?:\buser_?name[\"']?\s{0,3}[:=]\s{0,3}[\"']?|\b(?:USER|LOGNAME|SUDO_USER)="
            r"|^[ \t]*User[ \t]+|\b[ug]id=\d{1,10}\())(?!<)[\w.$-]{1,64}(?=[\s\"',;)]|$)"
        ),
        "<user>",
        'username = "ada", USER=ada uid=1000(ada) gid=0(root)',
        'username = "<user>", USER=<user> uid=1000(<user>) gid=0(root)',
        _is_somebody,
    ),
    Redaction(
        "home directory",
        re.compile(rf"(?P<keep>[\\/]{{1,2}}home[\\/]{{1,2}})(?!{_COMMON_USERS})[^\\/\s\"':;,<>]{{1,64}}"),
        "<user>",
        "/home/ada/.cache/huggingface and /home/bob",
        "/home/<user>/.cache/huggingface and /home/<user>",
    ),
    Redaction(
        "Windows user's folder",
        re.compile(
            rf"(?P<keep>(?:/mnt/[a-z]|/[a-z]|\b[A-Za-z]:|\\{{1,2}}\?)?[\\/]{{1,2}}Users[\\/]{{1,2}})"
            rf"(?!{_COMMON_USERS}){_WINDOWS_NAME}"
        ),
        "<user>",
        "/mnt/c/Users/Ada Lovelace/models, C:\\Users\\ada\\.wslconfig, C:\\\\Users\\\\ada\\\\x, /mnt/c/Users/Public",
        "/mnt/c/Users/<user>/models, C:\\Users\\<user>\\.wslconfig, C:\\\\Users\\\\<user>\\\\x, /mnt/c/Users/Public",
    ),
    Redaction(
        "user of wsl.conf",
        re.compile(r"(?im)(?P<keep>^[ \t]*default[ \t]*=[ \t]*)(?!<)[^\s#]{1,64}"),
        "<user>",
        "[user]\ndefault = ada\n[boot]\nsystemd=true",
        "[user]\ndefault = <user>\n[boot]\nsystemd=true",
    ),
    Redaction(
        "host name of wsl.conf",
        re.compile(r"(?im)(?P<keep>^[ \t]*hostname[ \t]*=[ \t]*)(?!<)[^\s#]{1,64}"),
        "<host>",
        "[network]\nhostname=tower # mine",
        "[network]\nhostname=<host> # mine",
    ),
    Redaction(
        "GPU's UUID",
        re.compile(r"(?i)\b(?:MIG-)?(?:GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){0,3}(?:-[0-9a-f]{12})?(?![0-9a-f-])"),
        "<gpu uuid>",
        "GPU 0: RTX 4090 (UUID: GPU-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0), MIG-GPU-12345678",
        "GPU 0: RTX 4090 (UUID: <gpu uuid>), <gpu uuid>",
    ),
    Redaction(
        "UUID",
        re.compile(r"(?i)(?<![0-9a-f-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f-])"),
        "<uuid>",
        "VM 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        "VM <uuid>",
    ),
    Redaction(
        "machine id",
        re.compile(r"(?i)(?P<keep>machine[ _-]?id\W{1,4}|/journal/)[0-9a-f]{32}\b"),
        "<machine id>",
        "machine-id: 0123456789abcdef0123456789abcdef",
        "machine-id: <machine id>",
    ),
    Redaction(
        "fingerprint of an ssh key",
        re.compile(r"\bSHA256:[0-9A-Za-z+/]{20,}=?"),
        "<fingerprint>",
        "256 SHA256:uNiVztksCsDhcc0u9e8BrrXtX6wO0aUqR3K6pJt6Yvw",
        "256 <fingerprint>",
    ),
    Redaction(
        "serial number by its name",
        re.compile(
            r"(?i)(?P<keep>\b(?:board |product |chassis )?serial(?:[ _-]?(?:number|no\.?|#))?\s*[:=]\s*[\"']?)"
            r"(?![<\s])[\w-]{4,40}"
        ),
        "<serial>",
        "Serial Number : 1560923001234, serial=PF3ABCDE",
        "Serial Number : <serial>, serial=<serial>",
    ),
    Redaction(
        "long number",
        re.compile(r"(?<![\w.:/-])\d{13,19}(?![\w.:/-])(?! ?(?:bytes|B\b|[kmnu]s\b))"),
        "<number>",
        "board 1322621051234 with 2199023255552 bytes",
        "board <number> with 2199023255552 bytes",
    ),
    Redaction(
        "hardware address",
        # Hyper-V's own are also written without separators
        re.compile(r"(?i)(?<![\w:.-])(?:(?:[0-9a-f]{2}[:-]){5}|00155d(?:[0-9a-f]{2}){2})[0-9a-f]{2}(?![\w:-])"),
        "<mac>",
        "macAddress=00:15:5d:12:34:56",
        "macAddress=<mac>",
    ),
    Redaction(
        "address in a host's name",
        re.compile(r"(?i)(?P<keep>\bip-)\d{1,3}(?:-\d{1,3}){3}\b"),
        "<ip>",
        "node ip-10-0-1-23.ec2.internal",
        "node ip-<ip>.ec2.internal",
    ),
    Redaction(
        "IPv6 address",
        re.compile(
            r"(?i)(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4})(?:%\w{1,16})?(?![\w:])"
        ),
        "<ip>",
        "inet6 fe80::215:5dff:fe12:3456%eth0/64, ::1, at 12:34:56 on 00000000:01:00.0",
        "inet6 <ip>/64, ::1, at 12:34:56 on 00000000:01:00.0",
        _is_address,
    ),
)
"""The rows for every text, applied one after the other."""

IPV4 = Redaction(
    "IPv4 address",
    re.compile(
        r"(?i)(?<![\w.-])(?<!version )(?<!driver )(?<!cuda )(?<!release )(?<!nccl )(?<!firmware )"
        r"(?P<keep>v(?=$))?(?:\d{1,3}\.){3}\d{1,3}(?![\w-]|\.\d)"
    ),
    "<ip>",
    "eth0 172.29.48.1/20 via 192.168.1.1; kernel 6.6.87.2-microsoft-standard-WSL2, version 12.4.1.1, lo 127.0.0.1",
    "eth0 <ip>/20 via <ip>; kernel 6.6.87.2-microsoft-standard-WSL2, version 12.4.1.1, lo 127.0.0.1",
    _is_address,
)
"""For texts that are no version: a version of four numbers looks the same."""
