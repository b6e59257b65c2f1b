"""Facts read once per host and stage, instead of once per question.

pyinfra runs a fact's command at every ``get_fact``, one round trip each. :func:`read` keeps the answer until an
operation is about to change the node (:func:`forget`), or until deploy code gives way to execution.
"""

from __future__ import annotations

import weakref
from typing import Any, TypeVar

from pyinfra.api import FactBase
from pyinfra.api.host import Host
from pyinfra.context import ctx_host

_T = TypeVar("_T")
_answers: weakref.WeakKeyDictionary[Host, dict[Any, Any]] = weakref.WeakKeyDictionary()


def read(fact: type[FactBase[_T]], **arguments: Any) -> _T:
    """The fact's answer for the host in context; ``arguments`` must be hashable."""
    host: Host = ctx_host.get()  # type: ignore[no-untyped-call]
    key = (host.state.current_stage, fact, tuple(sorted(arguments.items())))
    answers = _answers.setdefault(host, {})
    if key not in answers:
        answers[key] = host.get_fact(fact, **arguments)
    return answers[key]  # type: ignore[no-any-return]


def forget() -> None:
    """Drop what was read of the host in context."""
    if ctx_host.isset():  # type: ignore[no-untyped-call]
        _answers.pop(ctx_host.get(), None)  # type: ignore[no-untyped-call]
