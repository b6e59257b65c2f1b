"""Readers of FFmpeg's own words in tests/node."""

from __future__ import annotations

import pytest

from tests.node.support.artifact import Installed
from tests.node.support.ffmpeg import least_windows_driver, promise_of, same_version, version_of
from wslgpu.settings import load


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("ffmpeg version 7.1.5 Copyright (c) 2000-2026 the FFmpeg developers\nbuilt with gcc 12\n", "7.1.5"),
        ("ffprobe version n8.1.2-12-gabcdef0-20260731 Copyright (c)", "n8.1.2-12-gabcdef0-20260731"),
        ("", ""),
        ("bash: ffmpeg version 7", ""),
    ],
)
def test_version(text: str, version: str) -> None:
    assert version_of(text) == version


@pytest.mark.parametrize(
    ("said", "version", "same"),
    [
        ("7.1.5", "7.1.5", True),
        ("n8.1.2-12-gabc", "8.1.2", True),
        ("7.1.5", "7.1.50", False),
        ("7.1.50", "7.1.5", False),
        ("17.1.5", "7.1.5", False),
        ("", "7.1.5", False),
    ],
)
def test_same_version(said: str, version: str, same: bool) -> None:
    assert same_version(said, version) is same


def test_the_promise_is_the_recipes_and_the_least_driver_the_headers() -> None:
    from tests.artifact_records import record

    settings = load()
    found = Installed("ffmpeg", "7.1.5-bbbbbbbbbbbb", record("ffmpeg", build=settings.ffmpeg_build))
    promise = promise_of(settings, found)
    assert {"h264_nvenc", "libx264"} <= set(promise.encoders)
    assert "--enable-nonfree" in promise.refused
    assert least_windows_driver(settings, found)
