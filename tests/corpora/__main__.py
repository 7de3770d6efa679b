"""Holds public files against the gate.

    python -m tests.corpora FOLDER [--least 2000] [--json]

Exit status 1 where the gate accepts a PDF that a judge cannot open or whose pages the judges count differently, refuses
one that both open for a reason that is no rule, or accepts what is of another kind; and where there are fewer files
than were asked for.
"""

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.corpora.judging import OTHER_KINDS, TYPES, Report, be_quiet, look


def main() -> int:
    """Look at all files, print what they show, and say whether it is as promised."""
    parser = argparse.ArgumentParser(prog="make corpora", description="Hold public files against the gate.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--least", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    paths = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in {*TYPES, *OTHER_KINDS}
    )
    # Spawned: a fork would share its parent's gate.
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"), initializer=be_quiet) as pool:
        found = [each for many in pool.map(look, paths, [folder] * len(paths), chunksize=8) for each in many]
    report = Report.of(found)
    failures = report.failures(arguments.least)
    if arguments.json:
        print(
            json.dumps({"files": report.files, "failures": failures, "refused_opened": report.refused_opened}, indent=1)
        )
    else:
        print(report.text(), "", *(failures or ["The gate and the judges agree."]), sep="\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
