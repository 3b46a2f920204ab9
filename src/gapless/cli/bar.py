"""A bar of progress on a terminal, by rich."""

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from gapless.amounts import duration


class _Times(ProgressColumn):
    """Column of elapsed and remaining time."""

    def render(self, task: Task) -> Text:
        left = "" if task.time_remaining is None else f", {duration(task.time_remaining)} left"
        return Text(duration(task.elapsed or 0.0) + left)


class Bar:
    """A bar on stderr, from its making until it is closed."""

    def __init__(self, title: str) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            _Times(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(title, total=1.0)
        self._bar.start()

    def show(self, share: float, title: str) -> None:
        """Show a share of the work and a title."""
        self._bar.update(self._task, completed=share, description=title)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()
