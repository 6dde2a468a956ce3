"""ImageNet weights: where they are looked for, what counts as sound, fetching them from a server of our own."""

import errno
import functools
import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch.hub
from torchvision import models

from weiss import paths
from weiss.errors import UserError
from weiss.learn import weights
from weiss.learn.networks.names import IMAGENET, imagenet_name

CONTENT = {name: f"weights of {name}".encode() * 100 for name in ("reg", "mob")}


def study_of(folder: Path, weights_folder: str | None = "imagenet", **networks: tuple[str, object]) -> SimpleNamespace:
    """Stand in for a study; `networks` gives architecture and starting weights by label, two trainings of each."""
    trainings = {
        f"{label}-n4-r{repeat:02d}": SimpleNamespace(
            id=f"{label}-n4-r{repeat:02d}",
            network=label,
            architecture=architecture,
            recipe={"weights": start},
            digest=f"digest of {label} {repeat}",
        )
        for label, (architecture, start) in networks.items()
        for repeat in (1, 2)
    }
    return SimpleNamespace(
        name="small",
        path=folder / "study.yaml",
        config={"learn": {"weights_folder": weights_folder}},
        trainings=trainings,
    )


def three_networks(folder: Path) -> SimpleNamespace:
    return study_of(
        folder,
        mod=("mod", None),
        reg=("reg", None),
        reg_pret=("reg", "pretrained"),
        again=("reg", "pretrained"),
        mob=("mob", "pretrained"),
        eff=("eff", "/some/file.pth"),
    )


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve the folder it returns on this machine; the table of published files points there."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as http_server:
        threading.Thread(target=http_server.serve_forever, args=(0.02,), daemon=True).start()
        for name, content in CONTENT.items():
            file = f"{name}-{hashlib.sha256(content).hexdigest()[:8]}.pth"
            (folder / file).write_bytes(content)
            monkeypatch.setitem(IMAGENET, name, f"http://127.0.0.1:{http_server.server_port}/{file}")
        yield folder
        http_server.shutdown()


def place(study: SimpleNamespace, architecture: str, content: bytes | None = None) -> Path:
    path = study.path.parent / "imagenet" / imagenet_name(architecture)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(CONTENT[architecture] if content is None else content)
    return path


def finish(study: SimpleNamespace, results: Path, *labels: str) -> None:
    for training in study.trainings.values():
        if training.network in labels:
            folder = paths.training(results, study.name, training.id)
            folder.mkdir(parents=True)
            (folder / "result.json").write_text(json.dumps({"digest": training.digest}))


