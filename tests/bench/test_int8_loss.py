from __future__ import annotations

from clearer.bench.int8_loss import Measured, int8_losses


def test_only_int8_that_loses_more_than_its_export_allows_is_said() -> None:
    rows = [
        Measured("one", "torch", "fp32", 30.0),
        Measured("one", "ONNX Runtime", "int8", 29.95),
        Measured("one", "OpenVINO", "int8, fp32", 29.43),
        Measured("one", "OpenVINO", "bf16", 29.0),
        Measured("other", "torch", "fp32", 28.0),
        Measured("other", "OpenVINO", "int8", 28.1),
        Measured("file of others", "OpenVINO", "int8", 20.0),
    ]
    (line,) = int8_losses(rows)
    assert line.startswith("warning: one in int8 loses 0.57 dB in OpenVINO on this processor")
    assert "clearer export --int8" in line
