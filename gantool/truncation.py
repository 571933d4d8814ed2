"""Variety against quality."""

from math import isfinite
from typing import Any

from gantool.gan import GAN
from gantool.layers.styled import Styled
from gantool.priors import Gaussian, Truncated
from gantool.tasks.generation import Generation


def truncate(gan: GAN, threshold: Any, layers: Any = None) -> None:
    """Trade variety for quality.

    Of a generator with styles, the first `layers` styles (None = all) are drawn toward their mean, to
    `threshold` times their distance: Karras et al. (2019), arXiv:1812.04948, section B; 1 changes nothing, 0
    is the mean itself. Of any other with a Gaussian prior, latents come from within `threshold` standard
    deviations: Brock et al. (2019), arXiv:1809.11096, section 3.1.

    What was truncated before is forgotten. Raises ValueError for numbers that mean nothing to this generator.
    """
    if threshold is None:
        if layers is not None:
            raise ValueError(f"truncation_layers={layers} of what? Add truncation=0.7.")
        return
    number = isinstance(threshold, int | float) and not isinstance(threshold, bool) and isfinite(threshold)
    G = gan.generator
    if isinstance(G, Styled):
        if not number:
            raise ValueError(f"truncation={threshold}: give a number; 1 is none, 0.7 usual, 0 the mean.")
        whole_one = isinstance(layers, int) and not isinstance(layers, bool) and 1 <= layers <= G.layers
        if layers is not None and not whole_one:
            raise ValueError(
                f"truncation_layers={layers}: this generator has {G.layers} layers; give 1 to {G.layers}."
            )
        G.truncate(float(threshold), layers)
        return
    if not number or threshold <= 0:
        raise ValueError(
            f"truncation={threshold}: give a number of standard deviations above 0, such as 0.7."
        )
    if layers is not None:
        raise ValueError(f"truncation_layers={layers}: this generator has no styles; leave it out.")
    prior = gan.task.prior if isinstance(gan.task, Generation) else None
    whole = prior.of if isinstance(prior, Truncated) else prior
    if not isinstance(gan.task, Generation) or not isinstance(whole, Gaussian):
        raise ValueError(
            f"truncation={threshold}: only Gaussian latents can be truncated; this model has others."
        )
    gan.task.prior = Truncated(whole, float(threshold))
