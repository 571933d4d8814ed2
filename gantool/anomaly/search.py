"""AnoGAN: Schlegl, Seeboeck, Waldstein, Schmidt-Erfurth & Langs (2017), arXiv:1703.05921, section 2.2.

The nearest image to a given one among all that a generator can make, found by a search of its latents.
"""

from typing import final

import torch
from torch import Tensor, nn

from gantool.duel import Duel, named
from gantool.finished import Finished, drawn
from gantool.layers.minibatch import MINGLING
from gantool.layers.packed import Packed
from gantool.layers.weighted import weighted
from gantool.losses.feature_matching import features
from gantool.losses.features import FEATURES
from gantool.project import DRAWS, nearest
from gantool.seeds import mix
from gantool.spaces import Space
from gantool.tasks.task import Scored, moved

RATE = 0.03  # of Adam


@final
class Search:
    """Scores images by the search.

    Differs from the paper: the search begins with the nearest of some random latents, not with any, and stays
    where latents lie, both as `gantool project` has it.

    Args:
        run: the generator and its D, in evaluation mode.
        space: of its latents.
        steps: of Adam; the paper's are 500.
        share: lambda, of D's features in the loss.
        seed: of the random latents.
        batch_size: images of one pass through G without gradients.
    """

    def __init__(self, run: Finished, space: Space, steps: int, share: float, seed: int, batch_size: int):
        self.run, self.space, self.steps, self.share, self.batch_size = run, space, steps, share, batch_size
        run.G.requires_grad_(False)
        self.D = run.gan.task.D.eval().requires_grad_(False)
        if share and not weighted(self.D):
            raise ValueError(
                "feature_share: this D has no layer with weights to take features from; give feature_share=0."
            )
        if share and isinstance(self.D, Packed):
            raise ValueError(
                "feature_share: this D judges packs of images, not one at a time; give feature_share=0."
            )
        label = torch.zeros(DRAWS, dtype=torch.long)
        here = moved(drawn(run.gan.task, range(DRAWS), label, mix(seed, "anogan")), run.G)
        with torch.no_grad():
            draws = space.free(space.points(here["latent"], here["label"]))  # (DRAWS, ...)
        self.kept, self.candidates = space.region(draws), space.candidates(draws)

    def __call__(self, images: Tensor) -> Scored:
        """(1 - lambda) sum |x - G(z)| + lambda sum |f(x) - f(G(z))| at the end of the search."""
        label = torch.zeros(len(images), dtype=torch.long)
        given = moved({"image": images, "label": label}, self.run.G)
        image, label = given["image"], given["label"]
        with torch.no_grad():
            wanted = self.features(image)
        points = nearest(self.space, self.candidates, images, label.cpu(), self.batch_size).requires_grad_()
        optimizer = torch.optim.Adam([points], lr=RATE)
        with torch.enable_grad():
            for _ in range(self.steps):
                optimizer.zero_grad()
                self.loss(self.space.paint(points, label), image, wanted).sum().backward()
                optimizer.step()
                with torch.no_grad():
                    points.copy_(self.kept(points))
        with torch.no_grad():
            made = self.space.paint(points, label)
            return Scored(self.loss(made, image, wanted), made)

    def loss(self, made: Tensor, image: Tensor, wanted: Tensor | None) -> Tensor:
        """(N,)."""
        residual = (image - made).abs().flatten(1).sum(1)
        seen = self.features(made)
        if wanted is None or seen is None:
            return residual
        return (1 - self.share) * residual + self.share * (wanted - seen).abs().flatten(1).sum(1)

    def features(self, image: Tensor) -> Tensor | None:
        """What reaches D's last layer with weights, (N, F)."""
        if not self.share:
            return None
        alone = any(isinstance(module, MINGLING) for module in self.D.modules())
        parts = image.split(1) if alone else [image]  # the features of an image depend on no other one
        return torch.cat([features_of(self.D, self.run.G, part) for part in parts])


def features_of(D: nn.Module, G: nn.Module, image: Tensor) -> Tensor:
    duel = Duel(G, D, image, image, image)
    verdict = named(D(image))
    return verdict[FEATURES] if FEATURES in verdict else features(duel, image)
