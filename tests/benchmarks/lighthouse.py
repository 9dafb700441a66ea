"""Lighthouse's scores of built pages, for a phone: a measurement by hand, not a test.

    python -m tests.benchmarks.lighthouse                      the landing page and three chapters
    python -m tests.benchmarks.lighthouse notebooks/05-voxels  these pages, by name
    python -m tests.benchmarks.lighthouse --root FOLDER …      of another build

Wants Node; npm fetches Lighthouse the first time. The book is served on this machine alone, gzipped
as a web host would. Scores depend on how busy the machine is: the median of three runs is shown.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median

from ..site.browser import served
from ..site.conftest import BUILT, find_browser

LIGHTHOUSE = "lighthouse@13"
PAGES = (
    "book/index",
    "notebooks/01-gather",
    "notebooks/07-sparse-convolution",
    "notebooks/10-sampling",
)
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
AUDITS = {
    "first paint, s": ("first-contentful-paint", 1000),
    "largest paint, s": ("largest-contentful-paint", 1000),
    "blocked, ms": ("total-blocking-time", 1),
    "layout shift": ("cumulative-layout-shift", 1),
    "loaded, kB": ("total-byte-weight", 1000),
}  # fmt: skip


def report(address: str, executable: str) -> dict:
    """Lighthouse's own report of one visit."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "report.json")
        command = ["npx", "--yes", LIGHTHOUSE, address, "--quiet", "--output=json"]
        command += [f"--output-path={file}", f"--only-categories={','.join(CATEGORIES)}"]
        command += ["--chrome-flags=--headless=new --no-sandbox"]
        subprocess.run(command, check=True, env=os.environ | {"CHROME_PATH": executable})
        return json.loads(file.read_text())


def measured(reports: list[dict]) -> list[str]:
    """The medians of the scores and of the times."""
    scores = [
        f"{100 * median(r['categories'][name]['score'] for r in reports):.0f}"
        for name in CATEGORIES
    ]
    times = [
        f"{median(r['audits'][audit]['numericValue'] for r in reports) / unit:.3g}"
        for audit, unit in AUDITS.values()
    ]
    return scores + times


def failures(reports: list[dict]) -> list[str]:
    """The audits outside of performance that are not passed, in Lighthouse's words."""
    found = {}
    for category in CATEGORIES[1:]:
        for reference in reports[-1]["categories"][category]["auditRefs"]:
            audit = reports[-1]["audits"][reference["id"]]
            if reference["weight"] and audit["score"] is not None and audit["score"] < 1:
                found[audit["id"]] = f"{category}: {audit['title']}"
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("pages", nargs="*", default=PAGES)
    parser.add_argument("--root", type=Path, default=BUILT)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    executable = find_browser()
    if executable is None:
        parser.error("no Chromium or Chrome on this machine")

    print("| page | " + " | ".join([*CATEGORIES, *AUDITS]) + " |")
    print("| --- |" + " ---: |" * (len(CATEGORIES) + len(AUDITS)))
    with served(chosen.root, gzipped=True) as address:
        for page in chosen.pages:
            reports = [report(f"{address}/{page}.html", executable) for _ in range(chosen.runs)]
            print(f"| {page} | " + " | ".join(measured(reports)) + " |", flush=True)
            for failure in failures(reports):
                print(f"    {page}: {failure}")


if __name__ == "__main__":
    main()
