"""Networks on curves: the source's layers, scales from the training chains, bands that keep their constraints."""

import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from weiss.errors import UserError
from weiss.learn.curves.form import COEFFICIENTS, Band, bounds, form
from weiss.learn.curves.networks import build
from weiss.learn.curves.networks.base import Shapes
from weiss.learn.curves.networks.curve_cnn import Features
from weiss.learn.curves.networks.names import KINDS

GAP, X_IDEAL = 0.213, 5.24
PARAMETERS = [name for name, kind in KINDS.items() if kind.answers is None]
BANDS = [name for name, kind in KINDS.items() if kind.band]


@pytest.fixture(autouse=True)
def one_thread():
    """Small arrays are fastest on one thread, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def band(length: int) -> Band:
    """An ideal band over the k-grid of as many sites, ascending from the zone boundary."""
    ka = np.fft.fftshift(2 * np.pi * np.fft.fftfreq(length))
    return Band(GAP, X_IDEAL, tuple(ka.tolist()))


def network(name: str, length: int = 64, **options):
    kind = KINDS[name]
    shapes = Shapes(len(kind.curves), length, len(kind.numbers), 0 if kind.answers else 2)
    return build(name, shapes, band=band(length) if kind.band else None, **options)


def chains(name: str, n: int = 32, length: int = 64) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Curves (THz, or m_z), numbers (m) and what a network should answer, of `n` invented chains."""
    random, kind = np.random.default_rng(0), KINDS[name]
    sigma, tau = random.uniform(5e-9, 100e-9, n), random.uniform(0, 20e-9, n)
    share = (sigma / (sigma + tau))[:, None]
    ka, x = np.array(band(length).ka), np.linspace(-10e-9, 10e-9, length)
    width = 2e-9 + 0.02 * sigma
    variables = {
        "ridge_THz": GAP + X_IDEAL * share * (1 - np.cos(ka)),
        "mz": np.tanh((x - 0.1 * tau[:, None]) / width[:, None]),
        "width_m": width,
        "sigma": sigma,
        "tau": tau,
    }
    if kind.answers is None:
        # The height of a band tells τ/σ alone; this dent tells τ.
        variables["ridge_THz"] -= 5e7 * tau[:, None] * np.exp(-10 * (np.abs(ka) - 2) ** 2)
    curves = np.zeros((n, 0, length)) if not kind.curves else np.stack([variables[v] for v in kind.curves], 1)
    numbers = np.zeros((n, 0)) if not kind.numbers else np.stack([variables[v] for v in kind.numbers], 1)
    answer = variables[kind.answers] if kind.answers else np.stack([sigma, tau], 1) / 1e-8
    return tuple(torch.tensor(values, dtype=torch.float32) for values in (curves, numbers, answer))


def fitted(name: str, length: int = 64, **options):
    """A network that knows the scales of the chains it comes with."""
    made, given_chains = network(name, length, **options), chains(name, length=length)
    made.fit_scales(*given_chains)
    return made, given_chains


def test_the_table_of_names_is_what_the_modules_build():
    for name, kind in KINDS.items():
        assert name in import_module(f"weiss.learn.curves.networks.{kind.module}").BUILDERS
        assert kind.band == (kind.answers is not None)


def test_names_need_no_torch():
    code = "import sys; from weiss.learn.curves.networks.names import KINDS; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("length", [64, 500])
@pytest.mark.parametrize("name", KINDS)
def test_answers_have_their_shape(name, length):
    made, (curves, numbers, answer) = fitted(name, length)
    for mode in (made.train(), made.eval()):
        with torch.no_grad():
            found = mode(curves[:3], numbers[:3])
        assert found.shape == answer[:3].shape and found.dtype == torch.float32
        assert torch.isfinite(found).all()


