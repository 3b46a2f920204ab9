"""One self-contained HTML page, and the pictures, from what the stores of a folder hold."""

from gapless.report.report import figure_stores, write_report

__all__ = ["figure_stores", "write_report"]
