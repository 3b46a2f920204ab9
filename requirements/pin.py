"""Pins of the newest versions that pyproject.toml allows: `make pins` rewrites run, dev and docs.

It runs with the Python of a fresh environment, in the folder of pyproject.toml. The test of the
lowest versions has its own file, lowest.txt, which is written by hand.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
FILES = {
    "run": ("", "# pins of what gapless runs on; made with Python {python}\n"),
    "dev": ("[dev]", "# pins of the tools of tests, lint, types and docs\n-r run.txt\n"),
    "docs": ("[docs]", "# pins of the site and of the notebooks, on top of dev.txt\n-r dev.txt\n"),
}
"""For each file the extra that it pins, and its head; each holds what the ones before do not."""


def pip(*words: str) -> str:
    """Run pip in this environment; return what it prints."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Install the package with one extra after the other, and write the pins of each."""
    before: set[str] = set()
    for name, (extra, head) in FILES.items():
        # setuptools is pinned too: the environment installs the package without build isolation
        pip("install", "--quiet", "--upgrade", "setuptools", f".{extra}")
        found = pip("freeze", "--all", "--exclude", "pip", "--exclude", "gapless").splitlines()
        new = sorted(set(found) - before, key=str.lower)
        python = ".".join(map(str, sys.version_info[:2]))
        text = head.format(python=python) + "".join(f"{line}\n" for line in new)
        (FOLDER / f"{name}.txt").write_text(text)
        before |= set(found)


if __name__ == "__main__":
    main()
