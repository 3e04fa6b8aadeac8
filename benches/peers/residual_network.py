"""The residual network as PyTorch's users write it, with the names that our weights have. Peers of two suites import it."""

from pathlib import Path

from safetensors.torch import load_file
from torch import nn


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


class ResidualNetwork(nn.Module):
    """Images `[images, 3, height, width]`, logits `[images, classes]`."""

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
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")  # as ours begins: else losses could not be compared
        nn.init.zeros_(self.output.bias)

    def forward(self, images):
        features = self.stem_normalisation(self.stem(images)).relu()
        for name, block in self.named_children():
            if name.startswith("block"):
                features = block(features)
        return self.output(features.mean((2, 3)))

    def take(self, file: Path):
        """Takes the weights that ours has written, which count no batches, and is in use from then on."""
        unknown = self.load_state_dict(load_file(file), strict=False)
        missing = [name for name in unknown.missing_keys if not name.endswith("num_batches_tracked")]
        assert not missing and not unknown.unexpected_keys, unknown
        return self.eval()
