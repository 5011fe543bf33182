"""What a server is not to see of the code: all that `index.secrets` knows, and what merely looks like a credential.

There a find keeps a whole file out of everything, so it has to be sure; here it costs some asterisks in one prompt, and
a miss cannot be called back. So values without quotes count, connection strings, headers, command lines and keys of
more issuers. Hashes, identifiers, placeholders and words are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from codecompose_ls.index.secrets import SecretPattern, Span, entropy, find_secrets

#: Formats of issuers, by their look alone; anchors as in `index.secrets`.
_ISSUED = (
    SecretPattern.of("Slack token", "xapp-", r"\bxapp-\d-[A-Z0-9]+-\d+-[0-9a-f]{32,}"),
    SecretPattern.of("Slack token", "xoxe.", r"\bxoxe\.xox[bp]-\d-[A-Za-z0-9]{40,}"),
    SecretPattern.of("Stripe webhook", "whsec_", r"\bwhsec_[A-Za-z0-9+/]{24,}"),
    SecretPattern.of("Mailgun key", "key-", r"\bkey-[0-9a-f]{32}\b"),
    SecretPattern.of("Twilio key", "SK", r"\bSK[0-9a-f]{32}\b"),
    SecretPattern.of("Telegram token", ":AA", r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    SecretPattern.of("Discord token", ".", r"(?<=[A-Za-z0-9_-]{24})\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}\b"),
    SecretPattern.of("Discord webhook", "/api/webhooks/", r"/api/webhooks/\d+/[A-Za-z0-9_-]{60,}"),
    SecretPattern.of("DigitalOcean token", "_v1_", r"\bdo[opr]_v1_[0-9a-f]{64}\b"),
    SecretPattern.of("Shopify token", "shpat_|shpca_|shppa_|shpss_", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b"),
    SecretPattern.of("Linear key", "lin_api_", r"\blin_api_[A-Za-z0-9]{40}\b"),
    SecretPattern.of("Vault token", "hvs.|hvb.", r"\bhv[sb]\.[A-Za-z0-9_-]{24,}"),
    SecretPattern.of("Databricks token", "dapi", r"\bdapi[0-9a-f]{32}\b"),
    SecretPattern.of("Doppler token", "dp.", r"\bdp\.(?:pt|st|ct|sa)\.[A-Za-z0-9]{40,}"),
    SecretPattern.of("Square token", "sq0", r"\bsq0(?:atp|csp)-[A-Za-z0-9_-]{22,}"),
    SecretPattern.of("age key", "AGE-SECRET-KEY-1", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b"),
    SecretPattern.of("Hugging Face token", "hf_", r"\bhf_[A-Za-z0-9]{30,}\b"),
    SecretPattern.of("Terraform token", ".atlasv1.", r"\b[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"),
    SecretPattern.of("crypted password", "$2", r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}"),
    SecretPattern.of("crypted password", "$", r"\$(?:1|5|6|y|apr1)\$(?:[^\s$:'\"]{1,40}\$){1,3}[./A-Za-z0-9]{22,}"),
)
#: Where a value is a credential if it looks like one; anchors are in lower case.
_PLACES = (
    SecretPattern.of(
        "header", "bearer|basic|token", r"(?i)\b(?:bearer|basic|token)[ \t]+(?P<value>[\w.~+/-]{16,}={0,2})"
    ),
    SecretPattern.of(
        "password in a URL", "://", r"://[^\s/:@'\"<>{}]{0,64}:(?P<value>[^\s/@'\"<>{}]{4,100})@[A-Za-z0-9\[]"
    ),
    SecretPattern.of(".netrc", "password", r"(?i)\blogin\s+\S{1,100}\s+password\s+(?P<value>\S{6,100})"),
    SecretPattern.of("command line", "-u|--user", r"(?:-u|--user)[ =]['\"]?[^\s:'\"]{1,64}:(?P<value>[^\s'\"]{6,100})"),
    SecretPattern.of("command line", "mysql", r"\bmysql\w*\b[^\n]{0,200}?\s-p(?P<value>[^\s'\"]{6,100})"),
    SecretPattern.of("XML", "</", r"(?i)<[\w.:-]{0,40}(?:password|secret|token|key)>(?P<value>[^<\s]{6,400})</"),
    SecretPattern.of(
        "XML",
        "value=",
        r"(?i)(?:password|secret|token|key)[\"']\s{1,9}value=[\"'](?P<value>[^\"'\n]{6,400})",
    ),
    SecretPattern.of("Docker", '"auth"', r"\"auth\"\s*:\s*\"(?P<value>[A-Za-z0-9+/]{12,}={0,2})\""),
)
#: A pair of a connection string or of a URL's query, and its name, which is no argument of a call.
_PAIR = re.compile(r"(?<=[A-Za-z])=(?P<value>[^\s;&\"'(),\[\]{}<>=]{6,400}=*)(?=[;&\"'\s]|\Z)")
_PAIR_NAME = re.compile(r"(?i)(?<![\w(,] )(?<![(,])(?:password|pwd|key|token|secret|sig|signature)$")
#: A value behind a sign of assignment: quoted, or the rest of a line as in .env, INI, YAML and Docker.
_ASSIGNED = re.compile(
    r"""(?x) [=:>] [ \t]{0,4}
    (?: [A-Za-z]{0,2} (['"`]) (?P<quoted> [^\s'"`]{6,400} ) \1
      | (?P<bare> [^\s'"`(),;\[\]{}<>.$:=] [^\s'"`(),;\[\]{}<>.$=]{7,400} ={0,2} ) [ \t]* (?: \#.* )? $ )
    """,
    re.MULTILINE,
)
#: The name in front of such a sign, where it says that the value is to be hidden.
_NAME = re.compile(
    r"""(?ix)
    (?: (?P<password> passw(?:or)?d | passwd | passphrase | pwd | secret )
      | token | credential | (?: api | access | auth | account | private | sign(?:ing)? | secret | encrypt\w* ) [_-]?key
      | \b key | auth )
    [a-z0-9_-]{0,20} ['"\]]{0,2} [ \t]{0,4} [:=]? $
    """
)
#: Ends of names of what is no credential itself.
_ABOUT = re.compile(
    r"(?i)(?:name|id|path|file|url|uri|arn|field|type|header|length|size|env|var|prefix|hash|digest)s?"
    r"['\"\]]{0,2}[ \t]*:?$"
)
_NAME_CHARS = 64
#: A literal that nothing is said of; hashes have less of it, for they have but sixteen characters.
_LITERAL_ENTROPY = 4.1
_LITERAL = re.compile(r"""(['"`])(?P<value>[A-Za-z0-9+/_-]{24,200}={0,2})\1""")
#: A run of letters that may be a word, and how much of a value drawn at random may look like that.
_WORD, _WORDS_SHARE = re.compile("[A-Z]?[a-z]{4,}|[A-Z]{5,}"), 0.4
_PLACEHOLDER = re.compile(
    r"(?i)[<{]|\$[({]|%[(s]|\*{3}|x{4,}|\.\.\.|example|your|change-?me|placeholder|dummy|redacted|sha\d+-"
)
_KEY_BEGINS = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d")
_KEY_ENDS = re.compile(r"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
#: What a key is made of, with what a language or a comment puts around its lines; and how long the longest is.
_KEY_BODY = re.compile(r"[A-Za-z0-9+/=:,.\-\s\\'\"#*;()>|]*")
_KEY_LINE = re.compile(r"[^A-Za-z0-9+/]{0,8}(?:[A-Za-z0-9+/]{32,}=*)?(?:\\[nr])*[^A-Za-z0-9]{0,8}")
_KEY_CHARS = 16_384


def find_credentials(text: str) -> tuple[Span, ...]:
    """Return every stretch of a text that a server is not to see, in order, without overlaps."""
    kept: list[Span] = []
    for span in sorted((*find_secrets(text), *_candidates(text)), key=lambda span: (span.start, -span.end)):
        if kept and span.start < kept[-1].end:
            kept[-1] = Span(kept[-1].start, max(kept[-1].end, span.end), kept[-1].kind)
        else:
            kept.append(span)
    return tuple(kept)


def _candidates(text: str) -> Iterator[Span]:
    yield from _keys(text)
    for pattern in _ISSUED:
        for match in pattern.find(text):
            yield Span(*match.span(), pattern.kind)
    lower = text.lower()
    for pattern in _PLACES:
        for match in pattern.find(text, lower=lower):
            if _is_telling(match["value"]):
                yield Span(*match.span("value"), pattern.kind)
    yield from _pairs(text)
    yield from _assigned(text)
    for match in _LITERAL.finditer(text):
        value = match["value"]
        if entropy(value) > _LITERAL_ENTROPY and _is_drawn(value):
            yield Span(*match.span("value"), "random literal")


def _pairs(text: str) -> Iterator[Span]:
    for match in _PAIR.finditer(text):
        if _is_telling(match["value"]) and _PAIR_NAME.search(text[max(0, match.start() - _NAME_CHARS) : match.start()]):
            yield Span(*match.span("value"), "connection string")


def _assigned(text: str) -> Iterator[Span]:
    for match in _ASSIGNED.finditer(text):
        kind = "quoted" if match["quoted"] else "bare"
        if not _is_telling(match[kind]):
            continue
        before = text[max(0, match.start() - _NAME_CHARS) : match.start()]
        name = _NAME.search(before)
        if name is None or _ABOUT.search(before):
            continue
        if _is_drawn(match[kind]) or (name["password"] and kind == "quoted"):
            yield Span(*match.span(kind), "assigned value")


def _keys(text: str) -> Iterator[Span]:
    """Yield private keys, whole or with one end cut off, however their lines are quoted or commented."""
    ends = [(match.start(), match.end()) for match in _KEY_ENDS.finditer(text)]
    for begin in _KEY_BEGINS.finditer(text):
        limit = begin.end() + _KEY_CHARS
        body = _KEY_BODY.match(text, begin.end(), limit)
        end = next((end for start, end in ends if begin.end() <= start < limit), 0)
        yield Span(begin.start(), max(end, body.end() if body else 0), "private key")
    for start, end in ends:
        first = text.rfind("\n", 0, start) + 1
        while first > max(0, start - _KEY_CHARS):
            line = text.rfind("\n", 0, first - 1) + 1
            if not _KEY_LINE.fullmatch(text, line, first - 1):
                break
            first = line
        yield Span(first, end, "private key")


def _is_telling(value: str) -> bool:
    """Return whether a value at the place of a credential is one, and no placeholder, word or reference."""
    return bool(re.search("[0-9]", value) and re.search("[A-Za-z]", value)) and not _PLACEHOLDER.search(value)


def _is_drawn(value: str) -> bool:
    """Return whether a value looks drawn at random: of many characters, and not made of words."""
    if len(value) < 12 or not _is_telling(value):
        return False
    if re.fullmatch("[0-9a-fA-F]{20,}", value):
        return entropy(value) > 3.0
    return entropy(value) >= 3.3 and sum(map(len, _WORD.findall(value))) <= _WORDS_SHARE * len(value)
