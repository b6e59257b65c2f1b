"""How many jobs, how much memory; and what a build says of it."""

from __future__ import annotations

import pytest

from wslgpu.build.limits import available_bytes, choose_jobs, cores, memory_limit

GB = 10**9


@pytest.mark.parametrize(
    ("per_job", "available", "cores", "asked", "count", "reason"),
    [
        (GB, 24 * GB, 2, None, 2, "2 cores"),
        (GB, 3 * GB, 8, None, 3, "8 cores, but 3.0 GB of memory are available, one job may need 1.0 GB"),
        (GB, GB // 2, 8, None, 1, "8 cores, but 500.0 MB of memory are available, one job may need 1.0 GB"),
        (GB, GB // 2, 8, 16, 16, "as asked for"),
    ],
)
def test_jobs_follow_from_cores_and_memory(
    per_job: int, available: int, cores: int, asked: int | None, count: int, reason: str
) -> None:
    jobs = choose_jobs(per_job, available, cores, asked)
    assert (jobs.count, jobs.reason) == (count, reason)
    assert jobs.processes > jobs.count


def test_the_limit_leaves_something_and_is_never_nothing() -> None:
    assert memory_limit(24 * GB) == 24 * GB - 200_000_000
    assert memory_limit(GB // 4) == GB // 4 * 3 // 4


def test_this_machine_has_memory_and_cores() -> None:
    assert 0 < available_bytes() < 1 << 50
    assert cores() >= 1