@pytest.mark.parametrize(
    ("name", "channels", "dense"),
    [
        ("curve_cnn", 1, [(512, 512), (512, 256), (256, 64), (64, 2)]),
        ("tfc", 3, [(512, 512), (512, 256), (256, 64), (64, 6)]),
        ("tfc_echo", 3, [(512, 512), (512, 256), (256, 64), (64, 6)]),
        ("two_branch", 1, [(1, 32), (32, 32), (544, 512), (512, 256), (256, 64), (64, 2)]),
    ],
)
def test_layers_are_those_of_the_source(name, channels, dense):
    made = network(name, 500, dropout=0.3)
    convolutions = [layer for layer in made.modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions] == [
        (channels, 64),
        (64, 128),
        (128, 256),
        (256, 128),
    ]
    assert [layer.kernel_size for layer in convolutions] == [(1, 5), (1, 5), (1, 3), (1, 3)]
    assert [layer.padding for layer in convolutions] == [(0, 2), (0, 2), (0, 1), (0, 1)]
    assert [layer.kernel_size for layer in made.modules() if isinstance(layer, nn.MaxPool2d)] == [(1, 2)] * 3
    assert [layer.num_features for layer in made.modules() if isinstance(layer, nn.BatchNorm2d)] == [64, 128, 256, 128]
    linear = [layer for layer in made.modules() if isinstance(layer, nn.Linear)]
    assert sorted((layer.in_features, layer.out_features) for layer in linear) == sorted(dense)
    assert [layer.p for layer in made.modules() if isinstance(layer, nn.Dropout)] == [0.3] * 3
    assert made.features(torch.zeros(2, channels, 500)).shape == (2, 512)


