"""How the story is told: chapters, lines, progress bars."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_WIDTH = 96


class Narrator:
    """Writes the story to standard output."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, width=None if Console().is_terminal else _WIDTH)
        self._chapter = 0

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._chapter += 1
        self._console.print(f"\n[bold]{self._chapter}. {title}[/bold]")

    def line(self, text: str) -> None:
        """Say one thing that happened."""
        self._console.print(f"   {text}")

    def note(self, text: str) -> None:
        """Say something in passing."""
        self._console.print(f"   [dim]{text}[/dim]")

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator["Bar"]:
        """Show a bar while something takes its time."""
        columns = (
            TextColumn("   {task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            yield Bar(progress, total, what)


class Bar:
    """A progress bar on its way."""

    def __init__(self, progress: Progress, total: int, what: str) -> None:
        self._progress = progress
        self._task = progress.add_task(what, total=total)

    def advance(self, steps: int) -> None:
        """Move on."""
        self._progress.advance(self._task, steps)
