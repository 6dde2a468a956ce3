"""Using a trained network."""

import numpy as np
import pytest
import torch

from weiss.errors import UserError
from weiss.learn import checkpoint
from weiss.learn.networks import build
from weiss.learn.predict import load, predict


@pytest.fixture(autouse=True)
def one_thread():
    """Small arrays are fastest on one thread, above all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def save_network(path, name="mod", window=32, seed=0):
    """Save a network whose running statistics are not at their start, as a training would."""
    network = build(name, 2, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        for _ in range(5):
            network(torch.randn(16, window, window, generator=generator).sign())
    content = {
        "state_dict": network.net.state_dict(),
        "network": name,
        "targets": ["J", "D"],
        "window": window,
        "digest": "d",
    }
    checkpoint.save(path, content)
    return network.eval()


def images(count, window=32, seed=1):
    return np.where(np.random.default_rng(seed).random((count, window, window)) < 0.5, -1, 1).astype(np.int8)


@pytest.mark.parametrize(
    ("name", "window", "count", "threads"),
    [("mod", 64, 260, 1), ("mod", 64, 260, 2), ("mod", 32, 260, 1), ("mob", 32, 40, 1)],
)
def test_predictions_do_not_depend_on_batches_or_neighbours(tmp_path, name, window, count, threads):
    save_network(tmp_path / "best.pt", name, window)
    estimator, pictures = load(tmp_path / "best.pt"), images(count, window)
    torch.set_num_threads(threads)
    together = predict(estimator, pictures, batch=256)
    for batch in (1, 3, 32, 100):
        some = pictures[: 4 * batch]
        assert np.array_equal(predict(estimator, some, batch=batch), together[: len(some)]), batch
    shuffled = np.random.default_rng(2).permutation(count)
    assert np.array_equal(predict(estimator, pictures[shuffled]), together[shuffled])


def test_predictions_are_those_of_the_saved_network(tmp_path):
    network, pictures = save_network(tmp_path / "best.pt"), images(5)
    with torch.inference_mode():
        expected = network(torch.from_numpy(pictures).float()).numpy()
    predicted = predict(load(tmp_path / "best.pt"), pictures)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-6)


def test_views_tensors_and_nothing_are_accepted(tmp_path):
    save_network(tmp_path / "best.pt")
    estimator, film = load(tmp_path / "best.pt"), images(1, 40)[0]
    windows = np.lib.stride_tricks.sliding_window_view(film, (32, 32)).reshape(-1, 32, 32)
    predicted = predict(estimator, windows, batch=50)
    assert predicted.shape == (81, 2)
    tensors = predict(estimator, torch.from_numpy(windows.copy()), batch=50)
    assert isinstance(tensors, torch.Tensor) and np.array_equal(tensors.numpy(), predicted)
    assert predict(estimator, windows[:0]).shape == (0, 2)


def test_wrong_shapes_are_refused(tmp_path):
    save_network(tmp_path / "best.pt")
    estimator = load(tmp_path / "best.pt")
    for shape in [(3, 31, 32), (32, 32), (1, 1, 32, 32)]:
        with pytest.raises(ValueError, match="expected images"):
            predict(estimator, np.ones(shape, dtype=np.int8))
    with pytest.raises(ValueError, match="batch"):
        predict(estimator, images(1), batch=0)


def test_load_knows_what_it_loaded(tmp_path):
    save_network(tmp_path / "best.pt")
    estimator = load(tmp_path / "best.pt")
    assert (estimator.network, estimator.targets, estimator.window, estimator.digest) == ("mod", ("J", "D"), 32, "d")
    assert not estimator.module.training


def test_missing_damaged_and_foreign_checkpoints_are_one_line(tmp_path):
    path = tmp_path / "best.pt"
    with pytest.raises(UserError, match="no such trained network"):
        load(path)
    save_network(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UserError, match="not a readable file of tensors"):
        load(path)
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(UserError, match="not a trained network"):
        load(path)
    torch.save([torch.zeros(2)], path)
    with pytest.raises(UserError, match="expected a dict"):
        load(path)


def test_checkpoint_bytes_depend_on_the_content_alone(tmp_path):
    for name in ("a.pt", "b.pt"):
        save_network(tmp_path / name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()
