"""The zoo: sizes, gradients, seeded weights, weights files."""

import hashlib
import re
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from weiss.errors import UserError
from weiss.learn.networks import build, weights_file
from weiss.learn.networks.names import IMAGENET, MODULES, NAMES, WITH_IMAGENET_WEIGHTS

# Parameters of the 1000-class networks as torchvision documents them, and the features entering their last layer.
DOCUMENTED = {
    "reg": (54_278_536, 2048),
    "mob": (5_483_032, 1280),
    "eff": (12_233_232, 1536),
    "mna": (4_383_312, 1280),
    "res": (25_028_904, 2048),
}
MAKERS = {
    "reg": models.regnet_x_16gf,
    "mob": models.mobilenet_v3_large,
    "eff": models.efficientnet_b3,
    "mna": models.mnasnet1_0,
    "res": models.resnext50_32x4d,
}


@pytest.fixture(autouse=True)
def one_thread():
    """Small arrays are fastest on one thread, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def mob_state() -> dict[str, torch.Tensor]:
    """A full state dict of the 1000-class MobileNetV3, as torchvision would publish it."""
    return models.mobilenet_v3_large(weights=None).state_dict()


def test_mod_has_the_size_and_shape_of_the_source():
    mod = build("mod", 2)
    convolutions = [module for module in mod.modules() if isinstance(module, nn.Conv2d)]
    assert abs(parameters(mod) - 16_000) <= 0.02 * 16_000
    assert len(convolutions) == 7
    assert max(module.out_channels for module in convolutions) == 36
    assert all(module.kernel_size == (3, 3) for module in convolutions)


def test_one_output_cell_of_mod_sees_59_pixels():
    features = build("mod", 2).net.features.eval()
    image = torch.zeros(1, 1, 192, 192, requires_grad=True)
    # With batch statistics at their start and positive weights, every pixel in reach has a positive share.
    with torch.no_grad():
        for parameter in features.parameters():
            parameter.fill_(1e-2)
    features(image + 1)[0, :, 12, 12].sum().backward()
    seen = image.grad[0, 0].nonzero()
    assert (seen.max(dim=0).values - seen.min(dim=0).values + 1).tolist() == [59, 59]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_torchvision_networks_run_and_differ_from_the_documented_size_by_the_last_layer_only(name):
    documented, features = DOCUMENTED[name]
    network = build(name, 2).eval()
    assert parameters(network) == documented - 1000 * (features + 1) + 2 * (features + 1)
    assert f"{parameters(network):,}" in (Path(__file__).parents[2] / "docs" / "learning.md").read_text()
    with torch.inference_mode():
        assert network(torch.ones(2, 32, 32)).shape == (2, 2)


@pytest.mark.parametrize("name", ["mod", "mob", "mna"])
@pytest.mark.parametrize("n_targets", [1, 3])
def test_every_parameter_gets_a_gradient(name, n_targets):
    network = build(name, n_targets).train()
    output = network(torch.randn(4, 64, 64, generator=torch.Generator().manual_seed(0)).sign())
    assert output.shape == (4, n_targets)
    output.square().sum().backward()
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), label
    assert float(network.net.get_parameter(f"{network.head}.weight").grad.abs().sum()) > 0
    first = next(network.parameters())
    assert float(first.grad.abs().sum()) > 0


def test_the_table_of_names_is_what_the_modules_build():
    from importlib import import_module

    built = {
        name for module in set(MODULES.values()) for name in import_module(f"weiss.learn.networks.{module}").BUILDERS
    }
    assert built == set(NAMES)


def test_names_need_no_torch():
    import subprocess
    import sys

    code = (
        "import sys, weiss.learn, weiss.learn.networks.names as n; assert 'torch' not in sys.modules; print(n.NAMES[0])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "mod\n"


def test_initial_weights_come_from_the_seed_and_leave_the_global_state_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, again, other = (build("mod", 2, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["net.features.conv4.weight"], other["net.features.conv4.weight"])


def test_unknown_network_names_the_known_ones():
    with pytest.raises(UserError, match=r"unknown network 'vgg'.*mod, reg"):
        build("vgg", 2)


def test_weights_fill_everything_but_the_head(tmp_path, mob_state):
    torch.save(mob_state, tmp_path / "mob.pth")
    fresh, loaded = build("mob", 2, seed=3), build("mob", 2, seed=3, weights=tmp_path / "mob.pth")
    assert torch.equal(loaded.net.features[0][0].weight, mob_state["features.0.0.weight"])
    assert not torch.equal(fresh.net.features[0][0].weight, mob_state["features.0.0.weight"])
    assert torch.equal(fresh.net.classifier[3].weight, loaded.net.classifier[3].weight)


def test_weights_of_another_network_are_refused_in_one_line(tmp_path, mob_state):
    torch.save(mob_state, tmp_path / "mob.pth")
    with pytest.raises(UserError, match="of another network: Missing key") as caught:
        build("res", 2, weights=tmp_path / "mob.pth")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_weights_of_mnasnet_keep_the_version_that_its_loader_asks_for(tmp_path):
    saved = models.mnasnet1_0(weights=None).state_dict()
    torch.save(saved, tmp_path / "mna.pth")
    loaded = build("mna", 2, weights=tmp_path / "mna.pth")
    assert torch.equal(loaded.net.layers[0].weight, saved["layers.0.weight"])


def test_weights_that_lack_a_layer_are_refused(tmp_path, mob_state):
    lacking = {name: value for name, value in mob_state.items() if name != "features.3.block.0.0.weight"}
    torch.save(lacking, tmp_path / "mob.pth")
    with pytest.raises(UserError, match=re.escape("features.3.block.0.0.weight")):
        build("mob", 2, weights=tmp_path / "mob.pth")


def test_a_missing_weights_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no such weights file") as caught:
        build("mob", 2, weights=tmp_path / "none.pth")
    assert str(tmp_path / "none.pth") in str(caught.value) and "\n" not in str(caught.value)


class Payload:
    """Would run code if it were unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


