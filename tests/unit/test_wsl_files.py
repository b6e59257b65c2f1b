"""/etc/wsl.conf and .wslconfig: reading, judging by line, and setting keys in place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wslgpu import wsl_ini
from wslgpu.wsl_files import WSL_CONF_FILE, WSLCONFIG_FILE, LineFinding, decode, lint, merge, values

USERS_FILE = """\
# mine
[boot]
command = service cron start   # keep
SYSTEMD=false

[user]
default=me
"""

# The block of the source documents, which changes nothing on any machine: both typos are silent in WSL.
SOURCE_DOCUMENTS = """\
[ws12]
networkingMode-bridged
vmSwitch=WSLBridge
dhcp=false
swap=0
"""


def found(text: str, kind=WSLCONFIG_FILE) -> list[tuple[int, str]]:  # type: ignore[no-untyped-def]
    return [(finding.line, finding.what) for finding in lint(text, kind)]


# judging


def test_the_typos_of_the_source_documents_are_named_by_line() -> None:
    assert found(SOURCE_DOCUMENTS) == [
        (1, "[ws12] is not a section of .wslconfig, and WSL ignores its 3 keys; did you mean [wsl2]?"),
        (2, "'networkingMode-bridged' has no '=' behind its key; did you mean networkingMode=bridged?"),
    ]


def test_the_corrected_block_is_clean() -> None:
    assert found(SOURCE_DOCUMENTS.replace("ws12", "wsl2").replace("mode-b", "Mode=b").replace("Mode-b", "Mode=b")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[wsl2]\nlocahostForwarding=true\n",
            [(2, "locahostForwarding is not a key of [wsl2] in .wslconfig; did you mean localhostForwarding?")],
        ),
        (
            "[experimental]\nmemory=8GB\n",
            [(2, "memory stands under [experimental], where WSL does not know it; it belongs under [wsl2]")],
        ),
        ("memory=8GB\n", [(1, "memory stands under no section, where WSL does not know it; it belongs under [wsl2]")]),
        (
            "[wsl2]\nsystemd=true\n",
            [(2, "systemd is not a key of .wslconfig; it belongs in /etc/wsl.conf under [boot]")],
        ),
        (
            "[boot]\nsystemd=true\n",
            [
                (1, "[boot] is not a section of .wslconfig, and WSL ignores its 1 key; it belongs in /etc/wsl.conf"),
                (2, "systemd is not a key of .wslconfig; it belongs in /etc/wsl.conf under [boot]"),
            ],
        ),
        ("[wsl2]\nmemory=eight\n", [(2, "memory must be a size such as 8GB or 512MB, not 'eight'")]),
        ("[wsl2]\nprocessors=0x4\n", []),
        ("[WSL2]\nMEMORY=8GB # quiet\n", []),
        ("[wsl2]\nswap=0\nswap=1GB\n", [(3, "swap stands a second time; WSL takes the first, on line 2")]),
        (
            "[experimental]\nfirewall=true\n[wsl2]\nfirewall=false\n",
            [(4, "firewall stands a second time; WSL takes the first, on line 2")],
        ),
        ("[wsl2]\n; old\n", [(2, "'; old' does not begin with a key; WSL takes only '#' for a comment")]),
        (
            "[wsl2]\nkernel=C:\\kernel\n",
            [(2, "'kernel=C:\\\\kernel' has a backslash before k; WSL wants it doubled (\\\\)")],
        ),
        ("[wsl2]\nkernel=C:\\\\kernel\n", []),
        (
            "[wsl2]\nnetworkingMode=bridged\n",
            [(2, "networkingMode=bridged needs vmSwitch under [wsl2], the name of a Hyper-V switch")],
        ),
        ("[wsl2]\r\nswap=0\r\n", []),
        ("\ufeff[wsl2]\r\nswap=0\r\n", []),
        ("[wsl 2]\nswap=0\n", [
            (1, "'[wsl 2]' is no section header that WSL can read; did you mean [wsl2]?"),
            (2, "swap stands under no section, where WSL does not know it; it belongs under [wsl2]"),
        ]),
    ],
)  # fmt: skip
def test_lint_wslconfig(text: str, expected: list[tuple[int, str]]) -> None:
    assert found(text) == expected


def test_lint_wsl_conf_broken_in_every_way_of_row_51() -> None:
    text = "\ufeff[boot]\r\nsystemd=true\r\n[boot]\r\nsystmd=true\r\n"
    assert lint(text, WSL_CONF_FILE) == [
        LineFinding(1, "begins with a byte order mark, so that WSL skips this line"),
        LineFinding(1, "has Windows line ends (CRLF): WSL reads them, other programs may not", "note"),
        LineFinding(3, "[boot] stands a second time (first on line 1); WSL reads both", "note"),
        LineFinding(4, "systmd is not a key of [boot] in /etc/wsl.conf; did you mean systemd?"),
    ]


def test_a_windows_key_in_wsl_conf_is_sent_home() -> None:
    assert found("[wsl2]\nmemory=4GB\n", WSL_CONF_FILE)[1] == (
        2,
        "memory is not a key of /etc/wsl.conf; it belongs in .wslconfig under [wsl2]",
    )


# merging


def test_merge_sets_our_key_where_it_stands_and_keeps_the_rest() -> None:
    assert merge(USERS_FILE, {"boot": {"systemd": True}}, WSL_CONF_FILE) == USERS_FILE.replace("=false", "=true")


def test_merge_adds_a_key_at_the_end_of_its_section() -> None:
    assert merge(USERS_FILE, {"user": {"default": "you"}, "boot": {"initTimeout": 5}}, WSL_CONF_FILE) == (
        USERS_FILE.replace("SYSTEMD=false\n", "SYSTEMD=false\ninitTimeout=5\n").replace("default=me", "default=you")
    )


def test_merge_adds_a_section_at_the_end() -> None:
    assert merge("[user]\ndefault=me", {"boot": {"systemd": True}}, WSL_CONF_FILE) == (
        "[user]\ndefault=me\n\n[boot]\nsystemd=true\n"
    )
    assert merge("", {"boot": {"systemd": True}}, WSL_CONF_FILE) == "[boot]\nsystemd=true\n"


def test_merge_changes_the_first_of_two_since_that_is_the_one_wsl_takes() -> None:
    merged = merge("[boot]\nsystemd=false\n[boot]\nsystemd=true\n", {"boot": {"systemd": True}}, WSL_CONF_FILE)
    assert merged == "[boot]\nsystemd=true\n[boot]\nsystemd=true\n"


def test_merge_keeps_a_trailing_comment_and_windows_line_ends() -> None:
    text = "[wsl2]\r\nmemory = 4GB  # small\r\n"
    assert merge(text, {"wsl2": {"memory": "8GB", "swap": 0}}, WSLCONFIG_FILE) == (
        "[wsl2]\r\nmemory = 8GB  # small\r\nswap=0\r\n"
    )


def test_merge_takes_the_mark_from_wsl_conf_so_that_its_first_line_counts_again() -> None:
    assert merge("\ufeff[boot]\nsystemd=true\n", {}, WSL_CONF_FILE) == "[boot]\nsystemd=true\n"
    assert merge("\ufeff[wsl2]\n", {}, WSLCONFIG_FILE) == "\ufeff[wsl2]\n"


def test_merge_leaves_a_value_that_means_the_same() -> None:
    text = "[boot]\nsystemd = TRUE\nprotectBinfmt=1\n"
    assert merge(text, {"boot": {"systemd": True, "protectBinfmt": True}}, WSL_CONF_FILE) == text


def test_merge_writes_a_windows_path_so_that_wsl_reads_it_back() -> None:
    merged = merge("", {"wsl2": {"kernel": r"C:\wsl\vmlinux #2"}}, WSLCONFIG_FILE)
    assert merged == '[wsl2]\nkernel="C:\\\\wsl\\\\vmlinux #2"\n'
    assert values(merged, WSLCONFIG_FILE) == {("wsl2", "kernel"): r"C:\wsl\vmlinux #2"}


def test_merge_uses_a_former_home_that_the_file_uses() -> None:
    text = "[experimental]\nnetworkingMode=nat\n"
    assert merge(text, {"wsl2": {"networkingMode": "mirrored"}}, WSLCONFIG_FILE) == text.replace("nat", "mirrored")


def test_merge_replaces_a_continued_value_whole() -> None:
    text = "[boot]\ncommand=one \\\n  two\nsystemd=true\n"
    assert merge(text, {"boot": {"command": "three"}}, WSL_CONF_FILE) == "[boot]\ncommand=three\nsystemd=true\n"


LINES = st.sampled_from(
    ["[boot]", "[user]", "[ws12]", "systemd=false", "default = me # x", "# note", "", "junk", "command=a\\", 'x="y']
)


@given(st.lists(LINES), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_merge_is_read_back_is_stable_and_keeps_all_other_lines(lines: list[str], newline: str, end: bool) -> None:
    text = newline.join(lines) + (newline if end else "")
    wanted = {"boot": {"systemd": True}}
    merged = merge(text, wanted, WSL_CONF_FILE)
    taken = values(merged, WSL_CONF_FILE)
    if not any(line.endswith("\\") for line in lines):
        assert taken[("boot", "systemd")] == "true"
        before = [line for line in lines if "systemd" not in line and line]
        after = [line for line in merged.replace("\r", "").split("\n") if "systemd" not in line and line]
        assert [line for line in after if line != "[boot]"] == [line for line in before if line != "[boot]"]
    assert merge(merged, wanted, WSL_CONF_FILE) == merged


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"])))
def test_a_value_survives_being_written_and_read(value: str) -> None:
    (entry,) = wsl_ini.parse(f"k={wsl_ini.encode_value(value)}\n").entries
    assert entry.value == value


@given(st.text())
def test_nothing_makes_the_reader_raise_or_lose_a_line(text: str) -> None:
    document = wsl_ini.parse(text)
    assert "".join(document.lines) == text
    lint(text, WSL_CONF_FILE)
    lint(text, WSLCONFIG_FILE)


# reading bytes


def test_decode() -> None:
    assert decode(b"[wsl2]\n") == ("[wsl2]\n", "utf-8")
    assert decode("\ufeff[wsl2]\n".encode("utf-16-le")) == ("[wsl2]\n", "utf-16")
    for raw in (b"\xff\xfe\xff", b"caf\xe9", "[wsl2]".encode("utf-16-le")):
        with pytest.raises(ValueError, match=r"."):
            decode(raw)


def test_a_backslash_at_the_very_end_does_not_swallow_our_line() -> None:
    text = merge("[boot]\ncommand=a\\", {"boot": {"systemd": True}}, WSL_CONF_FILE)
    assert text == "[boot]\ncommand=a\\\n\nsystemd=true\n"
    assert merge(text, {"boot": {"systemd": True}}, WSL_CONF_FILE) == text
