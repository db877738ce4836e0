"""What is told of URLs and of exceptions, and what isn't."""

from __future__ import annotations

import http.client
import math
import pathlib
import re
import string
import time
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.text import telling, yaml_text

CANARY = "CANARY0123456789"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:CANARY@h:6443/p?q=a", "https://h:6443/p?q=a"),
        ("https://u:CANARY@h/p?q=a@b", "https://b"),  # or is `CANARY@h/p?q=a` the password?
        ("https://CANARY@h", "https://h"),
        ("https://u:CAN/ARY@h", "https://h"),
        ("https://u:CAN?ARY#CANARY@h", "https://h"),
        ("https://u:CAN@ARY@h/x", "https://h/x"),
        ("https://u:CAN@ARY/CANARY@h/x", "https://h/x"),
        ("https://u:@h", "https://h"),
        ("oci://h:5000/c@sha256:0a", "oci://h:5000/c@sha256:0a"),
        ("oci://u:CANARY@h:5000/c@sha256:0a", "oci://h:5000/c@sha256:0a"),
        ("https://[::1]:6443/a@b", "https://[::1]:6443/a@b"),
        ("https://h/a@b", "https://h/a@b"),
        ("https://grafana:3000/?user=me@x", "https://grafana:3000/?user=me@x"),
        ("https://grafana:3000?user=me@x", "https://grafana:3000?user=me@x"),
        ("https://grafana:3000#me@x", "https://grafana:3000#me@x"),
        ("https://[::1]:3000/a@b", "https://[::1]:3000/a@b"),
        ("https://u:CANARY@h:3000/?user=me", "https://h:3000/?user=me"),
        ("https://u:30000000/CANARY@h", "https://h"),
        ("socks5://u:CANARY@[::1]:1080", "socks5://[::1]:1080"),
        ("oci://u:['CANARY']@h/c", "oci://h/c"),
        ("no URL: a@b", "no URL: a@b"),
        ("two, http://u:CANARY@a and http://v:CANARY@b.", "two, http://a and http://b."),
        ("http://u:CANARY@a and http://v:CANARY@b.", "http://a and http://b."),
        ("oci://me:a/+CANARY=b\n@127.0.0.1:1/c/one", "oci://127.0.0.1:1/c/one"),
        ("oci://me:CAN ARY\t@h/c", "oci://h/c"),
        ("https://h:6443 refused me@x", "https://h:6443 refused me@x"),
        ("https://h said: ask me@x", "https://h said: ask me@x"),
        ("https://h: ask me@x", "https://h: ask me@x"),
        ('https://[fd00::1]:6443 answers: User "j@c.com" can', 'https://[fd00::1]:6443 answers: User "j@c.com" can'),
        ("https://10.0.0.1:6443: the watch of /x, for j@c.com", "https://10.0.0.1:6443: the watch of /x, for j@c.com"),
        ("oci://r.example.com:5000: no such host; see o@x.y", "oci://r.example.com:5000: no such host; see o@x.y"),
    ],
)
def test_urls_are_shown_without_logins(url: str, shown: str) -> None:
    assert telling.without_login(url) == shown


PASSWORDS = st.text(string.ascii_letters + string.digits + "/?#@:%+&=!$*(),;[]{}|^~`-._", min_size=1, max_size=20)


@given(PASSWORDS, st.booleans())
def test_whatever_the_password_it_is_not_shown(password: str, quoted: bool) -> None:
    # `https://me:1/x@host:6443/path` is a URL of the host `me`.
    assume(quoted or not re.match(r"\d{1,5}[/?#]", password))
    said = quote(password, safe="") if quoted else password
    shown = telling.without_login(f"see https://me:{said}@host:6443/path")
    assert shown == "see https://host:6443/path"
    assert said in telling.logins(f"https://me:{said}@host:6443/path")


_WORD = st.text(string.ascii_letters + string.digits + "-._~%+=&", max_size=12)
_HOSTS = st.sampled_from(["h", "grafana", "a.example.com", "10.0.0.1", "[::1]", "[fe80::1%25eth0]"])
_PORTS = st.none() | st.integers(1, 65535)
_REST = st.lists(st.sampled_from("/?#@:") | _WORD, max_size=8).map("".join)


