"""Attribution: how much each element of an input contributes to a number that is computed from it.

    gradient x input       x dF/dx
    integrated gradients   (x - x') * integral of dF/dx at x' + a (x - x'), over a from 0 to 1

F is the metric, x the input and x' the baseline. Integrated gradients add up to F(x) - F(x'): Sundararajan et al. 2017
(https://arxiv.org/abs/1703.01365), section 3. For the tokens of a text: `bertedu.analysis.attribute`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from bertedu.backend.gradients import value_and_gradient
from bertedu.checks import check_finite, to_numpy, whole_number
from bertedu.fields import shown


@dataclasses.dataclass(frozen=True, eq=False)
class Attribution:
    """Contributions to a metric.

    Attributes:
        attributions: float64, of the input's shape: the contribution of each element, in the unit of the metric. For a
            text, `[T]`: of each token.
        metric: float, F(x), the metric of the input.
        baseline_metric: float, F(x'), the metric of the baseline; None for gradient x input.
        tokens: list of T strings, or None if the input is not a text.
    """

    attributions: np.ndarray
    metric: float
    baseline_metric: float | None = None
    tokens: list[str] | None = None

    @property
    def completeness_error(self) -> float | None:
        """The sum of the attributions minus F(x) - F(x'); 0 for an exact integral, None for gradient x input."""
        if self.baseline_metric is None:
            return None
        return float(self.attributions.sum() - (self.metric - self.baseline_metric))


def gradient_times_input(metric: Callable[[Any], Any], inputs: ArrayLike) -> Attribution:
    """Compute gradient x input, the contributions if the metric were linear.

    Args:
        metric: function of a tensor `[B, ...]`, B inputs, that returns `[B]`, in `keras.ops`.
        inputs: one input `[...]`.

    Returns:
        `Attribution`.

    Raises:
        TypeError: `metric` is not a function, or `inputs` are not numbers. ValueError: `inputs` are not finite, or the
            metric has another shape or is constant.

    Example:
        >>> gradient_times_input(lambda x: x[:, 0] * x[:, 1], [3.0, 2.0]).attributions.tolist()
        [6.0, 6.0]

    Source: Shrikumar et al. 2016 (https://arxiv.org/abs/1605.01713).
    """
    x = _checked(metric, "inputs", inputs)
    values, gradients = value_and_gradient(metric, x[None])
    return Attribution(x * gradients[0].astype(float), float(values[0]))


def integrated_gradients(
    metric: Callable[[Any], Any], inputs: ArrayLike, baseline: ArrayLike = 0, steps: int = 50, batch_size: int = 64
) -> Attribution:
    """Compute integrated gradients.

    The integral is a Gauss-Legendre quadrature, as in captum: it is exact for metrics that are polynomials of the input
    of a degree up to 2 `steps`, and needs fewer steps than the sum of the paper's section 5.

    Args:
        metric: function of a tensor `[B, ...]`, B inputs, that returns `[B]`, in `keras.ops`.
        inputs: one input `[...]`.
        baseline: `[...]`, or what is broadcast to the shape of `inputs`. Defaults to 0.
        steps: int, number of points of the integral. Compare `completeness_error` with the metric: if it is large, use
            more steps.
        batch_size: int, number of points that are computed at once.

    Returns:
        `Attribution`.

    Raises:
        TypeError, ValueError: as `gradient_times_input`, or the baseline has another shape, or a number is below 1.

    Example:
        >>> result = integrated_gradients(lambda x: x[:, 0] * x[:, 1], [3.0, 2.0])
        >>> result.attributions.round(5).tolist(), abs(result.completeness_error) < 1e-5
        ([3.0, 3.0], True)

    Source: Sundararajan et al. 2017 (https://arxiv.org/abs/1703.01365), equation 1.
    """
    x, start = _checked(metric, "inputs", inputs), _checked(metric, "baseline", baseline)
    try:
        difference = (x - np.broadcast_to(start, x.shape)).astype(float)
    except ValueError:
        expected = f"the shape of the inputs, {list(x.shape)}"
        raise ValueError(f"baseline: expected {expected}, got {list(start.shape)}.") from None
    steps, batch_size = whole_number("steps", steps), whole_number("batch_size", batch_size)
    nodes, weights = np.polynomial.legendre.leggauss(steps)  # on [-1, 1]
    nodes = np.concatenate([[0], (nodes + 1) / 2, [1]])  # both ends for F(x') and F(x), with the weight 0
    weights = np.concatenate([[0], weights / 2, [0]])
    mean, values = np.zeros(x.shape), []
    for first in range(0, len(nodes), batch_size):
        batch = slice(first, first + batch_size)
        points = start + np.multiply.outer(nodes[batch], difference)  # [B, ...]
        metrics, gradients = value_and_gradient(metric, points.astype("float32"))
        inner = weights[batch] > 0  # a gradient at an end may be infinite
        mean += np.tensordot(weights[batch][inner], gradients[inner], axes=1)
        values += [float(value) for value in metrics]
    return Attribution(difference * mean, values[-1], values[0])


def _checked(metric, name, array):
    """Return an array as float32, finite; TypeError if the metric is not a function."""
    if not callable(metric):
        raise TypeError(f"metric: expected a function of a tensor, got {shown(metric)}.")
    array = to_numpy(name, array, np.float32)
    check_finite(name, np.atleast_1d(array))
    return array