@pytest.mark.parametrize("length", [8, 37, 64, 500])
def test_features_are_the_plain_layers_in_their_plain_order(length):
    torch.manual_seed(1)
    ours = Features(2, length).double()
    layers: list[nn.Module] = []
    for number, (width_in, width, kernel) in enumerate([(2, 64, 5), (64, 128, 5), (128, 256, 3), (256, 128, 3)], 1):
        convolution = nn.Conv1d(width_in, width, kernel, padding="same", bias=False, dtype=torch.float64)
        norm = nn.BatchNorm1d(width, dtype=torch.float64)
        own = ours.blocks.get_submodule(f"norm{number}")
        with torch.no_grad():
            convolution.weight.copy_(ours.blocks.get_submodule(f"conv{number}").weight[:, :, 0])
            # Offsets and factors of either sign, so that the order of normalising and pooling would show.
            norm.weight.copy_(own.weight.normal_())
            norm.bias.copy_(own.bias.normal_())
        layers += [convolution, norm, nn.ReLU()] + [nn.MaxPool1d(2)] * (number <= 3)
    plain = nn.Sequential(*layers, nn.AdaptiveAvgPool1d(4), nn.Flatten())
    curves = torch.randn(5, 2, length, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(5, 512, dtype=torch.float64)
    gradients = []
    for each in (ours, plain):
        found = each(curves)
        gradients.append(
            [
                gradient.flatten()
                for gradient in torch.autograd.grad((found * weights).sum(), [curves, *each.parameters()])
            ]
        )
    torch.testing.assert_close(ours(curves), plain(curves))
    torch.testing.assert_close(*gradients, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(ours.eval()(curves), plain.eval()(curves))


def test_initial_weights_come_from_the_seed_and_leave_the_global_state_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, again, other = (network("two_branch", seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    for name in ("features.blocks.conv3.weight", "branch.0.weight", "dense.0.weight"):
        assert not torch.equal(first[name], other[name])


@pytest.mark.parametrize("name", KINDS)
def test_a_prediction_does_not_depend_on_the_chains_beside_it(name):
    made, (curves, numbers, _) = fitted(name)
    made(curves, numbers)
    made.eval()
    with torch.inference_mode():
        together = made(curves, numbers)
        alone = torch.cat([made(curves[i : i + 1], numbers[i : i + 1]) for i in range(len(curves))])
        again = made(curves, numbers)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    assert torch.equal(together, again)
    assert together.std(0).max() > 0


def test_scales_are_the_statistics_of_the_chains_in_double_precision():
    made = network("two_branch")
    curves, numbers, targets = chains("two_branch")
    # Their squares are none in single precision.
    numbers = numbers * 1e-15
    made.fit_scales(curves, numbers, targets)
    profiles, widths, parameters = (values.numpy().astype(np.float64) for values in (curves, numbers, targets))
    deviation = profiles - profiles.mean(0)
    close = {"rtol": 1e-6, "atol": 0}
    np.testing.assert_allclose(made.curve_mean, profiles.mean(0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(made.curve_scale, [[np.sqrt((deviation**2).mean())]], **close)
    np.testing.assert_allclose(made.number_mean, widths.mean(0), **close)
    np.testing.assert_allclose(made.number_scale, widths.std(0), **close)
    np.testing.assert_allclose(made.target_mean, parameters.mean(0), **close)
    np.testing.assert_allclose(made.target_scale, parameters.std(0), **close)
    entered = made.enter_numbers(numbers)
    assert abs(float(entered.mean())) < 1e-3 and abs(float(entered.std(correction=0)) - 1) < 1e-3
    entered = made.enter_curves(curves)
    assert float(entered.mean(0).abs().max()) < 1e-5 and abs(float(entered.square().mean()) - 1) < 1e-5


def test_each_channel_has_its_own_scale():
    made = build("curve_cnn", Shapes(1, 64, 0, 2))
    made.fit_scales(torch.randn(50, 1, 64) * torch.linspace(0.1, 10, 64), torch.zeros(50, 0), torch.zeros(50, 2))
    assert made.curve_scale.shape == (1, 1) and made.curve_mean.shape == (1, 64)
    assert float(made.enter_curves(torch.ones(1, 1, 64)).std()) < 1  # the form of a curve is not divided away


def test_parameters_leave_by_the_targets_scales():
    made, (curves, numbers, targets) = fitted("curve_cnn")
    with torch.no_grad():
        made.dense[-1].weight.zero_()
        made.dense[-1].bias.copy_(torch.tensor([0.0, 1.0]))
    expected = [targets[:, 0].mean(), targets[:, 1].mean() + targets[:, 1].std(correction=0)]
    np.testing.assert_allclose(made.eval()(curves[:1], numbers[:1])[0].detach(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_constant_is_not_divided_by_zero(name):
    made, (curves, numbers, targets) = network(name), chains(name)
    same = [values[:1].expand(7, *values.shape[1:]) for values in (curves, numbers, targets)]
    made.fit_scales(*same)
    assert (made.curve_scale == 1).all() and (made.number_scale == 1).all() and (made.target_scale == 1).all()
    # A mean of equal numbers may differ from them in its last digit; that is no signal.
    assert float(made.enter_numbers(same[1]).abs().sum()) < 1e-9
    found = made(same[0], same[1])
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_training_chain_without_a_result_is_refused(bad):
    curves, numbers, targets = chains("two_branch")
    curves[3, 0, 5] = bad
    with pytest.raises(UserError, match="not a finite number"):
        network("two_branch").fit_scales(curves, numbers, targets)
    with pytest.raises(UserError, match="no training chains"):
        network("two_branch").fit_scales(curves[:0], numbers[:0], targets[:0])


@pytest.mark.parametrize("name", KINDS)
def test_a_saved_network_is_the_same_network(name, tmp_path):
    made, (curves, numbers, _) = fitted(name, seed=3)
    made(curves, numbers)
    torch.save(made.state_dict(), tmp_path / "best.pt")
    fresh = network(name, seed=4)
    fresh.load_state_dict(torch.load(tmp_path / "best.pt", weights_only=True), strict=True)
    with torch.inference_mode():
        assert torch.equal(fresh.eval()(curves, numbers), made.eval()(curves, numbers))


@pytest.mark.parametrize("name", KINDS)
def test_every_parameter_gets_a_gradient(name):
    made, (curves, numbers, answer) = fitted(name, dropout=0.0)
    nn.functional.mse_loss(made(curves, numbers), answer).backward()
    for label, parameter in made.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), label
        assert float(parameter.grad.abs().sum()) > 0, label


@pytest.mark.parametrize("name", KINDS)
def test_the_same_steps_give_the_same_weights(name):
    ends = []
    for _ in range(2):
        made, (curves, numbers, answer) = fitted(name)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(5)
            optimiser = torch.optim.Adam(made.parameters(), lr=1e-3)
            for _ in range(2):
                optimiser.zero_grad()
                nn.functional.mse_loss(made(curves, numbers), answer).backward()
                optimiser.step()
        ends.append(made.state_dict())
    assert all(torch.equal(ends[0][label], ends[1][label]) for label in ends[0])


@pytest.mark.parametrize("name", KINDS)
def test_a_network_learns_a_few_chains_by_heart(name):
    made, (curves, numbers, answer) = fitted(name, dropout=0.0)
    spread = float((answer - answer.mean(0)).square().mean())
    optimiser = torch.optim.Adam(made.parameters(), lr=1e-3)
    for step in range(100):
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * 0.97**step
        optimiser.zero_grad()
        nn.functional.mse_loss(made(curves, numbers), answer).backward()
        optimiser.step()
    with torch.inference_mode():
        left = float((made.eval()(curves, numbers) - answer).square().mean())
    assert left < 0.05 * spread


# Bands


def randomised(name: str, scale: float, seed: int, length: int = 64):
    """A network whose weights, offsets and running statistics are all random numbers of a size."""
    made = network(name, length)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return made.eval()


def formula(coefficients: np.ndarray, ka: np.ndarray) -> np.ndarray:
    """Eq. 8, term by term."""
    omega = GAP + coefficients[:, :1] * (1 - np.cos(ka))
    for n in range(1, 6):
        omega = omega + coefficients[:, n : n + 1] * np.abs(ka / np.pi) ** (n + 1)
    return omega


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(BANDS),
    weights=st.floats(-3, 6),
    seed=st.integers(0, 2**31),
    values=st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=4, max_size=4),
    fit=st.booleans(),
)
@example(name="tfc", weights=6, seed=0, values=[3e38, -3e38, 1e-9, 0.0], fit=True)
@example(name="tfc_echo", weights=6, seed=1, values=[1e30, 1e30, 1e30, -1e30], fit=False)
@example(name="tfc", weights=-3, seed=2, values=[1e-9, 1e-9, 2e-9, 0.0], fit=True)
def test_a_band_keeps_its_constraints_whatever_the_weights(name, weights, seed, values, fit):
    length = 64
    made = randomised(name, 10**weights, seed, length)
    if fit:
        made.fit_scales(*chains(name))
    channels = made.shapes.channels
    curves = torch.tensor(values[:2]).view(2, 1, 1).expand(2, channels, length)
    with torch.inference_mode():
        numbers = torch.tensor(values).view(2, 2)
        coefficients = made.coefficients(curves, numbers)
        omega = made(curves, numbers)
    ka = np.array(band(length).ka)
    centre = int(np.flatnonzero(ka == 0)[0])
    exact = coefficients.numpy().astype(np.float64)
    assert torch.isfinite(omega).all()
    assert (omega[:, centre] == np.float32(GAP)).all()
    assert (exact[:, 0] >= 0).all() and (exact[:, 0] <= 1.05 * X_IDEAL).all()
    assert (np.abs(exact[:, 1:]) <= 0.1).all()
    np.testing.assert_allclose(omega, formula(exact, ka), rtol=0, atol=3e-6)
    # The first place is the zone boundary, which has no mirror image on the grid.
    np.testing.assert_allclose(omega[:, 1:], omega[:, 1:].flip(1), rtol=0, atol=1e-6)


def test_a_band_starts_as_the_square_of_k():
    ka = (-1e-2, -1e-3, -1e-4, -1e-5, 0.0, 1e-5, 1e-4, 1e-3)
    made = build("tfc", Shapes(0, len(ka), 2, 0), band=Band(0.0, X_IDEAL, ka)).eval()
    coefficients = torch.tensor([[4.0, 0.1, -0.1, 0.1, -0.1, 0.1], [0.0, 0.1, 0.1, 0.1, 0.1, 0.1]])
    rise = made.curve(coefficients).numpy().astype(np.float64)
    expected = coefficients.numpy()[:, 0] / 2 + coefficients.numpy()[:, 1] / np.pi**2
    for place in (1, 2, 3, 5, 6, 7):
        # A linear term, however small, would win at the smallest k.
        np.testing.assert_allclose(rise[:, place] / ka[place] ** 2, expected, rtol=1e-3)
    assert (rise[:, 4] == 0).all()


def test_coefficients_can_reach_their_bounds():
    made = network("tfc").eval()
    with torch.no_grad():
        made.dense[-1].bias.copy_(torch.tensor([50.0, 50, -50, 50, -50, 50]))
        high = made.coefficients(torch.zeros(1, 0, 64), torch.zeros(1, 2))[0]
        made.dense[-1].bias.copy_(torch.tensor([-200.0, 0, 0, 0, 0, 0]))
        low = made.coefficients(torch.zeros(1, 0, 64), torch.zeros(1, 2))[0]
    np.testing.assert_allclose(high, [1.05 * X_IDEAL, 0.1, -0.1, 0.1, -0.1, 0.1], rtol=1e-6)
    assert float(low[0]) == 0
    assert len(high) == len(COEFFICIENTS)


@pytest.mark.parametrize("length", [64, 37])
@pytest.mark.parametrize("name", BANDS)
def test_curve_and_bounds_are_those_of_the_form(name, length):
    made, own = network(name, length).eval(), band(length)
    lower, upper = bounds(own)
    values = np.random.default_rng(0).uniform(lower, upper, (20, len(COEFFICIENTS)))
    answered = made.curve(torch.tensor(values, dtype=torch.float32))
    np.testing.assert_allclose(answered, form(values, own), rtol=0, atol=3e-6)
    with torch.no_grad():
        for end, sign in ((lower, -1), (upper, 1)):
            made.dense[-1].bias.fill_(200.0 * sign)
            reached = made.coefficients(torch.zeros(1, made.shapes.channels, length), torch.zeros(1, 2))[0].double()
            np.testing.assert_allclose(reached, end, rtol=2e-7, atol=1e-30)
            assert (lower <= reached.numpy()).all() and (reached.numpy() <= upper).all()


def test_a_loss_that_is_no_number_is_not_hidden_while_learning():
    made = network("tfc")
    with torch.no_grad():
        made.dense[0].weight.fill_(np.nan)
    assert made(torch.zeros(2, 0, 64), torch.zeros(2, 2)).isnan().all()


def test_tfc_reads_the_ideal_band_and_echo_the_chain():
    plain, echo = (fitted(name)[0].eval() for name in ("tfc", "tfc_echo"))
    curves, numbers, _ = chains("tfc_echo")
    other = curves + torch.linspace(0, 1, 64)
    with torch.inference_mode():
        assert not torch.equal(echo(curves, numbers), echo(other, numbers))
        assert not torch.equal(plain(curves[:, :0], numbers), plain(curves[:, :0], 2 * numbers))
        read = plain._channels(curves[:, :0], numbers)
    assert read.shape == (32, 3, 64)
    np.testing.assert_allclose(read[5, 0], -np.cos(band(64).ka), atol=1e-6)
    assert (read[:, 1:] == read[:, 1:, :1]).all() and (read[:, 1].std(0) > 0.9).all()


# Mistakes


def test_unknown_network_names_the_known_ones():
    with pytest.raises(UserError, match=r"unknown network 'vgg'.*curve_cnn, tfc"):
        build("vgg", Shapes(1, 64, 0, 2))


def test_a_network_is_not_built_for_what_it_does_not_read():
    with pytest.raises(
        UserError, match=r"'two_branch' reads 1 curves and 1 numbers, not 1 and 0; it reads mz, width_m"
    ):
        build("two_branch", Shapes(1, 64, 0, 2))
    with pytest.raises(UserError, match="a curve of 7 places is too short"):
        build("curve_cnn", Shapes(1, 7, 0, 2))


@pytest.mark.parametrize("found", [None, band(32)])
def test_a_band_network_needs_a_band_of_the_curves_length(found):
    with pytest.raises(UserError, match=r"needs an ideal band of 64 places, and has (none|one of 32)"):
        build("tfc", Shapes(0, 64, 2, 0), band=found)
