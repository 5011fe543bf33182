"""The network: a Llama decoder (RMSNorm, RoPE, grouped-query attention, SwiGLU, tied embeddings, no biases) in torch.

Queries, keys and values share one matrix here, and so do gate and up; `tuning.export` writes them apart, under the
names `transformers.LlamaForCausalLM` reads. Knows nothing about tokens, data or optimisers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codecompose_ls.tuning.head_loss import head_loss


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Shape of a network. `hidden` is the width of the residual stream, `ffn` the inner width of SwiGLU."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    ffn: int
    #: Small models spend their parameters better in the layers (Tao et al. 2024): docs/decisions/0005.
    vocabulary: int = 8_192
    head_dim: int = 64
    context: int = 1024
    rope_theta: float = 100_000.0
    norm_eps: float = 1e-5


PRESETS: dict[str, NetworkConfig] = {
    "tiny": NetworkConfig(layers=2, hidden=64, heads=2, kv_heads=1, ffn=128, vocabulary=512, head_dim=32, context=128),
    "7m": NetworkConfig(layers=6, hidden=256, heads=4, kv_heads=2, ffn=768),
    "30m": NetworkConfig(layers=9, hidden=512, heads=8, kv_heads=2, ffn=1408),
}


def rotary(length: int, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Return cosines and sines, (length, head_dim), of rotary positions, halves split as in Llama (Su et al. 2021)."""
    frequencies = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn (batch, heads, length, head_dim) by its positions."""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return (x * cos + turned * sin).to(x.dtype)


class Attention(nn.Module):
    """Causal grouped-query attention (Ainslie et al. 2023)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        width = config.head_dim * (config.heads + 2 * config.kv_heads)
        self.qkv = nn.Linear(config.hidden, width, bias=False)
        self.out = nn.Linear(config.heads * config.head_dim, config.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        config = self.config
        batch, length, _ = x.shape
        qkv = self.qkv(x).view(batch, length, config.heads + 2 * config.kv_heads, config.head_dim).transpose(1, 2)
        q, k, v = qkv.split((config.heads, config.kv_heads, config.kv_heads), dim=1)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        groups = config.heads // config.kv_heads
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        mixed: Tensor = self.out(y.transpose(1, 2).reshape(batch, length, -1))
        return mixed


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.hidden, 2 * config.ffn, bias=False)
        self.down = nn.Linear(config.ffn, config.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        narrowed: Tensor = self.down(F.silu(gate) * up)
        return narrowed


class Block(nn.Module):
    """One pre-norm decoder layer."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
        self.attention = Attention(config)
        self.ffn_norm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
        self.ffn = FeedForward(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cos, sin)
        x = x + self.ffn(self.ffn_norm(x))
        return x


class Network(nn.Module):
    """Tokens (batch, length) to logits (batch, length, vocabulary), or to a training loss."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.hidden)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.hidden, eps=config.norm_eps)
        cos, sin = rotary(config.context, config.head_dim, config.rope_theta)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        """Draw weights from N(0, 0.02), and what writes to the residual stream smaller with depth (GPT-2)."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                deep = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * self.config.layers) ** 0.5 if deep else 0.02)

    def hidden(self, tokens: Tensor) -> Tensor:
        """Return the last layer's normalised output, (batch, length, hidden)."""
        length = tokens.shape[1]
        x: Tensor = self.embedding(tokens)
        cos, sin = self.cos[:length], self.sin[:length]
        for block in self.blocks:
            x = block(x, cos, sin)
        normalised: Tensor = self.norm(x)
        return normalised

    def forward(self, tokens: Tensor) -> Tensor:
        return F.linear(self.hidden(tokens), self.embedding.weight)

    def loss(self, tokens: Tensor, targets: Tensor) -> Tensor:
        """Return the summed cross entropy in nats; `targets` (batch, length) are -100 where no loss is taken."""
        return head_loss(self.hidden(tokens).flatten(0, 1), self.embedding.weight, targets.flatten())
