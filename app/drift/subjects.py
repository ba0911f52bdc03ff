"""What an alert is about: a name, and the segment that it is of, if any. Pure."""

from collections.abc import Iterable


def subject_of(name: str, segment: str) -> str:
    """Return the subject that a variable or metric has in a segment; ``""`` is the whole."""
    return f"{name} [{segment}]" if segment else name


def parted(subject: str, segments: Iterable[str]) -> tuple[str, str]:
    """Return the name and the segment, one of those known, of a subject."""
    for segment in segments:
        if segment and subject.endswith(f" [{segment}]"):
            return subject.removesuffix(f" [{segment}]"), segment
    return subject, ""
