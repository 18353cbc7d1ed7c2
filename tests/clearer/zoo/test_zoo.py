"""Networks that come with the package: what their cards say is true."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearer.bench.accuracy import input_accuracy, measure_accuracy
from clearer.bench.level_runner import at_level
from clearer.bench.runners import TorchRunner
from clearer.data.splits import BUILTIN_VAL, PHOTOGRAPHS
from clearer.errors import ClearerError, InputError
from clearer.networks.fold import fold_batch_norm
from clearer.pictures.images import Color, ImageSet, read_image
from clearer.restoring.evaluate import VALIDATION_SEED
from clearer.runs.run import Run
from clearer.tasks.base import Span
from clearer.tasks.dejpeg import DeJpeg
from clearer.tasks.denoise import Denoise
from clearer.tasks.photo import Photo
from clearer.tasks.registry import task_to_dict
from clearer.zoo import catalogue
from clearer.zoo.card import UNCHANGED_DB, card_markdown, comparison_table
from clearer.zoo.card_record import CardRecord
from clearer.zoo.card_times import main_time
from clearer.zoo.catalogue import (
    RETIRED,
    default_network,
    find_in_zoo,
    network_for,
    zoo_names,
    zoo_network,
)
from clearer.zoo.overview import overview_table
from tests.tiny_zoo import add_deblocker, add_derainer, add_network, add_photo_network

ROOT = Path(__file__).resolve().parents[3]
shipped = pytest.mark.parametrize("name", zoo_names())


def test_there_is_one_for_gray_pictures() -> None:
    assert default_network(1).channels == 1


@shipped
def test_the_card_is_that_of_the_weights(name: str) -> None:
    found = zoo_network(name)
    network, info = found.load()
    card, space = found.card, network.architecture.space
    assert card["name"] == name
    assert card["weights_bytes"] == found.weights.stat().st_size
    assert card["weights_sha256"] == hashlib.sha256(found.weights.read_bytes()).hexdigest()
    assert card["params"] == sum(p.numel() for p in network.parameters())
    assert (card["architecture"], card["channels"]) == (network.architecture.text, space.channels)
    assert card["space"] == f"{space.width_text}, unshuffle {space.unshuffle}"
    assert info["task"] == card["task"] == task_to_dict(found.task)
    assert card["training"]["iteration"] == info["iteration"] <= card["training"]["iterations"]
    assert card["training"]["val_psnr_db"] == info["val_psnr_db"]
    fairness = (card["training"].get("num_in_bsd68"), card["training"].get("num_in_test"))
    assert sorted(number for number in fairness if number is not None) == [0]
    for path in found.weights, found.weights.with_suffix(".json"):
        assert b"/home/" not in path.read_bytes()


@shipped
def test_a_card_and_its_run_are_those_of_the_weights_in_any_words(name: str) -> None:
    found = zoo_network(name)
    network, _ = found.load()
    assert found.card["schema_version"] == 2
    assert found.architecture == network.architecture
    assert found.settings.space == network.architecture.space


@shipped
def test_as_onnx_it_has_at_most_5_mb(name: str) -> None:
    """The file was made and measured with the card; it holds the folded weights and a graph."""
    network, _ = zoo_network(name).load()
    weights = 4 * sum(p.numel() for p in fold_batch_norm(network).parameters())
    assert weights < zoo_network(name).card["onnx_bytes"] <= min(5_000_000, weights + 100_000)


@shipped
def test_it_restores_photographs_as_well_as_the_card_says(name: str) -> None:
    found = zoo_network(name)
    probes: Any = found.card["probes"]
    color: Color = "rgb" if found.channels == 3 else "gray"
    names, crops = [], []
    for row in probes["rows"]:
        top, left, height, width = row["box"]
        picture = read_image(PHOTOGRAPHS / row["image"], color)
        names.append(row["image"])
        crops.append(picture[top : top + height, left : left + width])
    images, task = ImageSet(tuple(names), tuple(crops), tuple(crops)), found.task
    # A clean picture changes less than rain changes one; noise nearly vanishes.
    least_db = max(row["input_psnr_db"] for row in found.card["figures"]["rows"])
    if isinstance(task, Denoise):
        sigma = probes["sigma_255"]
        assert task.sigma.low <= sigma <= task.sigma.high
        assert probes["noise_seed"] == VALIDATION_SEED
        images, task = ImageSet(tuple(names), tuple(crops)), Denoise(sigma=Span(sigma, sigma))
        least_db = input_accuracy(images, task)["psnr_db"] + 6
    network = TorchRunner(name, found.load()[0])
    has_level = found.architecture.space.level_map
    runner = at_level(network, probes["sigma_255"], has_level=has_level)
    accuracy = measure_accuracy(runner, images, task)
    assert set(names) <= set(BUILTIN_VAL)
    assert len(names) >= 3
    found_db = np.minimum(accuracy.psnr_db, UNCHANGED_DB)
    assert list(found_db) == pytest.approx([r["psnr_db"] for r in probes["rows"]], abs=0.02)
    assert list(accuracy.ssim) == pytest.approx([r["ssim"] for r in probes["rows"]], abs=0.002)
    assert accuracy.mean_db > least_db


@shipped
def test_its_figures_are_far_above_those_of_the_input(name: str) -> None:
    found = zoo_network(name)
    rows = found.card["figures"]["rows"]
    num_sets, gain_db = (2, 4.0) if isinstance(found.task, Denoise) else (1, 2.0)
    if isinstance(found.task, Photo):  # their noise is weak
        gain_db = 1
        assert found.card["figures"]["clean"]["psnr_db"] > 40
    if isinstance(found.task, DeJpeg):  # and good quality leaves little to gain
        num_sets, gain_db = 2, 0.3
    assert len({row["data"] for row in rows}) == num_sets
    for row in rows:
        low, high = row["psnr_db_interval_95"]
        assert low <= row["psnr_db"] <= high
        assert row["psnr_db"] > row["input_psnr_db"] + gain_db


@shipped
def test_the_model_card_is_made_of_the_json(name: str) -> None:
    text = (catalogue.FOLDER / f"{name}.md").read_text()
    assert text == card_markdown(zoo_network(name).card)
    assert "research" in text


def test_the_tables_of_the_docs_are_made_of_the_cards() -> None:
    cards = [zoo_network(name).card for name in zoo_names()]
    for table, page in ((overview_table, "README.md"), (comparison_table, "docs/networks.md")):
        assert f"\n{table(cards)}\n" in (ROOT / page).read_text()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "zoo"
    folder.mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", folder)
    return folder


def test_the_default_is_the_best_blind_denoiser(tiny: Path) -> None:
    def defaults() -> list[str]:
        return [default_network(channels).name for channels in (1, 3)]

    add_network(tiny, "one-level", 1, "50", gain_db=9)
    add_network(tiny, "one-level-rgb", 3, "25", gain_db=9)
    add_derainer(tiny, "rain")
    message = r"no network for unknown noise.*\(one-level, one-level-rgb, rain\)$"
    with pytest.raises(InputError, match=message):
        default_network(3)
    add_network(tiny, "small", 1, "5:50")
    assert defaults() == ["small", "small"]
    add_network(tiny, "best", 1, "5:50", gain_db=0.1)
    add_network(tiny, "narrow", 1, "10:30", gain_db=1)
    assert defaults() == ["best", "best"]
    add_network(tiny, "color", 3, "5:50", gain_db=-1)
    assert defaults() == ["best", "color"]


def test_photographs_have_a_network_of_their_own(tiny: Path) -> None:
    add_network(tiny, "color", 3)
    assert network_for(Photo) is None
    add_photo_network(tiny, "photo")
    found = network_for(Photo)
    assert found is not None
    assert found.name == "photo"
    assert found.architecture == found.load()[0].architecture
    assert default_network(3).name == "color"


def test_cards_and_tables_tell_noise_from_rain(tiny: Path) -> None:
    add_network(tiny, "one-level", 1, "50")
    add_derainer(tiny, "rain")

    def cards(*names: str) -> list[CardRecord]:
        return [zoo_network(name).card for name in names]

    table = comparison_table(cards("one-level"))
    assert "| network | MB | set | sigma 50 | ms |" in table
    assert "–" not in table  # no column for levels that no network has
    add_network(tiny, "blind", 3)
    rows = comparison_table(cards("blind", "one-level", "rain")).splitlines()
    assert "| network | MB | set | sigma 15 | sigma 25 | sigma 50 | ms |" in rows
    first, *_, last = cards("one-level")[0]["figures"]["rows"]
    assert [first["data"], last["data"]] == ["bsd68", "set12"]
    (single,) = (row for row in rows if "`one-level`, gray" in row)
    assert f"| bsd68 | – | – | {first['psnr_db']:.2f} / {first['ssim']:.3f} (" in single
    assert "| network | MB | set | restored | ms |" in rows
    (rain,) = (row for row in rows if "`rain`, RGB" in row)
    (pairs,) = cards("rain")[0]["figures"]["rows"]
    assert f"| rain800, 98 of 100 | {pairs['psnr_db']:.2f} / {pairs['ssim']:.3f} (" in rain
    for text in ("rain", "one-level"):
        card = card_markdown(cards(text)[0])
        assert ("On pictures without rain" in card) == (text == "rain")
        assert ("BSD68 among those" in card) == (text != "rain")
        assert "None" not in card
    card = card_markdown(cards("rain")[0])
    assert "629 pairs (629 of rain800 train)" in card
    assert "test pairs: `train/460.jpg`; pairs of such scenes" in card
    assert "2 megapixels: `test/60.jpg`, `test/71.jpg`." in card
    assert f"| rain800 | 98 of 100 | {pairs['input_psnr_db']:.2f} / " in card
    assert "| rain800, Y |  | 22.50 / 0.700 | 25.50 / 0.800 |" in card
    assert "mean 58.50 dB (60 at most" in card


def test_cards_and_tables_of_photographs(tiny: Path) -> None:
    add_network(tiny, "blind", 3)
    add_derainer(tiny, "rain")
    add_photo_network(tiny, "photo")
    cards = [zoo_network(name).card for name in zoo_names()]
    rows = comparison_table(cards).splitlines()
    (pair,) = zoo_network("photo").card["figures"]["rows"]
    gain = f"{pair['psnr_db']:.2f} / {pair['ssim']:.3f} ({pair['input_psnr_db']:.2f})"
    (photo,) = (row for row in rows if "`photo`, RGB" in row)
    assert f"| polyu, 50 of 100 | {gain} | 3 | kodak24: 46.50 |" in photo
    assert sum("`rain`, RGB" in row for row in rows) == 1
    text = card_markdown(zoo_network("photo").card)
    assert "The first 50 pairs by name may have been tuned on" in text
    assert f"| polyu | 50 of 100 | {pair['input_psnr_db']:.2f} / " in text
    assert "mean 46.50 dB (60 at most for a picture: then its 8 bits stay" in text
    assert "least 41.25 dB; SSIM 0.9950." in text
    assert "Pictures of PolyU or Kodak24 among those that trained or selected: 0." in text
    assert "On pictures without the noise of cameras" in text
    assert "rain" not in text.lower().replace("train", "")
    assert "None" not in text


def test_cards_and_tables_of_deblocking(tiny: Path) -> None:
    add_derainer(tiny, "rain")
    add_deblocker(tiny, "jpeg")
    rows = comparison_table([zoo_network(name).card for name in zoo_names()]).splitlines()
    row = zoo_network("jpeg").card["figures"]["rows"][0]
    cell = f"{row['psnr_db']:.2f} / {row['ssim']:.3f} ({row['input_psnr_db']:.2f})"
    (found,) = (line for line in rows if "`jpeg`, RGB" in line)
    assert f"| kodak24 | {cell} | {cell} |" in found
    assert "| network | MB | set | quality 10 | quality 40 | ms |" in rows
    text = card_markdown(zoo_network("jpeg").card)
    assert "| kodak24 | 10 | " in text
    assert "| 23.50 | 27.25 |" in text
    assert " pictures (" in text
    assert "Pictures of Kodak24 or Set12 among those that trained or selected: 0." in text
    assert "On pictures without JPEG" in text
    assert "rain" not in text.lower().replace("train", "")
    assert "None" not in text


def test_the_card_says_what_a_fine_tuning_began_with() -> None:
    card = zoo_network("gray-25").card
    training = card["training"]
    training["fine_tuned_from"] = training["fine_tuned_from_sha256"] = None
    assert "Begun with" not in card_markdown(card)
    training["fine_tuned_from"] = "gray-25"
    training["fine_tuned_from_sha256"] = "0123456789abcdef"
    text = card_markdown(card)
    assert "Begun with the weights of `gray-25` (SHA-256 0123456789ab...). Trained on" in text


def test_the_card_says_who_taught_it() -> None:
    card = zoo_network("gray-25").card
    assert "Taught by" not in card_markdown(card)
    card["training"]["teacher"] = "gray"
    card["training"]["teacher_sha256"] = "0123456789abcdef"
    assert "Taught by `gray` (SHA-256 0123456789ab...). Trained on" in card_markdown(card)


def test_the_card_shows_how_psnr_grew() -> None:
    card = zoo_network("gray-25").card
    assert "PSNR by iteration" not in card_markdown(card)
    card["training"]["curve"] = [(0, 25.243), (4_200, 28.584)]
    card["training"]["hours"] = 1.75
    text = card_markdown(card)
    assert "1.8 hours of steps" in text
    assert "| iteration | 0 | 4,200 |\n| --- | --- | --- |\n| dB | 25.24 | 28.58 |\n" in text


def test_damaged_weights_are_refused(tiny: Path, tmp_path: Path) -> None:
    path = add_network(tiny, "gray", 1)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ClearerError, match=r"gray.safetensors is damaged \(its SHA-256"):
        zoo_network("gray").load()
    with pytest.raises(ClearerError, match="is damaged"):
        zoo_network("gray").unpack(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_word_means(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    add_network(tiny, "gray", 1)
    add_network(tiny, "other", 1)
    found = find_in_zoo(Path("gray"))
    assert found is not None
    assert found.name == "gray"
    for words in ("model.onnx", "runs/gray", str(tmp_path / "gray")):
        assert find_in_zoo(Path(words)) is None
    with pytest.raises(InputError, match=r"grey does not exist here.*: gray, other$"):
        find_in_zoo(Path("grey"))
    with pytest.raises(InputError, match=r"no network 'grey' comes with clearer.*gray, other$"):
        zoo_network("grey")
    found.unpack(Path("gray"))
    assert find_in_zoo(Path("gray")) is None  # the folder takes precedence


def test_a_retired_name_says_what_replaces_it() -> None:
    assert RETIRED
    for name, heir in RETIRED.items():
        assert name not in zoo_names()
        assert heir in zoo_names()
        message = f"{name} no longer comes with clearer: {heir} replaces it"
        for find in (lambda name: find_in_zoo(Path(name)), zoo_network):
            with pytest.raises(InputError, match=f"^{message}$"):
                find(name)


def test_a_run_folder_is_made_of_it_once(tiny: Path, tmp_path: Path) -> None:
    add_network(tiny, "gray", 1)
    add_network(tiny, "other", 3)
    run = zoo_network("gray").unpack(tmp_path / "out")
    assert Run.open(run.path).settings().task == zoo_network("gray").task
    assert run.weights.read_bytes() == (tiny / "gray.safetensors").read_bytes()
    zoo_network("gray").unpack(run.path)
    with pytest.raises(InputError, match="holds another network: choose another --out"):
        zoo_network("other").unpack(run.path)
    run.weights.unlink()
    with pytest.raises(InputError, match="holds a run: choose another --out"):
        zoo_network("gray").unpack(run.path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        zoo_network("gray").unpack(tmp_path / "file")


def test_times_stand_beside_the_ratio_to_ffdnet_in_the_same_run(tiny: Path) -> None:
    add_network(tiny, "one-level", 1, "50")
    card: Any = zoo_network("one-level").card
    own = main_time(card)
    assert own is not None
    slower = {**own, "name": "ffdnet_s50", "is_this": False, "median_ms": 4 * own["median_ms"]}
    card["times"]["rows"] = [own, slower]
    assert f"| {own['median_ms']:.1f} (0.25) |" in comparison_table([card])
    card["times"]["rows"] = [own]
    assert f"| {own['median_ms']:.1f} |" in comparison_table([card])
