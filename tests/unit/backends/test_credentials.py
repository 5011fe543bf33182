"""What looks like a credential is found at every place where one stands, and ordinary code is left as it is."""

from __future__ import annotations

import random
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import codecompose_ls
from codecompose_ls.backends.credentials import find_credentials
from codecompose_ls.backends.masking import MASK, mask

ALPHANUMERIC, HEX = string.ascii_letters + string.digits, "0123456789abcdef"


def drawn(size: int, alphabet: str = ALPHANUMERIC) -> str:
    """Made here, so that no credential of any look stands in this file."""
    return "".join(random.Random(size).choices(alphabet, k=size))


KEY_LINES = [drawn(size) for size in (64, 63, 62)]

#: Each with its secret between ‹ and ›, which is all of it that may be missing.
PLACES = [
    f"aws_secret_access_key = ‹{drawn(40, ALPHANUMERIC + '/+')}›",
    f"export AWS_SECRET_ACCESS_KEY=‹{drawn(40)}›",
    f"API_KEY=‹{drawn(32)}›",
    f"+SECRET_KEY=‹{drawn(32, HEX)}›",
    f"  password: ‹{drawn(18)}›",
    f"  api_token: ‹{drawn(40, HEX)}›  # of the build",
    f"ENV DB_PASSWORD=‹{drawn(16)}›",
    f'SECRET_KEY = "‹{drawn(64, HEX)}›"',
    f"SECRET_KEY = 'django-insecure-{drawn(50)}'".replace("'django", "'‹django").removesuffix("'") + "›'",
    'PASSWORD = "‹T0p$ecret!9x#Q›"',
    'password = "‹hunter2›"',
    f'apiKey := "‹{drawn(32)}›"',
    f"Authorization: Bearer ‹{drawn(40)}›",
    f"curl -H 'Authorization: Basic ‹{drawn(30)}==›'",
    f"curl -u admin:‹{drawn(16)}› https://host",
    f"mysql -uroot -p‹{drawn(14)}›",
    f"machine host login me password ‹{drawn(20)}›",
    f"machine host\n  login me\n  password ‹{drawn(20)}›\n",
    "postgres://app:‹s3cr3t›@db:5432/x",
    f"redis://:‹{drawn(20)}›@cache:6379/0",
    f"Server=db;Database=x;User Id=sa;Password=‹{drawn(14)}›;",
    f"jdbc:mysql://h/db?user=root&password=‹{drawn(14)}›",
    f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey=‹{drawn(86)}==›;EndpointSuffix=core.windows.net",
    f"https://a.blob.core.windows.net/c?sv=2020-08-04&sig=‹{drawn(43)}%3D›",
    f"<password>‹{drawn(16)}›</password>",
    f'<add key="ApiKey" value="‹{drawn(32)}›"/>',
    f'"auth": "‹{drawn(40)}==›"',
    f"//registry.example/:_authToken=‹{drawn(36)}›",
    f'login(user, "‹{drawn(28)}›")',
    f"‹xapp-1-A{drawn(10, '0123456789AB')}-{drawn(13, '123')}-{drawn(64, HEX)}›",
    f"‹whsec_{drawn(32)}›",
    f"‹SK{drawn(32, HEX)}›",
    f"‹{drawn(9, '123456789')}:AA{drawn(33)}›",
    f"‹shpat_{drawn(32, HEX)}›",
    f"‹hvs.{drawn(90)}›",
    f"admin:‹$apr1${drawn(8)}${drawn(22)}›",
    f"‹$2b$12${drawn(53)}›",
]


@pytest.mark.parametrize("line", PLACES)
def test_a_credential_is_masked_and_nothing_around_it(line: str) -> None:
    before, _, rest = line.partition("‹")
    secret, _, after = rest.partition("›")
    assert mask(before + secret + after) == before + MASK + after


@pytest.mark.parametrize(("prefix", "suffix"), [("", ""), ("# ", ""), (' "', '\\n" +'), ("> ", ""), ("+", "")])
def test_a_private_key_is_masked_however_its_lines_are_quoted(prefix: str, suffix: str) -> None:
    lines = ["-----BEGIN RSA PRIVATE KEY-----", *KEY_LINES, "-----END RSA PRIVATE KEY-----"]
    key = "\n".join(f"{prefix}{line}{suffix}" for line in lines)
    for text in (key, key.partition("\n")[2], key.rpartition("\n")[0]):
        masked = mask(f"x = 1\n{text}\n")
        assert MASK in masked and masked.startswith("x = 1\n")
        assert not any(line[:32] in masked or line[-16:] in masked for line in KEY_LINES)


@pytest.mark.parametrize(
    "line",
    [
        'password = os.environ["DB_PASSWORD"]',
        "password = get_password1(user_2)",
        "def login(password=None, token=b64decode(x1)):",
        "connect(user=name1, password=settings.password2)",
        'DATABASE = "postgres://user:password@localhost/db"',
        'url = f"https://{user}:{password1}@host"',
        "PASSWORD=${DB_PASSWORD_1}",
        'TOKEN_URL = "https://host1/oauth2/token"',
        'secret_name = "db-credentials-v2"',
        'api_key = "YOUR-API-KEY-123456"',
        'token = "<token-1>"',
        f'DIGEST = "{drawn(64, HEX)}"',
        f'"integrity": "sha512-{drawn(86)}=="',
        f"commit {drawn(40, HEX)}",
        "use Bearer authentication with OAuth2",
        "key = lambda pair: pair[0]",
        'ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"',
        "monkey = 'Chimpanzee-1'",
        "for key in sorted(tokens_2):",
        "  password: string;",
        "authorization_header_name = 'X-Api-Key-2'",
        "curl -u user https://host1",
    ],
)
def test_what_only_speaks_of_one_is_left_as_it_is(line: str) -> None:
    assert mask(line) == line


def test_code_is_left_as_it_is() -> None:
    files = sorted(Path(codecompose_ls.__file__).parent.rglob("*.py"))
    masked = [file.name for file in files if (text := file.read_text(encoding="utf-8")) != mask(text)]
    assert len(files) > 300 and masked == []


@given(st.text(alphabet="aB1=:\"'/@.-#$ \n", max_size=300))
def test_finds_are_in_order_and_apart(text: str) -> None:
    spans = find_credentials(text)
    places = [place for span in spans for place in (span.start, span.end)]
    assert places == sorted(places) and all(span.start < span.end <= len(text) for span in spans)
