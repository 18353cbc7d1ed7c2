"""Arrange BSDS500 so that BSD68 can test fairly: a folder of links with ``train`` and ``val``.

``train`` gets BSDS500's train and test pictures (400, those that DnCNN and FFDNet were trained on),
``val`` the 32 pictures of BSDS500's val that are not in BSD68.

    python benchmarks/bsds500_split.py ../shared/data bsds500-fair
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(data: Path, out: Path) -> None:
    """Make the links.

    Args:
        data: Folder that holds ``bsds500/`` and ``bsd68/bsds500_val.txt``.
        out: Folder to make.
    """
    source = data.resolve() / "bsds500"
    words = (data / "bsd68" / "bsds500_val.txt").read_text().split()
    bsd68 = {Path(word).stem for word in words if word.endswith(".jpg")}
    if len(bsd68) != 68:
        raise SystemExit(f"expected 68 names in bsds500_val.txt, found {len(bsd68)}")
    for split, origins in (("train", ("train", "test")), ("val", ("val",))):
        (out / split).mkdir(parents=True)
        for origin in origins:
            for path in sorted((source / origin).glob("*.jpg")):
                if path.stem not in bsd68:
                    (out / split / path.name).symlink_to(path)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
