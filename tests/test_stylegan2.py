"""StyleGAN2: filters, modulated convolutions, networks, path lengths, and the straightforward form of all."""

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from small import composed
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, one_hot, pad

from gantool.duel import Duel
from gantool.layers.modulated import ModulatedConv, ToImage
from gantool.layers.resample import Taps, blur, downsample, upsample
from gantool.layers.styled import Styled
from gantool.layers.tapered import widths_of
from gantool.losses.path_length import PathLength, lengths
from gantool.losses.penalties import squared_slope
from gantool.models.dcgan import Generator as DCGAN
from gantool.models.stylegan2 import Discriminator, Generator
from gantool.summary import parameters

BINOMIAL, TENT = [1, 3, 3, 1], [1, 2, 1]
FILTERS: list[Taps] = [BINOMIAL, TENT, [1, 1], [1, 4, 6, 4, 1], torch.tensor([2.0, 1.0, 5.0])]
small = partial(Generator, latent=6, style=16, depth=2, width=4, channels=3, resolution=16)


def judge(residual: bool = True, classes: int = 0) -> Discriminator:
    return Discriminator(4, 3, resolution=16, residual=residual, classes=classes)


def loud(G: Generator) -> Generator:
    """With noise that is seen."""
    for layer in G.convs:
        nn.init.constant_(layer.strength, 0.5)  # pyright: ignore
    return G


# --- Filters -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taps", FILTERS[:2])
def test_filters_keep_a_constant_away_from_the_border(taps: Taps):
    x = torch.full((1, 2, 8, 10), 3.0)
    for y in (upsample(x, taps), downsample(x, taps), blur(x, taps), blur(x, taps, padding=2)):
        inside = y[:, :, 2:-2, 2:-2] if y.shape[2] > 4 else y[:, :, 1:-1, 1:-1]
        torch.testing.assert_close(inside, torch.full_like(inside, 3.0))


