"""The site's way out of the network, as downloads on this machine take it: proxy, its credentials, authorities."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from requests.utils import DEFAULT_CA_BUNDLE_PATH, should_bypass_proxies

from wslgpu.build.places import cache_dir
from wslgpu.host_files import write_atomically
from wslgpu.settings import Settings
from wslgpu.site_access import CA_BUNDLE, Credentials, proxy_with_credentials, read_authorities, read_credentials


@dataclass(frozen=True)
class Access:
    """How downloads leave this machine. Without values: as its environment and its own configuration say.

    :param no_proxy: hosts that are asked directly, as in the settings
    :param authorities: PEM certificates that are trusted besides those of the machine
    """

    proxy_url: str = ""
    credentials: Credentials | None = None
    no_proxy: tuple[str, ...] = ()
    authorities: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Access:
        """What a site's settings say.

        :raises DataError: the file of credentials or of authorities is not what it must be
        """
        return cls(
            settings.proxy_url,
            read_credentials(settings.proxy_credentials_file),
            tuple(settings.no_proxy),
            read_authorities(settings.ca_file),
        )

    @property
    def proxy(self) -> str:
        """Its address with the credentials in it: for a program's environment, never for its arguments or a message."""
        return proxy_with_credentials(self.proxy_url, self.credentials) if self.proxy_url else ""

    def proxies(self, url: str) -> Mapping[str, str]:
        """For one request, as requests takes them; they come before those of the environment."""
        if not self.proxy_url:
            return {}
        direct = should_bypass_proxies(url, ",".join(self.no_proxy))
        chosen = "" if direct else self.proxy
        return {"http": chosen, "https": chosen}

    def environment(self) -> dict[str, str]:
        """For a program that reads http_proxy and its like, pip for one."""
        if not self.proxy_url:
            return {}
        names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
        direct = ",".join(self.no_proxy)
        return {**dict.fromkeys(names, self.proxy), "no_proxy": direct, "NO_PROXY": direct}

    def bundle(self) -> str:
        """PEM file with all that is trusted: the machine's store, where there is one, and the site's authorities.

        requests and pip bring a store of their own otherwise, which knows nothing of what an administrator added.
        """
        named = (os.environ.get("REQUESTS_CA_BUNDLE"), os.environ.get("CURL_CA_BUNDLE"), CA_BUNDLE)
        places = [Path(name) for name in (*named, DEFAULT_CA_BUNDLE_PATH) if name and Path(name).exists()]
        if not self.authorities:
            return str(places[0])
        base = next(place for place in places if place.is_file())  # some of them may be folders
        text = base.read_bytes() + b"\n" + "".join(self.authorities).encode()
        file = cache_dir() / "sources" / f"authorities-{hashlib.sha256(text).hexdigest()[:12]}.pem"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, text)
        return str(file)
