"""What the chapters need beside the core: data sets, exercises, figures, the ledger, doctor and workshop."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertutil.course.explorer import explore

__all__ = ["explore"]


def __getattr__(name: str) -> Any:
    """Import `explore` when it is asked for: the doctor must run where torch or matplotlib cannot be imported."""
    if name == "explore":
        from bertutil.course.explorer import explore

        return explore
    raise AttributeError(f"module 'bertutil.course' has no attribute {name!r}")
