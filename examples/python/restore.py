"""Restore an 8-bit picture: python restore.py model.onnx noisy.png restored.png [sigma]."""

import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model_path, source, target, *sigma = sys.argv[1:]
session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
# float32, N x C x H x W in [0, 1], any N, H and W; of "export --io image" uint8, N x H x W x C
model_input, *levels = session.get_inputs()
# A network with a level map takes the noise level, too: of each picture, or one for all, 0 to 255.
told = session.get_modelmeta().custom_metadata_map
level = {
    value.name: np.array([float(sigma[0] if sigma else told["sigma_default"])], np.float32)
    for value in levels
}
takes_bytes = model_input.type == "tensor(uint8)"
channels = model_input.shape[3 if takes_bytes else 1]

picture = ImageOps.exif_transpose(Image.open(source))
is_gray = picture.mode in ("1", "L", "LA")
pixels = np.asarray(picture.convert("L" if is_gray else "RGB"))
planes = pixels[None] if is_gray else pixels.transpose(2, 0, 1)

if channels == 1:  # a gray network restores each channel as a picture of its own
    batch = planes[:, None]
else:  # a network for colour sees a gray picture as three equal channels
    batch = np.ascontiguousarray(np.broadcast_to(planes, (3, *planes.shape[1:])))[None]
if takes_bytes:
    given = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
    restored = session.run(None, {model_input.name: given, **level})[0].transpose(0, 3, 1, 2)
else:
    given = batch.astype(np.float32) / 255
    restored = 255 * session.run(None, {model_input.name: given, **level})[0]
restored = restored.reshape(-1, *planes.shape[1:])
if is_gray:
    restored = restored.mean(0, keepdims=True)

bytes_ = np.rint(restored.clip(0, 255)).astype(np.uint8)
Image.fromarray(bytes_[0] if is_gray else bytes_.transpose(1, 2, 0)).save(target)
