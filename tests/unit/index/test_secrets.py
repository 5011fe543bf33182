"""Secrets are found by their issuers' formats, and ordinary code is left alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codecompose_ls.index import secrets
from codecompose_ls.index.secrets import _ASSIGNMENT, entropy, find_secrets, has_secret, is_random, is_secret_path

# Put together here, so that no scanner takes this file itself for a leak.
KEY = "Zx81qPt7Lw3Vb9Nc5Rm2"
SECRETS = {
    "AWS access key": "AKIA" + "IOSFODNN7EXAMPLE"[:16].replace("8", "7"),
    "GitHub token": "ghp_" + "a1B2c3D4e5F6" * 3,
    "GitHub fine-grained token": "github_pat_" + "A1b2C3d4E5" * 7,
    "GitLab token": "glpat-" + KEY,
    "Slack token": "xoxb-" + "123456789012-" + KEY,
    "Slack webhook": "hooks.slack.com/services/T0ABCDEFG/B0ABCDEFG/" + KEY + "Ab12",
    "Google API key": "AIza" + "Sy0123456789abcdefghijklmnopqrstuvw",
    "Google OAuth secret": "GOCSPX-" + "0123456789abcdefghijklmnopqr",
    "Stripe key": "sk_live_" + KEY + "Gh56",
    "OpenAI or Anthropic key": "sk-ant-" + "api03-" + KEY * 2,
    "Hugging Face token": "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "PyPI token": "pypi-AgE" + "IcHlwaS5vcmc" * 5,
    "npm token": "npm_" + "a1B2c3D4e5F6" * 3,
    "SendGrid key": "SG." + "a1B2c3D4e5F6g7H8i9J0k1" + "." + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V",
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\n"
    + "MIIEpAIBAAKCAQEA75qJ2kYzq8\n" * 3
    + "-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_finds_a_secret_by_its_format_and_says_where(kind: str) -> None:
    text = f'client = connect("{SECRETS[kind]}")\nclient.run()\n'
    spans = find_secrets(text)
    assert [span.kind for span in spans] == [kind]
    assert text[spans[0].start : spans[0].end].startswith(SECRETS[kind][:20])


@pytest.mark.parametrize(
    "line",
    [
        f'password = "{KEY}"',
        f"DB_PASSWORD: '{KEY}'",
        f'{{"api_key": "{KEY}"}}',
        f'client_secret := "{KEY}"',
        f'os.environ["AUTH_TOKEN"] = "{KEY}"',
        "engine = create_engine('postgresql://admin:tr0ub4dor3x@db.internal/app')",
    ],
)
def test_finds_a_random_literal_given_to_a_name_like_password(line: str) -> None:
    assert has_secret(line)


@pytest.mark.parametrize(
    "line",
    [
        'password = "changeme"',
        'password = os.environ["PASSWORD"]',
        "token = tokenizer.next_token()",
        'SECRET_KEY = "replace-me-with-a-random-value"',
        'API_KEY_HEADER = "X-Api-Key-Authorization"',
        'api_key="YOUR_API_KEY_12345_HERE"',
        'url = "https://user:password@example.com/"',
        'token = f"{prefix}-{number:08d}-{suffix}"',
        "sha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
        "AKIA is how such keys begin; ghp_ and sk- too",
        'PEM_HEADER = "-----BEGIN PRIVATE KEY-----"',
    ],
)
def test_leaves_ordinary_code_alone(line: str) -> None:
    assert find_secrets(line) == ()


def test_spans_come_in_order_without_overlap() -> None:
    text = "\n".join(f'token = "{secret}"' for secret in SECRETS.values())
    spans = find_secrets(text)
    assert len(spans) == len(SECRETS)
    assert all(a.end <= b.start for a, b in pairwise(spans))


@given(st.text(max_size=300))
def test_any_text_can_be_searched(text: str) -> None:
    spans = find_secrets(text)
    assert has_secret(text) == bool(spans)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "deploy/.env.production",
        "prod.env",
        "certs/server.pem",
        "id_rsa",
        ".aws/credentials",
        "home/.ssh/config",
        ".netrc",
    ],
)
def test_credential_files_are_known_by_name(path: str) -> None:
    assert is_secret_path(path)


@pytest.mark.parametrize(
    "path", [".env.example", "src/environment.py", "secrets.py", "docs/keys.md", "id_rsa.py", "aws/client.py"]
)
def test_source_files_are_not_taken_for_credentials(path: str) -> None:
    assert not is_secret_path(path)


def test_entropy_is_measured_in_bits_a_character() -> None:
    assert entropy("aaaa") == 0
    assert entropy("abcd") == 2


names = st.sampled_from(["token", "Secret", "API_KEY", "password", "passphrase", "credentials", "name", "x" * 60])
gaps = st.text(" \t\n]'\"_a", max_size=5)
signs = st.sampled_from(["=", ":", ":=", "=>", "==", ">", ""])
quotes = st.sampled_from(["'", '"', "`", ""])
literals = st.sampled_from([KEY, KEY[:11], KEY[:12], KEY * 10, KEY * 11, "token='" + KEY, "correct_horse_battery"])


@given(st.lists(st.tuples(names, gaps, signs, gaps, quotes, literals, quotes).map("".join), max_size=4).map("".join))
def test_every_literal_assigned_to_a_telling_name_is_found(text: str) -> None:
    found = {(span.start, span.end) for span in find_secrets(text)}
    for match in _ASSIGNMENT.finditer(text):
        if is_random(match["literal"]):
            assert any(start <= match.start("literal") and match.end("literal") <= end for start, end in found)


@pytest.mark.parametrize("piece", [1, 7, 50, 8192])
def test_it_does_not_matter_where_a_text_is_cut_into_pieces(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"{'x' * number}\ntoken = '{KEY}'\n" for number in range(40))
    expected = find_secrets(text)
    monkeypatch.setattr(secrets, "_PIECE_CHARS", piece)
    assert find_secrets(text) == expected
    assert len(expected) == 40
