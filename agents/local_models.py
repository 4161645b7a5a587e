"""A model in a folder of this machine, answering where an endpoint would: no server, no network.

`base_url = "folder:///srv/models/tiny"` names a folder in the form of Hugging Face: `config.json`, a tokenizer with a
chat template, and weights as safetensors. Calls take the way of all others (guard, journal, record, replay); this is
the transport at its end, in the place of the network.

Nothing of the folder is run as code: no remote code, no pickled weights, and the chat template in Jinja's sandbox.
`system_fingerprint` of each answer, which is in the record, is the digest of what was loaded: which weights answered.

Without a temperature an answer is the most likely one, token by token; with one it is drawn with the seed. Both are the
same again on the same machine and software, not on every machine.

It does not cover answers that are held to a form (a form is asked for in words), several graphics cards, quantised
weights, nor adapters that were not merged into their model.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx2

from counterproof.provenance.digests import canonical_json, sha256_bytes, sha256_file
from counterproof.provenance.errors import UsageError

NEW_TOKENS = 2048
"""Most tokens of an answer where the request says nothing."""
_READ = frozenset({".json", ".jinja", ".model", ".safetensors", ".txt"})
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
_PATH = "/chat/completions"


def folder_of(base_url: str) -> Path:
    """Return the folder that an address names."""
    return Path(unquote(urlsplit(base_url).path))


def check_model_folder(folder: Path) -> None:
    """Check that a folder holds a model that may be loaded; nothing is loaded for it.

    Raises:
        UsageError: there is no such folder, it holds no model, or its weights are pickled.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", advice="Give the folder that holds the model's config.json.")
    if not (folder / "config.json").is_file():
        raise UsageError(
            f"The folder {folder} holds no model: it has no config.json.",
            allowed="A folder in the form of Hugging Face. An adapter must be merged into its model first.",
        )
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for pattern in _PICKLED for path in folder.glob(pattern))
        held = f"its weights are pickled ({pickled[0]}), and loading them runs code" if pickled else "it has no weights"
        raise UsageError(
            f"The model in {folder} can't be used: {held}.",
            allowed="Weights as *.safetensors.",
            advice="Convert them on a machine that may run that code, with save_pretrained of transformers.",
        )


def folder_digest(folder: Path) -> str:
    """Return the digest of all files that loading may read, each by name and content."""
    files = sorted(path for path in folder.iterdir() if path.suffix in _READ and path.is_file())
    return sha256_bytes(canonical_json({path.name: sha256_file(path) for path in files}))


