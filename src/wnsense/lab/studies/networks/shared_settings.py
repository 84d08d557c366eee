"""Settings and texts that several studies of deep networks share."""

from wnsense.lab.studies.networks.specification import Images, Sampling
from wnsense.networks.data.labelled_images import Inputs
from wnsense.networks.network import Scaling

JPEG = (
    "the stored CIFAR-10 is a part of it, 10,000 training and 2,000 test images decoded from JPEG copies, so that "
    "pixels differ slightly from the release; MNIST is its test file alone, 8,000 to train on and 2,000 to test on"
)
INPUTS = "inputs are standardized by the mean and the deviation of all training pixels"
TWIN = "without WN: the same parameters W at the start, and the same s, without the division"
NETWORK = "10 outputs for one-hot labels, tanh, no biases, V free, ||v_0|| = 1 for each output"

SEEDS = (0, 1, 2)
SCALINGS = (Scaling.ONE, Scaling.WIDTH)
UNIT = Sampling(Images.MNIST, 256, 100, Inputs.UNIT)
SMALL_UNIT = Sampling(Images.DIGITS, 64, 100, Inputs.UNIT)