def test_the_table_is_the_one_of_torchvision():
    published = {
        "reg": models.RegNet_X_16GF_Weights,
        "mob": models.MobileNet_V3_Large_Weights,
        "eff": models.EfficientNet_B3_Weights,
        "mna": models.MNASNet1_0_Weights,
        "res": models.ResNeXt50_32X4D_Weights,
    }
    assert {name: enum.IMAGENET1K_V1.url for name, enum in published.items()} == IMAGENET
    assert imagenet_name("reg") == "regnet_x_16gf-2007eb11.pth"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"XDG_CACHE_HOME": "/some/cache"},
        {"TORCH_HOME": "/some/torch"},
        {"TORCH_HOME": "~/torch", "XDG_CACHE_HOME": "/some/cache"},
    ],
)
def test_without_a_folder_the_cache_of_torch_is_meant(monkeypatch, environment):
    for name in ("TORCH_HOME", "XDG_CACHE_HOME", "TORCH_HUB"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert weights.folder_of(None) == Path(torch.hub.get_dir()) / "checkpoints"
    assert weights.folder_of("/elsewhere") == Path("/elsewhere")


def test_a_relative_folder_starts_at_the_study_file(tmp_path, monkeypatch):
    assert weights.study_folder(study_of(tmp_path)) == tmp_path / "imagenet"
    assert weights.study_folder(study_of(tmp_path, "/data/imagenet")) == Path("/data/imagenet")
    monkeypatch.setenv("TORCH_HOME", "cache")  # torch lets this one start at the current folder
    assert weights.study_folder(study_of(tmp_path, None)) == Path("cache/hub/checkpoints")


def test_looking_needs_no_torch():
    code = (
        "import sys; from pathlib import Path; from weiss.learn import weights; "
        "print(weights.state(Path('no/file-00.pth'))); assert 'torch' not in sys.modules"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "missing\n"
    )


def test_files_needed_are_listed_once_with_the_networks_that_use_them(tmp_path, server):
    study = three_networks(tmp_path)
    path = place(study, "reg")
    reg, mob = weights.needed(study)
    assert reg == weights.Needed("reg", ("reg_pret", "again"), path, IMAGENET["reg"], len(CONTENT["reg"]), "ok")
    assert (mob.architecture, mob.networks, mob.bytes, mob.state) == ("mob", ("mob",), None, "missing")


@pytest.mark.parametrize("fault", ["truncated", "one bit", "empty"])
def test_a_damaged_file_is_found_by_its_checksum(tmp_path, server, fault):
    study, whole = three_networks(tmp_path), CONTENT["reg"]
    broken = {"truncated": whole[:-1], "one bit": bytes([whole[0] ^ 1]) + whole[1:], "empty": b""}[fault]
    assert weights.state(place(study, "reg")) == "ok"
    assert weights.state(place(study, "reg", broken)) == "damaged"


def test_every_fault_is_named_at_once_with_the_remedies(tmp_path, server):
    study = three_networks(tmp_path)
    damaged, missing = place(study, "reg", b"half"), tmp_path / "imagenet" / imagenet_name("mob")
    with pytest.raises(UserError) as caught:
        weights.require(study, tmp_path / "results")
    line = str(caught.value)
    assert "\n" not in line and line.startswith(f"{study.path}: ImageNet weights: ")
    assert f"{damaged} is damaged (reg_pret, again)" in line and f"{missing} is missing (mob)" in line
    assert f"`weiss weights {study.path} --fetch`" in line
    assert "learn.weights_folder" in line and "`repeats: 0`" in line


def test_weights_of_finished_trainings_are_not_asked_for(tmp_path, server):
    study, results = three_networks(tmp_path), tmp_path / "results"
    finish(study, results, "reg_pret", "again")
    with pytest.raises(UserError, match="is missing") as caught:
        weights.require(study, results)
    assert "(mob)" in str(caught.value) and "reg" not in str(caught.value).partition(";")[0]
    finish(study, results, "mob")
    weights.require(study, results)
    study.trainings["reg_pret-n4-r02"].digest = "that of an edited study"
    with pytest.raises(UserError, match=r"is missing \(reg_pret\)"):
        weights.require(study, results)


def test_sound_files_are_enough(tmp_path, server):
    study = three_networks(tmp_path)
    place(study, "reg"), place(study, "mob")
    weights.require(study, tmp_path / "results")


def test_a_study_that_needs_none_says_so(tmp_path, capsys):
    study = study_of(tmp_path, reg=("reg", None))
    weights.run(study, fetch=True)
    weights.require(study, tmp_path / "results")
    assert capsys.readouterr().out == "small: no network starts from ImageNet weights\n"
    no_networks = SimpleNamespace(name="small", path=tmp_path / "study.yaml", config={"learn": None}, trainings={})
    weights.run(no_networks, fetch=False)


def test_looking_prints_a_table_and_fetches_nothing(tmp_path, server, capsys):
    study = three_networks(tmp_path)
    path = place(study, "reg")
    with pytest.raises(UserError, match=r"is missing \(mob\)"):
        weights.run(study, fetch=False)
    head, reg, mob = capsys.readouterr().out.splitlines()
    assert head.split() == ["weights", "networks", "state", "MB", "file"]
    assert reg.split() == ["reg", "reg_pret,", "again", "ok", "0.0", str(path)]
    assert mob.split() == ["mob", "mob", "missing", "-", str(tmp_path / "imagenet" / imagenet_name("mob"))]
    assert list(path.parent.iterdir()) == [path]


def test_fetching_gets_what_is_missing_or_damaged_and_nothing_else(tmp_path, server, capsys):
    study = three_networks(tmp_path)
    damaged = place(study, "reg", b"half")
    weights.run(study, fetch=True)
    out = capsys.readouterr().out
    assert out.count("fetching http://127.0.0.1:") == 2 and " ok " in out.splitlines()[-1]
    assert sorted(file.name for file in damaged.parent.iterdir()) == sorted(map(imagenet_name, CONTENT))
    for name, content in CONTENT.items():
        assert (damaged.parent / imagenet_name(name)).read_bytes() == content
    for file in server.iterdir():
        file.unlink()
    weights.run(study, fetch=True)
    assert "fetching http" not in capsys.readouterr().out


def test_what_has_another_checksum_is_not_kept(tmp_path, server):
    study = study_of(tmp_path, mob=("mob", "pretrained"))
    before = place(study, "mob", b"old and damaged")
    (server / imagenet_name("mob")).write_bytes(b"please log in first")
    with pytest.raises(UserError, match=r"does not have the SHA-256 [0-9a-f]{8}…; try again, or download") as caught:
        weights.run(study, fetch=True)
    assert IMAGENET["mob"] in str(caught.value) and str(before) in str(caught.value)
    assert [file.read_bytes() for file in before.parent.iterdir()] == [b"old and damaged"]


def unknown_host(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("reason", ["no such page", "no server", "no host", "cut off"])
def test_a_failed_download_says_how_to_copy_the_file_by_hand(tmp_path, server, monkeypatch, reason):
    study = study_of(tmp_path, mob=("mob", "pretrained"))
    name = imagenet_name("mob")
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        if reason == "no such page":
            (server / name).unlink()
        elif reason == "no server":
            monkeypatch.setitem(IMAGENET, "mob", f"http://127.0.0.1:{taken.getsockname()[1]}/{name}")
        elif reason == "no host":
            monkeypatch.setitem(IMAGENET, "mob", f"http://nowhere.invalid/{name}")
            monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
        else:
            monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "do_GET", lambda handler: None)
        with pytest.raises(UserError, match="cannot download") as caught:
            weights.run(study, fetch=True)
    line, path = str(caught.value), tmp_path / "imagenet" / name
    assert "\n" not in line and f"cannot download {IMAGENET['mob']}: " in line
    assert line.endswith(f"; download it on a machine with network and copy it to {path}")
    assert list(path.parent.iterdir()) == []
    assert socket.getdefaulttimeout() is None


def test_a_server_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "TIMEOUT", 0.2)
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setitem(IMAGENET, "mob", f"http://127.0.0.1:{silent.getsockname()[1]}/mob-01234567.pth")
        with pytest.raises(UserError, match=r"cannot download .*timed out"):
            weights.run(study_of(tmp_path, mob=("mob", "pretrained")), fetch=True)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, server):
    (tmp_path / "imagenet").write_text("a file")
    with pytest.raises(UserError, match="cannot write") as caught:
        weights.run(study_of(tmp_path, mob=("mob", "pretrained")), fetch=True)
    assert str(tmp_path / "imagenet") in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_may_not_be_read_is_one_line(tmp_path, server, monkeypatch):
    path = place(study_of(tmp_path), "mob")

    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match="cannot read: Permission denied; check its permissions"):
        weights.state(path)
