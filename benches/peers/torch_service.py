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
from safetensors.torch import load_file
from torch import nn

SIDE = 28
CLASSES = json.loads(os.environ["CLASSES"])


class Block(nn.Module):
    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.convolution_1 = nn.Conv2d(inputs, filters, 3, stride, padding=1, bias=False)
        self.normalisation_1 = nn.BatchNorm2d(filters)
        self.convolution_2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.normalisation_2 = nn.BatchNorm2d(filters)
        self.projection = nn.Conv2d(inputs, filters, 1, stride, bias=False) if stride > 1 else nn.Identity()

    def forward(self, features):
        first = self.normalisation_1(self.convolution_1(features)).relu()
        return (self.normalisation_2(self.convolution_2(first)) + self.projection(features)).relu()


class ResNet14(nn.Module):
    def __init__(self, filters, classes):
        super().__init__()
        self.stem = nn.Conv2d(3, filters, 3, padding=1, bias=False)
        self.stem_normalisation = nn.BatchNorm2d(filters)
        inputs = filters
        for stack in range(3):
            for block in range(2):
                width = filters << stack
                self.add_module(f"block_{stack + 1}_{block + 1}", Block(inputs, width, 2 if stack and not block else 1))
                inputs = width
        self.output = nn.Linear(inputs, classes)

    def forward(self, images):
        features = self.stem_normalisation(self.stem(images)).relu()
        for name, block in self.named_children():
            if name.startswith("block"):
                features = block(features)
        return self.output(features.mean((2, 3)))


def opened():
    weights = load_file(os.environ["MODEL"])
    model = ResNet14(weights["stem.weight"].shape[0], len(CLASSES))
    unknown = [name for name in model.load_state_dict(weights, strict=False).missing_keys if not name.endswith("num_batches_tracked")]
    assert not unknown, unknown
    return model.eval()


model = opened()
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
