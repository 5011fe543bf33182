"""A base to tune: the model we ship, or any Hugging Face model folder on disk, loaded with its tokenizer.

Causal models and encoder-decoders; safetensors alone, no code from the folder, nothing from the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from codecompose_ls.errors import ModelError
from codecompose_ls.models.files import content_hash, read_json, sha256
from codecompose_ls.models.model import load_model
from codecompose_ls.prompt.families import BART, find_family
from codecompose_ls.prompt.templates import CODECOMPOSE, FAMILIES, FimTemplate
from codecompose_ls.tuning.tokenizer import Encoder

#: Names a configuration may give the number of positions.
CONTEXTS = ("max_position_embeddings", "n_positions", "n_ctx")


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A model in memory, in float32, and what its folder says about it."""

    folder: Path
    content_hash: str
    #: A transformers PreTrainedModel.
    network: Any
    encoder: Encoder
    #: None for a model that was never taught to fill in the middle.
    family: str | None
    context: int
    tokenizer_hash: str
    #: What the folder's weights are written in, and so the tuned ones.
    dtype: torch.dtype
    #: codecompose.json, empty for a folder without one.
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def is_own(self) -> bool:
        """Whether our own pre-training made it, or it grew from one that it made."""
        return self.family == CODECOMPOSE.family

    @property
    def is_encoder_decoder(self) -> bool:
        return bool(self.network.config.is_encoder_decoder)

    @property
    def width(self) -> int:
        return int(self.network.config.hidden_size)


def load_base(folder: Path) -> BaseModel:
    """Load a model folder. Raises ModelError, with one line, for what is missing, damaged or of another kind."""
    if not folder.is_dir():
        raise ModelError(f"no model at {folder}: give a folder with a model, or 'base'")
    if (folder / "adapter_config.json").is_file():
        raise ModelError(f"{folder} is an adapter: tune the model it was made for, or a merged export of it")
    config = read_json(folder / "config.json")
    about = read_json(folder / "codecompose.json") if (folder / "codecompose.json").is_file() else {}
    if about and config.get("model_type") == "llama":
        # Checks more than transformers does, such as the tokenizer's hash.
        load_model(folder)
    tokenizer_path = folder / "tokenizer.json"
    tokenizer = _read_tokenizer(tokenizer_path)
    template = _template(folder, config, about, tokenizer)
    context = about.get("context") or next((config[name] for name in CONTEXTS if config.get(name)), None)
    if not isinstance(context, int):
        raise ModelError(f"the model at {folder} cannot be tuned: config.json gives no number of positions")
    network, dtype = load_network(folder)
    return BaseModel(
        folder=folder,
        content_hash=content_hash(folder),
        network=network,
        encoder=Encoder(tokenizer, template),
        family=template.family if template else None,
        context=context,
        tokenizer_hash=sha256(tokenizer_path),
        dtype=dtype,
        about=about,
    )


def load_network(folder: Path) -> tuple[Any, torch.dtype]:
    """Load a folder's weights in float32; return them and the precision they are written in. Raises ModelError."""
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    try:
        with _quiet():
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            auto: Any = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
            network, loading = auto.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        if is_out_of_memory(error):
            raise
        raise ModelError(f"the model at {folder} cannot be loaded: {_first_line(error)}") from error
    if missing := sorted(loading["missing_keys"]):
        raise ModelError(f"the model at {folder} is not whole: {len(missing)} tensors are missing, {missing[0]} first")
    if broken := [name for name, value in network.named_parameters() if not torch.isfinite(value).all()]:
        raise ModelError(f"the model at {folder} is damaged: tensor {broken[0]} has values that are not numbers")
    dtype = config.dtype if isinstance(config.dtype, torch.dtype) else torch.float32
    network.config.use_cache = False
    return network, dtype


def _template(
    folder: Path, config: Mapping[str, Any], about: Mapping[str, Any], tokenizer: Tokenizer
) -> FimTemplate | None:
    if family := about.get("family"):
        if family not in FAMILIES:
            raise ModelError(f"the model at {folder} is of family '{family}'; we know {', '.join(FAMILIES)}")
        return FAMILIES[family]

    def has(name: str) -> bool:
        return tokenizer.token_to_id(name) is not None

    if config.get("is_encoder_decoder"):
        return BART if all(map(has, BART.sentinels)) else None
    return find_family(has)


def _read_tokenizer(path: Path) -> Tokenizer:
    if not path.is_file():
        mend = "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) writes it"
        raise ModelError(f"{path} is missing: {mend}")
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ModelError(f"{path} is not a tokenizer.json ({error}); copy the model again") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory, of the machine or its GPU, is used up."""
    allocator = isinstance(error, RuntimeError) and "not enough memory" in str(error)
    return allocator or isinstance(error, (MemoryError, torch.OutOfMemoryError))


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' bars and advice off the terminal while it loads."""
    from transformers.utils import logging as chatter

    logging: Any = chatter
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()
