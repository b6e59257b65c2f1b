"""Messages as NVIDIA's programs print them: logrus text on standard error, JSON where runc's log is."""

from __future__ import annotations

import datetime
import json
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Logger:
    """Writes to standard error and, when *json_file* is set, also there, one JSON object a line.

    containerd's shim reads the reason of a failed ``create`` from runc's JSON log, hence from here too.
    """

    quiet: bool = False
    json_file: str = ""

    def info(self, message: str) -> None:
        if not self.quiet:
            self._write("info", message)

    def warning(self, message: str) -> None:
        if not self.quiet:
            self._write("warning", message)

    def failure(self, message: str) -> None:
        self._write("error", message)

    def _write(self, level: str, message: str) -> None:
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        if self.json_file:
            line = json.dumps({"level": level, "msg": message, "time": now})
            with Path(self.json_file).open("a", encoding="utf-8") as out:
                out.write(line + "\n")
        escaped = message.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        print(f'time="{now}" level={level} msg="{escaped}"', file=sys.stderr)
