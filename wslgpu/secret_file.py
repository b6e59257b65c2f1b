"""Files on the controller that hold a secret: read whole, and only where nobody else may read them."""

from __future__ import annotations

import os
import stat

from wslgpu.errors import DataError

SIZE_LIMIT_BYTES = 1 << 20


def read_secret_file(path: str, setting: str) -> str:
    """The file's text.

    :param setting: the setting that names it, for the error
    :raises DataError: it cannot be read, is no file, is larger than 1 MiB, is not UTF-8 text, or others may read it;
        nothing of its content is in the text
    """
    try:
        # what is judged is what is read, whoever puts another file there in between; a pipe is not waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise DataError(f"{setting} is no file", path, "Name the file itself.")
            data = os.read(descriptor, SIZE_LIMIT_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DataError(f"{setting} cannot be read: {error.strerror}", path, "Check the path.") from error
    if mode & 0o077:
        raise DataError(f"{setting} has mode {stat.S_IMODE(mode):04o}: others may read it", path, f"chmod 600 {path}")
    if len(data) > SIZE_LIMIT_BYTES:
        raise DataError(f"{setting} is larger than 1 MiB", path, "Name the file itself.")
    try:
        return data.decode()
    except UnicodeDecodeError:
        # not chained: the error holds the content
        raise DataError(f"{setting} is not UTF-8 text", path, "Check that it is the file that you mean.") from None
