"""What ``wslgpu check`` found, written for people, issues, CI, monitoring and the archive.

Every writer is a pure function of a :class:`wslgpu.verdict.model.Judgement`; what nodes answered is escaped and
bounded in all of them.
"""

from __future__ import annotations

from wslgpu.report.capabilities.comparison import compare_json, compare_markdown, compare_text
from wslgpu.report.capabilities.files import WRITERS, write_file
from wslgpu.report.capabilities.html import as_html
from wslgpu.report.capabilities.json_document import ReportError, as_json, from_json
from wslgpu.report.capabilities.junit import as_junit
from wslgpu.report.capabilities.keep import keep_report, kept_reports, previous_report, read_report
from wslgpu.report.capabilities.markdown import as_markdown
from wslgpu.report.capabilities.nagios import EXIT_CATALOGUE_FAILED, distinct_exit_code, nagios_line
from wslgpu.report.capabilities.signing import sign_report, verify_report
from wslgpu.report.capabilities.terminal import write_terminal

__all__ = [
    "EXIT_CATALOGUE_FAILED",
    "WRITERS",
    "ReportError",
    "as_html",
    "as_json",
    "as_junit",
    "as_markdown",
    "compare_json",
    "compare_markdown",
    "compare_text",
    "distinct_exit_code",
    "from_json",
    "keep_report",
    "kept_reports",
    "nagios_line",
    "previous_report",
    "read_report",
    "sign_report",
    "verify_report",
    "write_file",
    "write_terminal",
]
