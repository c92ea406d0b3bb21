"""The handwritten digits that the training, the service and the client share.

scikit-learn brings them along, so nothing is downloaded: 1,797 images of 8 x 8 pixels, each pixel
a number from 0 to 16.
"""

import numpy
from sklearn.datasets import load_digits

TEST_IMAGES = 450
PIXELS = 64
PIXEL_MAX = 16.0


def load_split():
    """Returns (train images, train labels, test images, test labels), the same split every time.

    Images are float32 of shape (n, 64), valued 0..16; labels are int64, 0..9.
    """
    data = load_digits()
    order = numpy.random.RandomState(20).permutation(len(data.target))
    images = data.data.astype(numpy.float32)[order]
    labels = data.target.astype(numpy.int64)[order]
    return images[TEST_IMAGES:], labels[TEST_IMAGES:], images[:TEST_IMAGES], labels[:TEST_IMAGES]
