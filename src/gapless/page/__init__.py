"""What the report and the explorer share: one style, one renderer, no request to anywhere."""

from gapless.page.page import Download, as_json, assemble, csv_download, html_table

__all__ = ["Download", "as_json", "assemble", "csv_download", "html_table"]
