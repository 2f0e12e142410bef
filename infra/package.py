#!/usr/bin/env python3
"""Packs programs as Lambda wants them: each as NAME.zip with the program as `bootstrap` in it.

    infra/package.py FOLDER-OF-PROGRAMS OUTPUT-FOLDER

The same programs give the same packages, byte for byte.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

FUNCTIONS = ["api", "notifier", "retention", "scheduler", "worker"]


def pack(program: pathlib.Path, package: pathlib.Path, level: int = 9) -> int:
    """Packs one program without what only debuggers read. Returns the size of the package."""
    with tempfile.TemporaryDirectory() as folder:
        stripped = pathlib.Path(folder) / "bootstrap"
        shutil.copy(program, stripped)
        # One for another processor is left as it is; release builds have nothing to strip.
        subprocess.run(["strip", stripped], stderr=subprocess.DEVNULL, check=False)
        entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        package.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr(entry, stripped.read_bytes(), compresslevel=level)
    return package.stat().st_size


def pack_all(programs: pathlib.Path, output: pathlib.Path, level: int = 9) -> dict[str, int]:
    """Packs every function. Returns sizes by name."""
    return {name: pack(programs / name, output / f"{name}.zip", level) for name in FUNCTIONS}


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for name, size in pack_all(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])).items():
        print(f"{name:10} {size / 1e6:6.1f} MB")


if __name__ == "__main__":
    main()