@pytest.mark.parametrize("taps", FILTERS)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_filters_are_zeros_between_pixels_then_a_sum_of_neighbours_then_every_other_pixel(
    taps: Taps, memory_format: torch.memory_format
):
    x = torch.randn(2, 3, 6, 8).contiguous(memory_format=memory_format)
    row = torch.as_tensor(taps, dtype=torch.float32) / sum(taps)
    size, kernel = len(row), (row[:, None] * row).expand(3, 1, -1, -1)
    before = (size - 1) // 2

    spread = torch.zeros(2, 3, 12, 16)
    spread[:, :, ::2, ::2] = x
    spread = pad(spread, (size // 2, before, size // 2, before))
    flipped = kernel.flip(2, 3)  # a pixel spreads the filter; a sum of neighbours gathers it
    torch.testing.assert_close(upsample(x, taps), 4 * conv2d(spread, flipped, groups=3))

    around = pad(x, (before, before, before, before))
    whole = conv2d(around, kernel, groups=3)
    torch.testing.assert_close(blur(x, taps), whole)
    torch.testing.assert_close(downsample(x, taps), whole[:, :, ::2, ::2])


def test_upsampling_by_1_3_3_1_is_bilinear_away_from_the_border():
    x = torch.randn(2, 3, 5, 7)
    bilinear = interpolate(x, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(upsample(x, BINOMIAL)[:, :, 1:-1, 1:-1], bilinear[:, :, 1:-1, 1:-1])


@pytest.mark.parametrize("taps", FILTERS)
def test_downsampling_is_a_quarter_of_the_adjoint_of_upsampling(taps: Taps):
    x, y = torch.randn(1, 2, 5, 3).double(), torch.randn(1, 2, 10, 6).double()
    torch.testing.assert_close((upsample(x, taps) * y).sum() / 4, (x * downsample(y, taps)).sum())


@pytest.mark.parametrize("taps", [BINOMIAL, TENT])
@pytest.mark.parametrize("resample", [upsample, downsample, blur, partial(blur, padding=2)])
@pytest.mark.parametrize("size", [(4, 6), (5, 3)])
def test_filters_are_twice_differentiable(
    resample: Callable[[Tensor, Taps], Tensor], taps: Taps, size: tuple[int, int]
):
    x = torch.randn(1, 2, *size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resample(x, taps), x)
    assert torch.autograd.gradgradcheck(lambda x: resample(x, taps), x)


def test_compiled_filters_are_the_same():
    def there_and_back(x: Tensor) -> Tensor:
        return upsample(blur(downsample(x, BINOMIAL), TENT), BINOMIAL)

    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    plain = there_and_back(x)
    compiled = torch.compile(there_and_back, backend="aot_eager")(x)
    torch.testing.assert_close(compiled, plain)
    slopes = [torch.autograd.grad(y.square().sum(), x)[0] for y in (plain, compiled)]
    torch.testing.assert_close(*slopes)


# --- Modulated convolutions --------------------------------------------------------------------------------


def filters(conv: ModulatedConv, style: Tensor) -> Tensor:
    """What the layer does to one lit pixel of each channel: (C, D, 5, 5)."""
    lit = one_hot(torch.arange(4), 4).float()[:, :, None, None]  # (C, C, 1, 1)
    return conv(pad(lit, (2, 2, 2, 2)), style.expand(4, -1))


def test_every_demodulated_filter_has_unit_norm():
    for _ in range(3):
        norms = filters(ModulatedConv(8, 4, 6), torch.randn(1, 8)).square().sum((0, 2, 3))
        torch.testing.assert_close(norms, torch.ones(6))


@pytest.mark.parametrize("up", [False, True])
def test_a_scaled_style_leaves_the_output_as_it_is(up: bool):
    conv = ModulatedConv(8, 4, 6, up)
    x, style = torch.randn(3, 4, 5, 5), torch.randn(3, 8)
    before = conv(x, style)
    with torch.no_grad():
        for parameter in conv.affine.parameters():
            parameter.mul_(7)
    torch.testing.assert_close(conv(x, style), before)


def test_the_style_of_an_image_is_not_demodulated():
    layer = ToImage(8, 4, 3)
    x, style = torch.randn(3, 4, 5, 5), torch.randn(3, 8)
    before = layer(x, style)
    with torch.no_grad():
        for parameter in layer.affine.parameters():
            parameter.mul_(7)
    torch.testing.assert_close(layer(x, style), 7 * before)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).parent.parent / "scripts" / "benchmark_stylegan2.py"
    spec = importlib.util.spec_from_file_location("benchmark_stylegan2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def value_and_slopes(compute: Callable[[], Tensor], module: nn.Module, *inputs: Tensor) -> list[Tensor]:
    y = compute()
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(0), dtype=y.dtype)
    return [y, *torch.autograd.grad((y * weights).sum(), [*inputs, *module.parameters()])]


@pytest.mark.parametrize("up", [False, True])
def test_scaled_inputs_and_outputs_are_scaled_weights(script: ModuleType, up: bool):
    conv = ModulatedConv(8, 4, 6, up, gain=1.5).double()
    x, style = torch.randn(3, 4, 5, 7).double().requires_grad_(), torch.randn(3, 8).double().requires_grad_()
    ours = value_and_slopes(lambda: conv(x, style), conv, x, style)
    plain = value_and_slopes(lambda: script.modulated(conv, x, style), conv, x, style)
    torch.testing.assert_close(ours, plain)


def test_an_image_by_one_product_is_an_image_by_weights_for_each_sample(script: ModuleType):
    layer = ToImage(8, 4, 3).double()
    x, style = torch.randn(3, 4, 5, 7).double().requires_grad_(), torch.randn(3, 8).double().requires_grad_()
    ours = value_and_slopes(lambda: layer(x, style), layer, x, style)
    plain = value_and_slopes(lambda: script.to_image(layer, x, style), layer, x, style)
    torch.testing.assert_close(ours, plain)


def test_the_benchmark_compares_two_forms_of_the_same_networks(script: ModuleType):
    G, D = loud(small()).double().eval(), judge().double()
    styles = torch.randn(4, G.layers, 16).double().requires_grad_()

    def slope_of_the_verdict() -> Tensor:
        image = G.paint(styles)
        return squared_slope(D(image), image)

    both = nn.ModuleList([G.convs, G.to_image, D.from_image, D.blocks])
    ours = value_and_slopes(slope_of_the_verdict, both, styles)
    with script.replaced(script.STRAIGHTFORWARD):
        plain = value_and_slopes(slope_of_the_verdict, both, styles)
    torch.testing.assert_close(ours, plain)


# --- Networks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "of_G", "of_D"),  # NVlabs/stylegan2-ada-pytorch
    [
        (["experiment=stylegan2_ffhq1024"], 30_370_060, 29_012_513),
        (["experiment=stylegan2_ffhq256"], 24_767_458, 24_001_089),
        (["experiment=stylegan2_ffhq256", "model.G.full=64"], 30_034_338, 28_864_129),
        (["experiment=stylegan2_folder64"], 22_243_608, 23_407_361),
        (["experiment=stylegan2_folder128"], 22_949_277, 23_882_369),
        (["experiment=stylegan2_cifar10"], 20_215_315, 23_089_664),
        (
            ["experiment=stylegan2_cifar10", "task.conditional=false", "model.G.classes=0"],
            19_947_539,
            20_720_641,
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_parameter_counts_are_the_published_ones(overrides: list[str], of_G: int, of_D: int):
    cfg = composed(*overrides, "+data.path=DIR", "data.classes=10")
    with torch.device("meta"):
        task = instantiate(cfg.task, _convert_="all")
    assert parameters(task.G) == of_G
    assert parameters(task.D) == of_D


def test_the_published_hyper_parameters_are_the_defaults():
    cfg = composed("model=stylegan2")
    r1, path_length = cfg.loss.D.r1, cfg.loss.G.path_length
    assert (r1.weight, r1.every) == (10.0, 16)
    assert (path_length.weight, path_length.every, path_length.shrink, path_length.decay) == (2.0, 4, 2, 0.01)
    assert (cfg.optimizer.lr, list(cfg.optimizer.betas)) == (2e-3, [0.0, 0.99])
    assert (cfg.batch_size, cfg.ema, cfg.model.G.depth, cfg.model.G.mixing) == (32, 10_000, 8, 0.9)

    cifar = composed("experiment=stylegan2_cifar10")
    assert (cifar.loss.D.r1.weight, cifar.loss.G, cifar.optimizer.lr) == (0.01, {}, 2.5e-3)
    assert (cifar.batch_size, cifar.model.D.group, cifar.model.D.residual) == (64, 32, False)
    assert "ada" in cfg.augment or "ada" in cifar.augment
    half_life = instantiate(cifar.ema)
    assert [half_life(images) for images in (0, 1_000_000, 20_000_000)] == [0, 50_000, 500_000]


def test_an_image_of_1024_pixels_takes_18_styles():
    with torch.device("meta"):
        G = Generator(8, 8, 2, 8, 3, resolution=1024)
    assert G.layers == 18
    assert [len(matrix) for matrix in G.affines()][:3] == [8, 16, 8]  # an image shares the next layer's style


@pytest.mark.parametrize("layer", range(6))
def test_a_style_reaches_the_image_through_its_matrix_alone(layer: int):
    G = small().eval()
    styles = torch.randn(2, G.layers, 16)
    image = G.paint(styles)
    matrix = G.affines()[layer]
    seen, unseen = matrix[0], torch.linalg.qr(matrix.T, mode="complete").Q[:, -1]
    for direction, same in ((unseen, True), (seen, False)):
        moved = styles.clone()
        moved[:, layer] += direction
        assert torch.allclose(G.paint(moved), image, atol=1e-5) == same


def test_noise_is_not_seen_at_first_and_later_for_each_sample_its_own():
    G = small(mixing=0.0)
    latent = torch.randn(1, 6).expand(2, -1)
    torch.testing.assert_close(G(latent)[0], G(latent)[1])
    image = loud(G)(latent)
    assert not torch.allclose(image[0], image[1], atol=1e-2)


def test_after_training_a_latent_has_one_image_that_comes_back_with_the_weights():
    G, other = loud(small()).eval(), small().eval()
    latent = torch.randn(2, 6)
    image = G(latent)
    torch.testing.assert_close(G(latent), image)
    other.load_state_dict(G.state_dict())
    torch.testing.assert_close(other(latent), image)


@pytest.mark.parametrize("resolution", [16, 28, [24, 40]])
@pytest.mark.parametrize("residual", [True, False])
def test_sizes_that_are_no_powers_of_two_have_their_own_constant(resolution: Any, residual: bool):
    G, D = small(resolution=resolution), Discriminator(4, 3, resolution, residual=residual)
    height, width = resolution if isinstance(resolution, list) else (resolution, resolution)
    image = G(torch.randn(3, 6))
    assert image.shape == (3, 3, height, width)
    assert G.constant.shape == (4, height // 4, width // 4)
    assert D(image).shape == (3,)


def test_a_label_changes_image_and_verdict():
    G, D = small(classes=3).eval(), judge(classes=3)
    z, image = torch.randn(1, 6), torch.randn(1, 3, 16, 16)
    one, two = torch.tensor([1]), torch.tensor([2])
    assert not torch.allclose(G(z, one), G(z, two))
    assert not torch.allclose(D(image, one), D(image, two))


def test_labels_that_are_missing_or_unknown_are_refused():
    image, label = torch.randn(2, 3, 16, 16), torch.tensor([0, 1])
    with pytest.raises(ValueError, match="label"):
        judge()(image, label)
    with pytest.raises(ValueError, match="label"):
        judge(classes=3)(image)
    with pytest.raises(ValueError, match="label"):
        small(classes=3)(torch.randn(2, 6))


def test_channels_halve_with_each_doubling_above_the_full_width():
    sizes = (4, 4), 9
    assert widths_of(512, None, *sizes, full=64) == [512, 512, 512, 512, 512, 256, 128, 64, 32]
    assert widths_of(512, None, *sizes, full=32) == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert widths_of(2, None, *sizes, full=32) == [2, 2, 2, 2, 1, 1, 1, 1, 1]
    assert widths_of(512, None, (7, 7), 4, full=32) == [512, 512, 512, 256]
    assert widths_of(512, [8, 4], (4, 4), 2, full=32) == [8, 4]


def test_widths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="4x4, 8x8, 16x16"):
        small(widths=[8, 4])
    with pytest.raises(ValueError, match="full=48: give a power of two"):
        small(full=48)


# --- Path lengths ------------------------------------------------------------------------------------------


class Linear(Styled):
    """x = A w."""

    def __init__(self, width: int, size: tuple[int, int, int]):
        super().__init__(nn.Identity(), width, layers=1, mixing=0.0)
        self.size = size
        self.matrix = nn.Parameter(torch.randn(size[0] * size[1] * size[2], width))

    def paint(self, styles: Tensor) -> Tensor:
        return (styles[:, 0] @ self.matrix.T).unflatten(1, self.size)

    def affines(self) -> list[Tensor]:
        return [self.matrix]


def duel_of(G: nn.Module, count: int, condition: Tensor | None = None) -> Duel:
    latent, image = torch.randn(count, 6), torch.zeros(count, 3, 16, 16)
    return Duel(G, nn.Identity(), latent, image, image, condition, key=torch.arange(count))


def test_the_mean_square_path_length_of_a_linear_generator_is_its_squared_norm_per_pixel():
    """E |A^T y|^2 = |A|_F^2 / (H W) for y ~ N(0, 1) / sqrt(H W)."""
    G = Linear(6, (3, 2, 4))
    length = lengths(G, torch.randn(20_000, 6), None, torch.arange(20_000))
    expected = G.matrix.square().sum() / (2 * 4)
    torch.testing.assert_close(length.square().mean(), expected, rtol=0.03, atol=0)


def test_the_mean_path_length_starts_at_zero_and_moves_by_a_hundredth_after_each_step():
    G, term = Linear(6, (3, 16, 16)), PathLength(shrink=2, decay=0.01)
    duel = duel_of(G, 8)
    length = lengths(G, duel.source[:4], None, duel.seeds[:4])
    torch.testing.assert_close(term(duel), length.square().mean())
    term.settle()
    mean = length.mean() * 0.01
    torch.testing.assert_close(term.average, mean)
    torch.testing.assert_close(term(duel), (length - mean).square().mean())
    term.settle()
    torch.testing.assert_close(term.average, mean + 0.01 * (length.mean() - mean))
    before = term.average.clone()
    term.settle()  # after a step in which the term was not due
    torch.testing.assert_close(term.average, before)


def test_path_lengths_that_all_equal_the_mean_cost_nothing():
    G, term = Linear(1, (3, 16, 16)), PathLength(shrink=1)
    nn.init.zeros_(G.matrix)
    with torch.no_grad():
        G.matrix[0] = 16.0  # |A^T y| = |y_0 16|, of one sample
    duel = duel_of(G, 1)
    duel.source = duel.source[:, :1]
    term.average.copy_(lengths(G, duel.source, None, duel.seeds)[0].detach())
    assert term(duel).item() == 0


@pytest.mark.parametrize("classes", [0, 3])
def test_path_lengths_move_every_weight_on_the_way_from_style_to_image(classes: int):
    G = small(classes=classes)
    label = torch.tensor([0, 1, 2, 0]) if classes else None
    PathLength()(duel_of(G, 4, label)).backward()
    for name, parameter in G.named_parameters():
        if parameter.ndim > 1:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name


def test_path_lengths_go_past_torch_compile():
    def refuse(*_: Any) -> Any:
        raise AssertionError("compiled")

    G = small()
    G.compile(backend=refuse)
    assert PathLength()(duel_of(G, 2)).isfinite()


def test_a_generator_without_styles_has_no_path_lengths():
    task = composed("model=stylegan2", "data=synthetic", "data.width=2").task
    PathLength().check("G.path_length", instantiate(task, _convert_="all"))
    plain: Any = nn.Module()
    plain.G = DCGAN(4, 4, 3, 16)
    with pytest.raises(ValueError, match=r"loss.G.path_length needs a G with styles.*'~loss.G.path_length'"):
        PathLength().check("G.path_length", plain)


@pytest.mark.parametrize("wrong", [{"shrink": 0}, {"decay": 0.0}, {"decay": 1.5}])
def test_wrong_settings_of_path_lengths_are_refused(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match="the paper's are 2 and 0.01"):
        PathLength(**wrong)


# --- Export ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [0, 3])
def test_a_generator_exported_to_onnx_makes_the_same_images_for_any_batch(classes: int, tmp_path: Path):
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name, reason="torch.onnx.export needs onnx and onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime runs what was exported")
    G = loud(small(classes=classes)).eval()

    def inputs(count: int) -> tuple[Tensor, ...]:
        return (torch.randn(count, 6), *([torch.arange(count) % classes] if classes else []))

    shapes = tuple({0: torch.export.Dim.DYNAMIC} for _ in inputs(2))
    program = torch.onnx.export(G, inputs(2), dynamo=True, dynamic_shapes=shapes, verbose=False)
    assert program is not None
    program.save(str(tmp_path / "G.onnx"))
    session = onnxruntime.InferenceSession(tmp_path / "G.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 3):
        given = inputs(count)
        names = [entry.name for entry in session.get_inputs()]
        [image] = session.run(None, {name: x.numpy() for name, x in zip(names, given, strict=True)})
        torch.testing.assert_close(torch.from_numpy(image), G(*given), rtol=1e-4, atol=1e-4)