@given(st.none() | st.tuples(_WORD, st.none() | _WORD), _HOSTS, _PORTS, _REST)
def test_of_a_url_the_authoritys_user_info_is_taken_out_and_nothing_else(
    login: tuple[str, str | None] | None, host: str, port: int | None, rest: str
) -> None:
    place = host if port is None else f"{host}:{port}"
    rest = rest if not rest or rest[0] in "/?#" else f"/{rest}"
    # With a login and another @ nobody knows whether both belong to a password that isn't quoted.
    assume(login is None or "@" not in rest)
    info = "" if login is None else f"{login[0]}@" if login[1] is None else f"{login[0]}:{login[1]}@"
    url = f"https://{info}{place}{rest}"
    assert telling.without_login(url) == f"https://{place}{rest}"
    assert telling.without_login(f'"{url}", {url}') == f'"https://{place}{rest}", https://{place}{rest}'
    parsed = urlsplit(telling.without_login(url))
    assert (parsed.username, parsed.hostname) == (None, host.strip("[]").lower())
    secret = None if login is None else login[1] if login[1] is not None else login[0]
    assert telling.logins(url) == ({secret, unquote(secret)} if secret else set())


@given(st.text(min_size=3, max_size=20), st.text(max_size=30))
def test_no_secret_stays_in_a_text_coded_for_a_url(hidden: str, before: str) -> None:
    shown = telling.scrubbed(f"{before}{quote(hidden, safe='')}", [hidden])
    assert quote(hidden, safe="") not in shown.replace("(hidden)", "\0")


def test_quotation_marks_end_no_login_of_a_text_that_is_a_url() -> None:
    assert "['CANARY']" in telling.logins("oci://me:['CANARY']@h/c")


def test_white_space_ends_no_login_of_a_text_that_is_a_url() -> None:
    assert telling.logins("oci://me:one\ntwo@h/c") == {"one\ntwo", "one", "two"}
    assert telling.logins("oci://me:o/ne two@h/c") == {"o/ne two"}
    assert telling.logins("oci://me:one\n@h/c") == {"one\n", "one"}
    assert telling.logins("oci://h/c is there, ask me@h") == set()
    assert telling.logins("see https://h\nme@h") == set()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pin 1234!", "pin (hidden)!"),
        ("pin 12345, x1234", "pin 12345, x1234"),
        ("a1-longer-secretb", "a(hidden)b"),
        ("MS1sb25nZXItc2VjcmV0", "(hidden)"),
        ("MTIzNA==", "(hidden)"),  # of 1234
        ("first line of it", "(hidden)"),
        ('x: first line of it second "quoted" line', "x: (hidden)"),
        ('"first line of it\\nsecond \\"quoted\\" line"', '"(hidden)"'),
        ("wrong value 1-longer-s… see it", "wrong value (hidden)… see it"),
        ("a… 1-longe…", "a… 1-longe…"),
        ("ab", "ab"),
    ],
)
def test_what_may_be_a_secret_is_hidden_in_all_its_forms(text: str, told: str) -> None:
    secrets = {"1234", "1-longer-secret", 'first line of it\nsecond "quoted" line\n', "ab"}
    hider = telling.Hider(secrets, telling.ANYWHERE)
    assert hider(text) == told
    assert hider.finds(text) is (told != text and "…" not in text)


