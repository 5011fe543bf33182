"""Secrets: which text looks like a credential, and which files hold them. Standard library only.

Used wherever code could leave its place: the training filters, the index, the prompt, and the suggestions themselves.
Patterns follow the published formats of each issuer; literals assigned to password-like names must also look random.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Span:
    """A secret at text[start:end]; `kind` names its pattern."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class SecretPattern:
    """One issuer's format. A text without any of `anchors` cannot match, and is not searched."""

    kind: str
    anchors: tuple[str, ...]
    regex: re.Pattern[str]

    @classmethod
    def of(cls, kind: str, anchors: str, regex: str) -> SecretPattern:
        """Compile a pattern; `|` stands between anchors."""
        return cls(kind, tuple(anchors.split("|")), re.compile(regex))

    def find(self, text: str, *, lower: str | None = None) -> Iterator[re.Match[str]]:
        """Yield the matches in a text; `lower` is the text to look for anchors in, where they are in lower case."""
        if any(anchor in (text if lower is None else lower) for anchor in self.anchors):
            yield from self.regex.finditer(text)


#: Formats that are secrets by their look alone.
PATTERNS: tuple[SecretPattern, ...] = (
    SecretPattern.of(
        "private key",
        "PRIVATE KEY",
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----[A-Za-z0-9+/=:,.\-\s\\'\"]{32,}",
    ),
    SecretPattern.of("AWS access key", "AKIA|ASIA|ABIA|ACCA", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    SecretPattern.of("GitHub token", "ghp_|gho_|ghu_|ghs_|ghr_", r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b"),
    SecretPattern.of("GitHub fine-grained token", "github_pat_", r"\bgithub_pat_[A-Za-z0-9_]{60,255}\b"),
    SecretPattern.of("GitLab token", "glpat-|gldt-|glptt-|glrt-", r"\bgl(?:pat|dt|ptt|rt)-[A-Za-z0-9_-]{20,}"),
    SecretPattern.of("Slack token", "xox", r"\bxox[abposr]-[A-Za-z0-9-]{20,}"),
    SecretPattern.of(
        "Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{20,}"
    ),
    SecretPattern.of("Google API key", "AIza", r"\bAIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    SecretPattern.of("Google OAuth secret", "GOCSPX-", r"\bGOCSPX-[A-Za-z0-9_-]{28}(?![A-Za-z0-9_-])"),
    SecretPattern.of("Stripe key", "k_live_|k_test_", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{20,}\b"),
    SecretPattern.of(
        "OpenAI or Anthropic key",
        "sk-",
        r"\bsk-(?:ant-|proj-)?(?=[A-Za-z0-9_-]*[0-9])[A-Za-z0-9]{4,}[A-Za-z0-9_-]{28,}",
    ),
    SecretPattern.of("Hugging Face token", "hf_", r"\bhf_[A-Za-z]{34}\b"),
    SecretPattern.of("PyPI token", "pypi-AgE", r"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
    SecretPattern.of("npm token", "npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
    SecretPattern.of("SendGrid key", "SG.", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"),
    SecretPattern.of("JSON web token", "eyJ", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,}"),
)

_ASSIGNMENT = re.compile(
    r"""(?ix)
    (?: passw(?:or)?d | passphrase | secret | (?: api | access | auth | private )_?key | token | credentials? )
    [a-z0-9_-]{0,20} ['"\]]{0,2}
    \s{0,4} (?: := | => | = | : ) \s{0,4} [a-z]{0,2} (?P<quote>['"`]) (?P<literal>[^\s'"`]{12,200}) (?P=quote)
    """
)
#: A long literal behind a sign of assignment: quick to find, so that names are sought only where they could matter.
_ASSIGNED = re.compile(r"""[=:>](?=\s{0,4}(?i:[a-z]{0,2})(['"`])[^\s'"`]{12,200}\1)""")
#: The most that `_ASSIGNMENT` takes on the left of such a sign and on the right of it.
_BEFORE_CHARS, _BEHIND_CHARS = 48, 208
#: Characters searched at once: a fifth of a millisecond.
_PIECE_CHARS = 8192

_URL_PASSWORD = re.compile(r"://[^\s/:@'\"{}<>$%]{1,64}:(?P<literal>[^\s/:@'\"{}<>$]{8,100})@[A-Za-z0-9]")

_SECRET_NAMES = frozenset(
    [
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
        ".netrc",
        "_netrc",
        ".pgpass",
        ".pypirc",
        ".npmrc",
        ".htpasswd",
        ".git-credentials",
        "credentials.json",
        "service-account.json",
        "secrets.json",
        "secrets.yaml",
        "secrets.yml",
        "secrets.toml",
    ]
)
_SECRET_SUFFIXES = frozenset(
    [
        ".pem",
        ".key",
        ".p12",
        ".pfx",
        ".jks",
        ".keystore",
        ".ppk",
        ".kdbx",
        ".asc",
        ".gpg",
        ".ovpn",
        ".tfstate",
        ".tfvars",
    ]
)
_SECRET_FOLDERS = frozenset([".aws", ".ssh", ".gnupg", ".kube", ".docker", ".azure"])
#: Templates of environment files carry names only.
_TEMPLATES = (".example", ".sample", ".template", ".dist", ".defaults")


def find_secrets(text: str) -> tuple[Span, ...]:
    """Return every secret in `text`, in order, without overlaps."""
    found = sorted(_candidates(text), key=lambda span: (span.start, -span.end))
    kept: list[Span] = []
    for span in found:
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return tuple(kept)


def has_secret(text: str) -> bool:
    """Return whether `text` holds at least one secret."""
    return next(_candidates(text), None) is not None


def is_secret_path(path: str | PurePath) -> bool:
    """Return whether a file of this name holds credentials by convention, whatever its content."""
    pure = PurePath(path)
    name = pure.name.lower()
    if name == ".env" or name.startswith(".env.") or name.endswith(".env"):
        return not name.endswith(_TEMPLATES)
    return (
        name in _SECRET_NAMES
        or pure.suffix.lower() in _SECRET_SUFFIXES
        or any(part.lower() in _SECRET_FOLDERS for part in pure.parts[:-1])
    )


def entropy(text: str) -> float:
    """Return Shannon's entropy of the characters, in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def is_random(literal: str) -> bool:
    """Return whether a literal looks drawn at random: many different characters of more than one class, no words."""
    classes = sum(bool(re.search(pattern, literal)) for pattern in ("[a-z]", "[A-Z]", "[0-9]"))
    if classes < 2 or entropy(literal) < 3.3:
        return False
    # Identifiers, file names and sentences are made of words; a random string has no long run of lower-case letters.
    return not re.search(r"[A-Z]?[a-z]{5,}|[A-Z]{3,}[_-][A-Z]{3,}|[<{$%(]|\.\.\.|x{3,}|X{3,}", literal)


def _candidates(text: str) -> Iterator[Span]:
    for pattern in PATTERNS:
        for match in pattern.find(text):
            yield Span(*match.span(), pattern.kind)
    for sign in _assigned(text):
        for match in _ASSIGNMENT.finditer(text, max(0, sign.end() - _BEFORE_CHARS), sign.end() + _BEHIND_CHARS):
            if is_random(match["literal"]):
                yield Span(match.start("literal"), match.end("literal"), "assigned literal")
    for match in _URL_PASSWORD.finditer(text) if "://" in text else ():
        if entropy(match["literal"]) >= 2.7 and re.search("[0-9]", match["literal"]):
            yield Span(match.start("literal"), match.end("literal"), "password in a URL")


def _assigned(text: str) -> Iterator[re.Match[str]]:
    """Yield what `_ASSIGNED` finds, piece by piece: while a pattern is sought, no other thread can run Python."""
    for start in range(0, len(text), _PIECE_CHARS):
        for sign in _ASSIGNED.finditer(text, start, start + _PIECE_CHARS + _BEHIND_CHARS):
            if sign.start() < start + _PIECE_CHARS:
                yield sign
