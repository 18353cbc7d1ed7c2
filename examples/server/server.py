"""Restore pictures over HTTP: MODEL=model.image.onnx uvicorn server:app --limit-concurrency 16."""

import io
import os

import numpy as np
import onnxruntime
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, HTTPException, Request, Response
from PIL import Image, ImageOps

MAX_BYTES, MAX_PIXELS = 20_000_000, 2_000_000  # of an upload, and of the picture in it
session = onnxruntime.InferenceSession(os.environ["MODEL"], providers=["CPUExecutionProvider"])
model_input, *levels = session.get_inputs()
if model_input.type != "tensor(uint8)" or levels:
    raise SystemExit("MODEL must take a picture alone: clearer export --io image, and --sigma 25")
channels = model_input.shape[3]
app, one_at_a_time = FastAPI(), CapacityLimiter(1)  # ONNX Runtime uses all cores for each picture


@app.post("/restore")
async def restore(request: Request) -> Response:
    """The body is a PNG, JPEG or WebP file; the answer is a PNG."""
    body = bytearray()
    async for chunk in request.stream():  # counted as it comes: what it claims to be may be wrong
        body += chunk
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"send at most {MAX_BYTES:,} bytes")
    png = await to_thread.run_sync(restored, bytes(body), limiter=one_at_a_time)
    return Response(png, media_type="image/png")


def restored(data: bytes) -> bytes:
    """A picture file for a picture file."""
    try:
        picture = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP"))
        if picture.width * picture.height > MAX_PIXELS:  # before any of them is decoded
            raise HTTPException(413, f"send a picture of at most {MAX_PIXELS:,} pixels")
        if picture.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA"):
            raise HTTPException(415, f"send a gray or RGB picture of 8 bits, not {picture.mode}")
        picture = ImageOps.exif_transpose(picture)
        is_gray = picture.mode in ("1", "L", "LA")
        pixels = np.asarray(picture.convert("L" if is_gray else "RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise HTTPException(400, "send a whole PNG, JPEG or WebP picture") from error
    planes = np.atleast_3d(pixels)
    if channels == 1:  # a gray network restores each channel as a picture of its own
        batch = planes.transpose(2, 0, 1)[..., None]
    else:  # a network for colour sees a gray picture as three equal channels
        batch = np.broadcast_to(planes, (*planes.shape[:2], 3))[None]
    (result,) = session.run(None, {model_input.name: np.ascontiguousarray(batch)})
    result = result[..., 0].transpose(1, 2, 0) if channels == 1 else result[0]
    if is_gray:
        result = np.rint(result.mean(2)).astype(np.uint8)
    answer = io.BytesIO()
    Image.fromarray(result).save(answer, "PNG")
    return answer.getvalue()
