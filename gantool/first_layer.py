"""The matrix through which a latent enters a generator that has no styles: that of its first linear layer."""

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from gantool.duel import apply
from gantool.layers.equalized import EqualizedConv, EqualizedLinear
from gantool.tasks.task import moved

LINEAR = (nn.Linear, _ConvNd, EqualizedLinear, EqualizedConv)
CHECKS = 4  # random latents that tell whether the layer is linear in them


@torch.no_grad()
def first_matrix(G: nn.Module, latent: int, label: Tensor | None, batch_size: int) -> Tensor:
    """A of (A, Z), float64, with A z + b what the first linear layer that sees z makes of it.

    It is measured on the axes, at the distance sqrt(Z) at which a generator that normalises its latent leaves
    it as it is. So it does not matter how the layer is built and where in G it is.

    Args:
        G: the generator.
        latent: Z.
        label: that all these latents come with, (1, ...); None = G takes none.
        batch_size: latents of one pass.

    Raises ValueError where there is no such layer.
    """
    random = torch.randn(CHECKS, latent, generator=torch.Generator().manual_seed(0))
    axes = torch.eye(latent)
    probes = torch.cat([axes, -axes, random / random.norm(dim=1, keepdim=True)]) * latent**0.5
    parts: list[Tensor] = []
    for some in probes.split(batch_size):
        compared = torch.cat([torch.zeros(1, latent), some])
        batch = {"latent": compared}
        if label is not None:
            batch["label"] = label.repeat_interleave(len(compared), 0)
        parts.append(answers(G, moved(batch, G))[1:].double().cpu())
    plus, minus, checks = torch.cat(parts).split([latent, latent, CHECKS])  # (Z, A) twice, (CHECKS, A)
    matrix, bias = (plus - minus).T / (2 * latent**0.5), (plus + minus).mean(0) / 2
    expected = probes[-CHECKS:].double() @ matrix.T + bias
    if not torch.allclose(checks, expected, atol=1e-3 * float(checks.abs().max()), rtol=0):
        raise ValueError(
            "The first layer of this generator is not linear in the latent: it has no such directions."
        )
    return matrix


def answers(G: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """What the first linear layer whose input differs from latent to latent answers: (N, A)."""
    seen: list[Tensor] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        x = inputs[0]
        if not seen and len(x) == len(batch["latent"]) and bool((x != x[:1]).any()):
            seen.append(output.flatten(1))

    hooks = [module.register_forward_hook(look) for module in G.modules() if isinstance(module, LINEAR)]
    try:
        apply(G, batch["latent"], batch.get("label"))
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise ValueError("No linear layer of this generator sees its latent, so that it has no directions.")
    return seen[0]
