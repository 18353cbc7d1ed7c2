"""Restore an 8-bit picture: python restore.py model.onnx noisy.png restored.png."""

import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model_path, source, target = sys.argv[1:]
session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
(model_input,) = session.get_inputs()  # float32, N x C x H x W in [0, 1], any N, H and W

picture = ImageOps.exif_transpose(Image.open(source))
is_gray = picture.mode in ("1", "L", "LA")
pixels = np.asarray(picture.convert("L" if is_gray else "RGB"), np.float32) / 255
planes = pixels[None] if is_gray else pixels.transpose(2, 0, 1)

if model_input.shape[1] == 1:  # a gray network restores each channel as a picture of its own
    batch = planes[:, None]
else:  # a network for colour sees a gray picture as three equal channels
    batch = np.ascontiguousarray(np.broadcast_to(planes, (3, *planes.shape[1:])))[None]
restored = session.run(None, {model_input.name: batch})[0].reshape(-1, *planes.shape[1:])
if is_gray:
    restored = restored.mean(0, keepdims=True)

bytes_ = np.rint(restored.clip(0, 1) * 255).astype(np.uint8)
Image.fromarray(bytes_[0] if is_gray else bytes_.transpose(1, 2, 0)).save(target)
