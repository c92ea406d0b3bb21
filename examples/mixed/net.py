"""The small convolutional network that the training makes and the service loads."""

import torch
from torch import nn

from digits import PIXEL_MAX


def make_net():
    """A net from images of shape (n, 64), valued 0..16, to ten scores per image."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(128 * 4, 10),
    )


def scores_of(net, images):
    """Scores of images (float tensor of shape (n, 64), valued 0..16) from a net."""
    return net(images / PIXEL_MAX)


def accuracy_of(net, images, labels):
    """Share of images that the net names correctly, 0..1."""
    net.eval()
    with torch.no_grad():
        hits = (scores_of(net, images).argmax(1) == labels).sum().item()
    return hits / len(labels)