YAML = """
enabled: true
replicas: 3
resources:
- mode: cluster
note: |
pin = 12345
sslmode=disable
token: Xy12-of-a-vault
otherwise this line
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("  enabled: true\n  replicas: 3\n  resources:\n", None),
        ("mode: cluster, note: |, pin = 12345, sslmode=disable", None),
        ("    token: Xy12-of-a-vault\n", "    (hidden)\n"),
        (r'"a: 1\notherwise this line\nb: 2"', r'"a: 1\n(hidden)\nb: 2"'),
        ("a%0Aotherwise%20this%20line", None),  # a line is known plain only
        ("xotherwise this line", None),
        ("otherwise this lines", None),
        ("cut: otherwise thi…", "cut: (hidden)…"),
        ("a:\n    - indented\n          deep\n\n\n\n", None),
    ],
)
def test_a_line_of_a_secret_counts_where_it_says_something_and_stands_alone(text: str, told: str | None) -> None:
    assert telling.Hider([YAML, " " * 4, " " * 8, "\n\n\n"], telling.ANYWHERE)(text) == (told or text)


def test_what_is_a_secret_is_hidden_inside_of_words_too() -> None:
    assert telling.scrubbed("pin x1234y", ["1234"]) == "pin x(hidden)y"


def test_what_is_a_secret_by_its_name_alone_is_hidden_where_it_stands_by_itself() -> None:
    hide = telling.Hider(["sec"], values=["100", "12345678", "gp3", "CANARY-1", "ab"])
    assert hide("1000m 100 x12345678 12345678") == "1000m (hidden) x12345678 (hidden)"
    assert hide("gp3x gp3: xCANARY-1 ab insecure") == "gp3x (hidden): x(hidden) ab in(hidden)ure"
    assert hide.all_of({"gp3": ["gp3", 100, {"a": "100"}]}) == {"gp3": ["(hidden)", 100, {"a": "(hidden)"}]}
    assert telling.scrubbed("1000m of 100", (), ["100"]) == "1000m of (hidden)"


def _leaks(*_anything: object) -> None:
    connection = http.client.HTTPConnection("h")
    connection._HTTPConnection__state = "Idle"
    connection.putrequest("GET", "/")
    connection.putheader("Authorization", f"Bearer {CANARY}\n")


def test_an_exception_is_told_as_type_and_place() -> None:
    with pytest.raises(ValueError, match=CANARY):
        _leaks()
    with pytest.raises(telling.Unexpected) as caught, telling.quotes_nothing():
        _leaks()
    said = str(caught.value)
    assert CANARY not in said
    assert "unexpected ValueError at http/client.py:" in said
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


def test_what_is_meant_for_people_goes_through() -> None:
    with pytest.raises(KeyError), telling.quotes_nothing(expected=(KeyError,)):
        raise KeyError("mine")
    with pytest.raises(KeyboardInterrupt), telling.quotes_nothing():
        raise KeyboardInterrupt


def test_of_a_template_names_and_plugins_are_told() -> None:
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar, trust_as_template

    def failed(template: str) -> str:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            Templar(DataLoader()).template(trust_as_template(template))
        return telling.of_template(caught.value)

    assert failed("{{ nowhere }}") == "'nowhere' is undefined"
    assert "filter" in failed(f"{{{{ '{CANARY}' | ansible.builtin.from_json }}}}")
    for template in (
        f"{{{{ '{CANARY}' | from_json }}}}",
        f"a{{{{{CANARY}",
        f"{{% {CANARY} %}}",
        f"{{{{ 1 {CANARY} }}}}",
        f"{{{{ '{CANARY}' | {CANARY.lower()} }}}}",
        f"{{{{ lookup('file', '/nowhere/{CANARY}') }}}}",
        f"{{{{ '{CANARY}' + 1 }}}}",
        f"{{{{ '{CANARY}' | int(base='x') | b64decode }}}}",
    ):
        assert CANARY not in failed(template), template


@pytest.mark.parametrize("secret", ["CANARY-" * 20, "CAN'ARY\"-\n\\" * 20, "CANARY\x1b\t-" * 20])
@pytest.mark.parametrize("limit", [20, 60, 80, 1000])
@pytest.mark.parametrize("before", ["", "Bearer "])
def test_of_a_quoted_value_the_beginning_of_a_secret_is_found(secret: str, limit: int, before: str) -> None:
    said = telling.quoted(before + secret, limit)
    assert len(telling.cut(before + secret, limit)) <= limit
    assert "CAN" in said
    assert "CAN" not in telling.Hider([secret])(f"variable: {said} is no name")


def test_a_value_is_quoted_as_in_source_code_and_cut_with_a_mark() -> None:
    assert telling.quoted("a") == "'a'"
    assert telling.quoted("a'b") == '"a\'b"'
    assert telling.quoted("a\nb") == r"'a\nb'"
    assert telling.quoted("a'b\"c") == r'"a' + r"'b\"c" + '"'
    assert telling.quoted(12) == "12"
    assert telling.quoted("a" * 9, 4) == "'aaa…'"
    assert telling.quoted([1] * 9, 4) == "[1,…"


@pytest.mark.parametrize("limit", [20, 60, 80])
def test_no_login_is_cut_in_two(limit: int) -> None:
    text = f"failed to fetch https://robot:{'CANARY' * 20}@charts.example.com/index.yaml: 404"
    assert "CAN" not in telling.cut(text, limit)


def test_queries_of_urls() -> None:
    text = 'Get "https://c.example.com/index.yaml?sig=CANARY&se=1": 404; is https://c.example.com/x?sv=CANARY up? Ask'
    told = 'Get "https://c.example.com/index.yaml": 404; is https://c.example.com/x up? Ask'
    assert telling.without_query(text) == told


def test_nothing_that_is_told_is_cut_in_another_way() -> None:
    plugins = pathlib.Path(telling.__file__).parents[2]
    cuts = re.compile(r"\{[^{}\"]+(?::\.\d+|(?<!hexdigest\(\))\[:\d{2,}\](?:!r)?)\}|\.\.\.[\"']\)")
    found = [f"{path}: {hit}" for path in plugins.rglob("*.py") for hit in cuts.findall(path.read_text("utf-8"))]
    assert not found


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://u:CAN'ARY@h/x and", "see https://h/x and"),
        ('see https://u:CAN"ARY@h/x and', "see https://h/x and"),
        ("see https://u:CAN<A>RY@h/x and", "see https://h/x and"),
        ("see https://CAN'ARY@h/x and", "see https://h/x and"),
        ("see https://u:CAN@A'RY@h/x and", "see https://h/x and"),
        ("see 'https://u:CAN'ARY@h/x' and", "see 'https://h/x' and"),
        ("see 'https://u:CAN\"ARY@h/x' and", "see 'https://h/x' and"),
        ("see https://u:CAN',ARY@h/x and", "see https://h/x and"),
        ("a='https://u:CAN'ARY@h/x',b=\"https://u:CANARY@h\"", "a='https://h/x',b=\"https://h\""),
        ('{"a":"https://h/x","b":"me@x"}', '{"a":"https://h/x","b":"me@x"}'),
        ('{"a":"https://h:80","b":"me@x","c":"https://u:CANARY@h"}', '{"a":"https://h:80","b":"me@x","c":"https://h"}'),
        ('["see https://h","me@x"]', '["see https://h","me@x"]'),
        ('["see https://u:CANARY@h","me@x"]', '["see https://h","me@x"]'),
        ("<https://h>, me@x, <https://u:CANARY@h>", "<https://h>, me@x, <https://h>"),
        ("it's https://h's page, me@x", "it's https://h's page, me@x"),
    ],
)
def test_a_quotation_mark_ends_no_login_of_a_url_inside_of_a_text(text: str, shown: str) -> None:
    told = telling.without_login(text)
    assert "CAN" not in told
    assert "RY" not in told
    assert told == shown
    assert bool(telling.logins(text)) is ("CAN" in text)
    assert "CAN" not in telling.scrubbed(text, telling.logins(text))


@pytest.mark.parametrize(
    "piece",
    [
        "words and more ", "https://a:b c ", "x" * 9, "https://u:p'", "'https://h',", "https://h'a", "@", "@sha1",
        "<>", " @ ", 'https://h:a",', "://", "a://b:c@d", '"https://{{ h }}:{{ p }}"', "https://", "\n",
        "https://u:p w@h",
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "https://u:p w"])
def test_texts_of_any_length_are_looked_through_in_their_length(piece: str, before: str) -> None:
    def spent(size: int) -> float:
        text = before + piece * (size // len(piece))
        best = math.inf
        for _try in range(2):
            start = time.process_time()
            telling.without_login(text)
            telling.logins(text)
            best = min(best, time.process_time() - start)
        return best

    # Ten times as long takes ten times as long; what goes by its square, a hundred times.
    assert spent(60_000) < 40 * max(spent(6_000), 0.0005)


def test_a_secret_is_found_in_the_yaml_that_we_write() -> None:
    """As text for a chart's template it is escaped, so that nothing in it is one."""
    secret = "a{{b}} \u0001'\"c"
    text = yaml_text.dump({"password": secret, "more": [{"inside": f"x{secret}y"}]})
    assert "u007B" in text
    assert telling.Hider([secret])(text).count(telling.HIDDEN) == 2
