"""The report: one self-contained HTML page, and the pictures, from the stores of a folder."""

from gapless.report.report import write_report

__all__ = ["write_report"]
