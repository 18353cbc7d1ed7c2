from __future__ import annotations

import onnx
import pytest

from clearer.export.resolution import finest_convolutions
from clearer.export.to_onnx import untrained_file
from clearer.space.space import Architecture, SearchSpace


def u_of_three_scales(coarse_blocks: int, unshuffle: int = 1) -> Architecture:
    space = SearchSpace(
        width=4,
        columns=(1, 1, coarse_blocks + 4),
        stem="conv",
        residual=True,
        first_scales=1,
        gates=True,
        unshuffle=unshuffle,
    )
    text = f"P-[.P]-{'[..P]' * coarse_blocks}[.F.][.P.][F..][P..]"
    return Architecture.from_text(text, space)


@pytest.mark.parametrize("unshuffle", [1, 2])
def test_what_reads_or_feeds_full_resolution(unshuffle: int) -> None:
    found = finest_convolutions(
        onnx.load_from_string(untrained_file(u_of_three_scales(1, unshuffle))).graph
    )
    names = [node.input[1].removesuffix(".weight") for node in found]
    assert names == [
        "input.blocks.0",
        "cells.0.0.blocks.0.body.0",
        "cells.0.0.blocks.0.body.3",
        "transitions.0.down.0",
        "cells.2.1.down.1.0.0.0",
        "cells.2.3.up.0.0.0",
        "cells.2.3.up.0.1.0",
        "cells.2.4.blocks.0.body.0",
        "cells.2.4.blocks.0.body.3",
        "output.fusion.up.0.0.0",
        "output.fusion.up.0.1.0",
        "output.head",
    ]