class FolderTransport(httpx2.BaseTransport):
    """Answers requests for chat completions by the model in a folder, one at a time.

    The model is loaded when it is first asked. What is wrong comes back as an endpoint would say it: status 400, with
    the reason, and that trying again is no use.

    Args:
        folder: of the model.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        timeout_s = request.extensions.get("timeout", {}).get("read") or float("inf")
        try:
            if not request.url.path.endswith(_PATH):
                raise UsageError(f"{request.url.path} is asked of a model in a folder.", allowed=f"…{_PATH} alone.")
            with self._lock:
                if self._loaded is None:
                    self._loaded = _load(self._folder)
                body = self._loaded.answer(json.loads(request.read()), until=time.monotonic() + timeout_s)
        except UsageError as error:
            refusal = {"error": {"message": str(error), "type": "invalid_request_error"}}
            return httpx2.Response(400, headers={"x-should-retry": "false"}, json=refusal)
        return httpx2.Response(200, json=body)


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    """A model in memory.

    Attributes:
        torch: the library; imported with the model.
        model: of transformers.
        tokenizer: of transformers.
        digest: of the folder.
    """

    torch: Any
    model: Any
    tokenizer: Any
    digest: str

    def answer(self, request: dict[str, Any], *, until: float) -> dict[str, Any]:
        """Return a chat completion.

        Raises:
            UsageError: the prompt is too long, or the template does not take the messages.
            httpx2.ReadTimeout: it took too long.
        """
        prompt = self._prompt(request["messages"])
        asked = request.get("max_completion_tokens") or request.get("max_tokens") or NEW_TOKENS
        given = int(prompt["input_ids"].shape[1])
        room = int(getattr(self.model.config, "max_position_embeddings", given + asked)) - given
        if room < 1:
            raise UsageError(
                f"The request has {given} tokens, and the model takes {given + room} with the answer.",
                advice="Ask with less (fewer columns, a shorter codebook), or take a model with a longer context.",
            )
        most = min(asked, room)
        new = self._generate(prompt, request, most=most, until=until)[given:]
        ended = bool(new) and new[-1] in self._ends()
        if not ended and len(new) < most:
            raise httpx2.ReadTimeout("the model in the folder was not ready in time")
        return {
            "id": f"chatcmpl-{sha256_bytes(canonical_json(request))[:24]}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": request["model"],
            "system_fingerprint": f"sha256:{self.digest}",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": self.tokenizer.decode(new, skip_special_tokens=True),
                    },
                    "finish_reason": "stop" if ended else "length",
                }
            ],
            "usage": {"prompt_tokens": given, "completion_tokens": len(new), "total_tokens": given + len(new)},
        }

    def _prompt(self, messages: Sequence[dict[str, Any]]) -> Any:
        try:
            return self.tokenizer.apply_chat_template(
                list(messages), add_generation_prompt=True, return_dict=True, return_tensors="pt"
            ).to(self.model.device)
        except Exception as error:  # a template is a program of its author, and raises what it likes
            raise UsageError(
                f"The model's chat template does not take the conversation: {type(error).__name__}: {error}.",
                advice="Take a model whose template knows system, user and assistant.",
            ) from error

    def _generate(self, prompt: Any, request: dict[str, Any], *, most: int, until: float) -> list[int]:
        temperature = request.get("temperature") or 0.0
        drawn = {"temperature": temperature} if temperature else {"temperature": None, "top_p": None, "top_k": None}
        with self.torch.random.fork_rng(), self.torch.inference_mode():
            self.torch.manual_seed(int(request.get("seed") or 0))
            out = self.model.generate(
                **prompt,
                do_sample=temperature > 0,
                max_new_tokens=most,
                max_time=None if until == float("inf") else max(0.0, until - time.monotonic()),
                pad_token_id=self.tokenizer.pad_token_id or next(iter(self._ends()), 0),
                **drawn,
            )
        return [int(token) for token in out[0].tolist()]

    def _ends(self) -> set[int]:
        ends = self.model.generation_config.eos_token_id
        ends = self.tokenizer.eos_token_id if ends is None else ends
        return set(ends) if isinstance(ends, list) else {ends} - {None}


def _load(folder: Path) -> _Loaded:
    check_model_folder(folder)
    try:
        import torch  # extra: local-models
        import transformers  # extra: local-models
    except ImportError as error:
        raise UsageError(
            f"The model in {folder} needs PyTorch and transformers, which are not installed.",
            advice="Install them: `pip install 'counterproof[local-models]'`. Or serve the model, with vLLM or the "
            "like, and give the address.",
        ) from error
    transformers.logging.set_verbosity_error()  # what matters of its warnings is an error below
    transformers.logging.disable_progress_bar()
    digest = folder_digest(folder)
    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **safe)
        model, found = transformers.AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, dtype="auto", output_loading_info=True, **safe
        )
    except Exception as error:  # loading raises whatever a file of the folder leads to
        foreign = "it comes with code of its own, which is not run" if "trust_remote_code" in str(error) else ""
        raise UsageError(
            f"The model in {folder} can't be loaded: {foreign or f'{type(error).__name__}: {str(error)[:600]}'}.",
            allowed="A language model that transformers knows by itself, whole, with its tokenizer.",
        ) from error
    lacking = sorted({*found["missing_keys"], *map(str, found["mismatched_keys"])})
    if lacking:  # transformers fills them with numbers of chance, and goes on
        raise UsageError(
            f"The weights in {folder} are not whole: {len(lacking)} parts are missing or of another shape, such as "
            f"{lacking[0]}.",
            advice="Get the model's files anew.",
        )
    if not tokenizer.chat_template:
        raise UsageError(
            f"The tokenizer in {folder} has no chat template: it is not known how a conversation is written for it.",
            advice="Take a model that was taught to chat, or put its chat_template.jinja into the folder.",
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return _Loaded(torch=torch, model=model.to(device).eval(), tokenizer=tokenizer, digest=digest)
