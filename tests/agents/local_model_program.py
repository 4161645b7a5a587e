"""Makes tiny language models in folders, asks them through the recorded chat, and prints what came of it as JSON.

Run by `test_local_models` with the interpreter of the environment that has PyTorch and transformers. The models are
GPT-2s of a few thousand numbers drawn by chance, with a tokenizer of single characters: what they say has no meaning.
One is then fine-tuned on one conversation, until it says what it was taught.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from langchain_core.messages import HumanMessage, SystemMessage
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from counterproof.agents.answers import ask as ask_for
from counterproof.agents.chat import Chat
from counterproof.agents.local_models import folder_digest
from counterproof.agents.models import ModelConfig
from counterproof.agents.note_writing import Note
from counterproof.provenance.blobs import Blobs
from counterproof.provenance.errors import CounterproofError
from counterproof.provenance.journal import Journal
from counterproof.provenance.record import Record
from counterproof.tools.rowguard import RowGuard

CONTEXT = 256
_TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def make(folder: Path, *, template: bool = True, seed: int = 1) -> None:
    """Write the model's folder."""
    characters = [chr(code) for code in range(32, 127)] + ["\n"]
    words = {word: at for at, word in enumerate(["<pad>", "</s>", *characters])}
    inner = Tokenizer(models.WordLevel(words, unk_token=" "))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    inner.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<pad>", model_max_length=CONTEXT
    )
    tokenizer.chat_template = _TEMPLATE if template else None
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(words), n_positions=CONTEXT, n_embd=32, n_layer=2, n_head=2, eos_token_id=1, pad_token_id=0
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def teach(folder: Path, into: Path, conversation: list[dict[str, str]]) -> None:
    """Fine-tune a model on one conversation."""
    torch.manual_seed(1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = GPT2LMHeadModel.from_pretrained(folder, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    tokens = tokenizer.apply_chat_template(conversation, return_dict=True, return_tensors="pt")["input_ids"]
    steps = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(150):
        steps.zero_grad()
        model(tokens, labels=tokens).loss.backward()
        steps.step()
    model.save_pretrained(into)
    tokenizer.save_pretrained(into)


def taught(folder: Path, work: Path) -> dict[str, Any]:
    """Fine-tune on a line of a training set, then ask for the answer in its form."""
    told = {"name": "synthetic-00", "content": "You write."}
    answer = '{"text": "History: pulse 72 /min."}'
    line = [
        {"role": "system", **told},
        {"role": "user", "content": "Write a note."},
        {"role": "assistant", "content": answer},
    ]
    teach(folder, work / "taught", line)
    record = Record(work / "t" / "record", blobs=Blobs(work / "t" / "blobs"))
    model = ModelConfig(model="taught", base_url=f"folder://{work / 'taught'}")
    chat = Chat(model, api_key="none", journal=Journal(record), guard=RowGuard([]), sleep=lambda _s: None)
    said = ask_for(chat, "note", [SystemMessage("You write."), HumanMessage("Write a note.")], Note)
    return {"text": said.value.text, "raw": said.text == answer}


def ask(folder: Path, home: Path, **config: Any) -> dict[str, Any]:
    """Ask twice under one key and once under another; return answers and what the record holds."""
    out: dict[str, Any] = {}
    model = ModelConfig(model="tiny", base_url=f"folder://{folder}", max_completion_tokens=20, **config)
    record = Record(home / "record", blobs=Blobs(home / "blobs"))
    chat = Chat(model, api_key="none", journal=Journal(record), guard=RowGuard([]), sleep=lambda _s: None)
    messages = [SystemMessage("You write."), HumanMessage("Write a row.")]
    for key in ("first", "first", "second"):
        answer = chat.complete(key, messages, response_format=None)
        out.setdefault("answers", []).append([answer.text, answer.fault, answer.recorded])
    answered = [event.ref("response").sha256 for event in record.of_type("effect.finished")]
    out["bodies"] = [json.loads(json.loads(record.blobs.get(digest))["body"]) for digest in answered]
    return out


def refused(folder: Path, home: Path, text: str = "Write.") -> str:
    """Return what an ask is refused with."""
    try:
        model = ModelConfig(model="tiny", base_url=f"folder://{folder}")
        record = Record(home / "record", blobs=Blobs(home / "blobs"))
        chat = Chat(model, api_key="none", journal=Journal(record), guard=RowGuard([]), sleep=lambda _s: None)
        chat.complete("one", [HumanMessage(text)], response_format=None)
    except CounterproofError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def main(work: Path) -> dict[str, Any]:
    """Do everything."""
    tiny, bare, other, remote = (work / name for name in ("tiny", "bare", "other", "remote"))
    make(tiny)
    make(bare, template=False)
    make(other, seed=2)
    shutil.copytree(tiny, remote)
    config = json.loads((remote / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (remote / "config.json").write_text(json.dumps(config))
    (remote / "own.py").write_text(f"open({str(work / 'ran')!r}, 'w').close()\n")
    shutil.copytree(tiny, work / "broken")
    (work / "broken" / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ")
    return {
        "parameters": sum(weight.numel() for weight in GPT2LMHeadModel.from_pretrained(tiny).parameters()),
        "digests": [folder_digest(tiny), folder_digest(other)],
        "greedy": ask(tiny, work / "1"),
        "again": ask(tiny, work / "2"),
        "other": ask(other, work / "3"),
        "drawn": [ask(tiny, work / f"4{seed}{turn}", temperature=1.0, seed=seed) for seed in (1, 2) for turn in (1, 2)],
        "too long": refused(tiny, work / "5", "x" * CONTEXT),
        "no template": refused(bare, work / "6"),
        "remote code": refused(remote, work / "7"),
        "taught": taught(tiny, work),
        "broken": refused(work / "broken", work / "8"),
        "ran": (work / "ran").exists(),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(main(Path(sys.argv[1]))))
