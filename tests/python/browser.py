"""A real browser without a window, to look at pages: Chromium's headless shell (Debian: chromium-headless-shell) or Chromium itself."""

import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium-headless-shell", "chrome-headless-shell", "chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)


def run(page: Path, *options: str, width: int = 1200) -> str:
    assert PROGRAM, "no browser is installed: sudo apt-get install chromium-headless-shell"
    command = [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", f"--window-size={width},2000", *options,
               page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def dom(page: Path, script: str = "", width: int = 1200) -> str:
    """The page's content after its scripts, and then `script`, have run."""
    copy = page.with_suffix(".test.html")
    copy.write_text(page.read_text().replace("</body>", f"<script>{script}</script></body>"))
    return run(copy, "--dump-dom", width=width)


def screenshot(page: Path, image: Path, dark: bool = False) -> None:
    run(page, f"--screenshot={image}", "--hide-scrollbars", *(["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []))