@pytest.mark.parametrize("inside", ["plain pickle", "torch file"])
def test_code_in_a_weights_file_never_runs(tmp_path, inside):
    import pickle

    payload, file = Payload(), tmp_path / "evil.pth"
    payload.path = str(tmp_path / "ran")
    if inside == "plain pickle":
        file.write_bytes(pickle.dumps({"state_dict": payload}, protocol=2))
    else:
        torch.save({"state_dict": payload}, file)
    with pytest.raises(UserError, match="never pickled code"):
        build("mod", 2, weights=file)
    assert not (tmp_path / "ran").exists()


def publish(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, state: dict[str, torch.Tensor]) -> Path:
    """Save a state dict under a name that ends in its checksum, and let the table of published files name it."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "saved")
    with open(folder / "saved", "rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    path = (folder / "saved").rename(folder / f"{name}-{checksum}.pth")
    monkeypatch.setitem(IMAGENET, name, f"https://example.org/models/{path.name}")
    return path


@pytest.mark.parametrize("name", DOCUMENTED)
def test_published_weights_fill_everything_but_the_head(tmp_path, monkeypatch, name):
    torch.manual_seed(0)
    published = MAKERS[name](weights=None).state_dict()
    path = publish(tmp_path, monkeypatch, name, published)
    fresh, network = build(name, 2, seed=3), build(name, 2, seed=3, weights="pretrained", folder=tmp_path)
    path.unlink()  # up to 200 MB
    loaded, own = network.net.state_dict(), fresh.net.state_dict()
    head = {f"{network.head}.weight", f"{network.head}.bias"}
    assert loaded.keys() == published.keys() and head < loaded.keys()
    for key, value in loaded.items():
        assert torch.equal(value, own[key] if key in head else published[key]), key
    assert any(not torch.equal(own[key], published[key]) for key in published.keys() - head)


def test_published_weights_without_counters_of_batches_load_as_in_torchvision(tmp_path, monkeypatch, mob_state):
    # Files of torch before 0.4.1 lack them; the versions kept beside the state dict say so.
    old = OrderedDict((key, value) for key, value in mob_state.items() if not key.endswith("num_batches_tracked"))
    old._metadata = OrderedDict((key, {"version": 1}) for key in mob_state._metadata)
    publish(tmp_path, monkeypatch, "mob", old)
    loaded = build("mob", 2, weights="pretrained", folder=tmp_path)
    assert torch.equal(loaded.net.features[0][0].weight, mob_state["features.0.0.weight"])


def test_published_weights_are_looked_for_in_the_cache_and_never_downloaded(tmp_path, monkeypatch, mob_state):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub" / "checkpoints" / "mobilenet_v3_large-8738ca79.pth"
    with pytest.raises(UserError, match=r"no such weights file; run `weiss weights STUDY --fetch`") as caught:
        weights_file("mob", "pretrained")
    assert str(place) in str(caught.value) and "https://download.pytorch.org/models/mobilenet" in str(caught.value)
    path = publish(place.parent, monkeypatch, "mob", mob_state)
    assert weights_file("mob", "pretrained") == path
    loaded = build("mob", 2, weights="pretrained")
    assert torch.equal(loaded.net.features[0][0].weight, mob_state["features.0.0.weight"])
    with pytest.raises(UserError, match="no such weights file"):
        weights_file("mob", "pretrained", tmp_path / "another folder")


def test_damaged_published_weights_are_refused(tmp_path, monkeypatch, mob_state):
    path = publish(tmp_path, monkeypatch, "mob", mob_state)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="damaged weights file; run `weiss weights STUDY --fetch`") as caught:
        build("mob", 2, weights="pretrained", folder=tmp_path)
    assert str(path) in str(caught.value)


def test_networks_without_published_weights_say_so():
    for name in set(MODULES) - set(WITH_IMAGENET_WEIGHTS):
        with pytest.raises(UserError, match=f"no ImageNet weights for the network {name}"):
            weights_file(name, "pretrained")


def test_mod_has_no_published_weights():
    with pytest.raises(UserError, match="no ImageNet weights for the network mod"):
        build("mod", 2, weights="pretrained")
