"""The loss of a batch under any transformers model, with or without PEFT's adapters, without all logits at one time."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from codecompose_ls.tuning.head_loss import IGNORED, head_loss
from codecompose_ls.tuning.tuning_rows import Batch


class ModelLoss:
    """Call it with a batch: the summed cross entropy of its labels, in nats."""

    def __init__(self, model: Any) -> None:
        """`model` is a PreTrainedModel, or a PeftModel around one."""
        self.model = model
        self.network = model.get_base_model() if hasattr(model, "peft_config") else model
        self.head = self.network.get_output_embeddings()
        self._is_head_plain = self._probe()

    def __call__(self, batch: Batch) -> Tensor:
        labels = batch.labels.flatten()
        if self._is_head_plain:
            states = self.network.base_model(**self._inputs(batch)).last_hidden_state
            return head_loss(states.flatten(0, 1), self.head.weight, labels)
        logits = self.network(**self._inputs(batch)).logits.flatten(0, 1).float()
        return F.cross_entropy(logits, labels, reduction="sum", ignore_index=IGNORED)

    def _inputs(self, batch: Batch) -> dict[str, Any]:
        rows, length = batch.tokens.shape
        inputs: dict[str, Any] = {"use_cache": False}
        if batch.source is None:
            inputs["input_ids"] = batch.tokens
        else:
            inputs |= {"input_ids": batch.source, "attention_mask": batch.source_mask}
            inputs["decoder_input_ids"] = batch.tokens
        if self.model is not self.network and self.model.active_peft_config.is_prompt_learning:
            # As PeftModel.forward does: what was learned stands before the tokens as their past.
            inputs["past_key_values"] = self.model.get_prompt(rows)
            mask = batch.tokens.new_ones(rows, self.model.active_peft_config.num_virtual_tokens + length)
            inputs["attention_mask" if batch.source is None else "decoder_attention_mask"] = mask
        return inputs

    @torch.no_grad()
    def _probe(self) -> bool:
        """Return whether the logits are the head's product with the last states, and nothing else.

        Some families scale them or cap them (Granite, Gemma 2); theirs are computed as they compute them.
        """
        if self.head.weight.is_meta or getattr(self.head, "bias", None) is not None:
            return False
        tokens = torch.arange(4, device=self.head.weight.device)[None]
        inputs = {"input_ids": tokens, "use_cache": False}
        if self.network.config.is_encoder_decoder:
            inputs["decoder_input_ids"] = tokens
        was_training = self.network.training
        self.network.eval()
        states = self.network.base_model(**inputs).last_hidden_state
        expected = self.network(**inputs).logits
        self.network.train(was_training)
        return torch.allclose(F.linear(states, self.head.weight), expected, rtol=1e-3, atol=1e-4)
