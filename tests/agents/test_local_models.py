"""A model in a folder answers through the recorded chat: real loading code, on tiny models that the test makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from counterproof.agents.chat import Chat
from counterproof.agents.local_models import check_model_folder, folder_digest
from counterproof.agents.models import ModelConfig, model_config
from counterproof.agents.settings import DataFile
from counterproof.agents.third_parties import check_model
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import CounterproofError, UsageError
from counterproof.provenance.journal import Journal
from counterproof.provenance.record import Record
from counterproof.tools.rowguard import RowGuard

PYTHON = Path(sys.prefix) / "local-models" / "bin" / "python"
PROGRAM = Path(__file__).with_name("local_model_program.py")


@pytest.fixture(scope="module")
def came(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of asking tiny models, in the environment that has PyTorch."""
    assert PYTHON.is_file(), f"There is no PyTorch in {PYTHON.parent}: run `make .venv/.local-models`."
    command = [str(PYTHON), "-P", str(PROGRAM), str(tmp_path_factory.mktemp("models"))]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=offline)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_an_answer_comes_from_the_folder_and_again_from_the_record(came: dict[str, Any]) -> None:
    first, again, second = came["greedy"]["answers"]
    assert first[0]
    assert again == [*first[:2], True]
    assert second == first
    assert came["again"]["answers"] == came["greedy"]["answers"]
    assert came["parameters"] < 50_000


def test_the_record_says_which_weights_answered(came: dict[str, Any]) -> None:
    for name, digest in zip(("greedy", "other"), came["digests"], strict=True):
        assert {body["system_fingerprint"] for body in came[name]["bodies"]} == {f"sha256:{digest}"}
    assert came["digests"][0] != came["digests"][1]


def test_with_a_temperature_the_seed_decides(came: dict[str, Any]) -> None:
    said = [one["answers"] for one in came["drawn"]]
    assert said[0] == said[1]
    assert said[2] == said[3]
    assert said[0] != said[2]


def test_an_answer_at_the_limit_of_tokens_is_told_as_cut_off(came: dict[str, Any]) -> None:
    assert came["greedy"]["answers"][0][1] == "the answer was cut off at the token limit"
    assert came["greedy"]["bodies"][0]["usage"]["completion_tokens"] == 20


def test_a_model_fine_tuned_on_a_training_set_gives_an_answer_in_its_form(came: dict[str, Any]) -> None:
    assert came["taught"] == {"text": "History: pulse 72 /min.", "raw": True}


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("too long", "The request has 274 tokens, and the model takes 256 with the answer"),
        ("no template", "has no chat template"),
        ("remote code", "it comes with code of its own, which is not run"),
        ("broken", "parts are missing or of another shape, such as lm_head.weight"),
    ],
)
def test_what_can_not_answer_says_why(came: dict[str, Any], case: str, said: str) -> None:
    assert came[case].startswith("EffectFailed: The model endpoint localhost answered 400")
    assert said in came[case]


@pytest.mark.attack
def test_code_of_the_folder_is_not_run(came: dict[str, Any]) -> None:
    assert came["ran"] is False


def _folder(folder: Path, *files: str) -> Path:
    folder.mkdir()
    for name in files:
        (folder / name).write_bytes(b"{}")
    return folder


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((), r"holds no model: it has no config\.json"),
        (("config.json",), "it has no weights"),
        (("config.json", "pytorch_model.bin"), r"weights are pickled \(pytorch_model\.bin\)"),
    ],
    ids=["empty", "no-weights", "pickled"],
)
def test_a_folder_that_holds_no_usable_model_is_refused(files: tuple[str, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        check_model_folder(_folder(tmp_path / "model", *files))
    with pytest.raises(UsageError, match="There is no folder"):
        check_model_folder(tmp_path / "elsewhere")


def test_the_digest_follows_every_file_that_is_read(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model", "config.json", "model.safetensors", "README.md")
    first = folder_digest(folder)
    (folder / "README.md").write_text("something")
    assert folder_digest(folder) == first
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert folder_digest(folder) != first


def test_without_the_extra_the_error_names_it(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "model", "config.json", "model.safetensors")
    record = Record(tmp_path / "record", blobs=Blobs(tmp_path / "blobs"))
    config = ModelConfig(model="tiny", base_url=f"folder://{folder}")
    chat = Chat(config, api_key="none", journal=Journal(record), guard=RowGuard([]), sleep=lambda _s: None)
    with pytest.raises(CounterproofError, match=r"pip install 'counterproof\[local-models\]'"):
        chat.complete("one", [HumanMessage("Write.")], response_format=None)


def test_a_folder_is_no_third_party() -> None:
    data = [DataFile(name="trial.csv", sha256="0" * 64, size=1, third_parties="forbidden")]
    check_model(data, "folder:///srv/models/tiny")
    with pytest.raises(UsageError, match="or in a folder"):
        check_model(data, "https://models.example/v1")


def test_a_folder_needs_no_key_and_is_asked_in_words() -> None:
    config = ModelConfig(model="tiny", base_url="folder:///srv/models/tiny/")
    assert (config.base_url, config.api_key_env, config.structured) == ("folder:///srv/models/tiny", "", "none")
    with pytest.raises(UsageError, match=r"models\.toml: .*names no folder; write its whole path"):
        model_config({"model": "tiny", "base_url": "folder://models"}, source="models.toml")
    given = {"model": "tiny", "base_url": "folder:///m", "structured": "json_schema"}
    with pytest.raises(UsageError, match='structured = "none"'):
        model_config(given, source="models.toml")
