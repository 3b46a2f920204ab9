"""One self-contained HTML page, and the pictures, from what the stores of a folder hold."""

from gapless.report.report import write_report

__all__ = ["write_report"]
