"""What a residual network says of a picture over HTTP, as a PyTorch user would serve it; the same answer as ours, but for rounding.

    MODEL=weights.safetensors CLASSES='["a", ...]' python -m uvicorn torch_service:app --app-dir benches/peers

The weights are those that `torchboard` wrote, the network is written with PyTorch's own modules, and the picture is decoded and cut as ours
is, by Pillow.
"""

import io
import json
import os

import numpy
import torch
from fastapi import FastAPI, UploadFile
from PIL import Image, ImageOps
from residual_network import ResidualNetwork

SIDE = 28
CLASSES = json.loads(os.environ["CLASSES"])

model = ResidualNetwork(16, len(CLASSES)).take(os.environ["MODEL"])
app = FastAPI()


def pixels_of(picture):
    """The square in the picture's middle, in colour, scaled by a cubic filter."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(picture))).convert("RGB")
    square = min(image.size)
    left, top = (image.width - square) // 2, (image.height - square) // 2
    image = image.crop((left, top, left + square, top + square))
    if square != SIDE:
        image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return numpy.asarray(image)


# A plain function: FastAPI runs it on a thread of its pool, so that pictures are decoded side by side and its loop is free.
@app.post("/predict")
def predict(image: UploadFile):
    pixels = torch.from_numpy(pixels_of(image.file.read()).copy()).permute(2, 0, 1).unsqueeze(0).float() / 255
    with torch.inference_mode():
        probabilities = model(pixels).softmax(1)[0].tolist()
    best = max(range(len(CLASSES)), key=probabilities.__getitem__)
    named = zip(CLASSES, probabilities)
    return {"prediction": best, "probabilities": [{"label": label, "name": name, "probability": value} for label, (name, value) in enumerate(named)]}
