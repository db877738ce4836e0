"""What is told of URLs and of exceptions, and what isn't."""

from __future__ import annotations

import http.client
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils import telling

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
        ("socks5://u:CANARY@[::1]:1080", "socks5://[::1]:1080"),
        ("no URL: a@b", "no URL: a@b"),
        ("two, http://u:CANARY@a and http://v:CANARY@b.", "two, http://a and http://b."),
    ],
)
def test_urls_are_shown_without_logins(url: str, shown: str) -> None:
    assert telling.without_login(url) == shown


PASSWORDS = st.text(string.ascii_letters + string.digits + "/?#@:%+&=!$*(),;[]{}|^~`-._", min_size=1, max_size=20)


@given(PASSWORDS, st.booleans())
def test_whatever_the_password_it_is_not_shown(password: str, quoted: bool) -> None:
    said = quote(password, safe="") if quoted else password
    shown = telling.without_login(f"see https://me:{said}@host:6443/path")
    assert shown == "see https://host:6443/path"
    assert said in telling.logins(f"https://me:{said}@host:6443/path")


@given(st.text(min_size=3, max_size=20), st.text(max_size=30))
def test_no_secret_stays_in_a_text_coded_for_a_url(hidden: str, before: str) -> None:
    shown = telling.scrubbed(f"{before}{quote(hidden, safe='')}", [hidden])
    assert quote(hidden, safe="") not in shown.replace("(hidden)", "\0")


def test_white_space_ends_no_login_of_a_text_that_is_a_url() -> None:
    assert telling.logins("oci://me:one\ntwo@h/c") == {"one\ntwo", "one", "two"}
    assert telling.logins("oci://me:o/ne two@h/c") == {"o/ne two"}
    assert telling.logins("oci://h/c is there, ask me@h") == set()
    assert telling.logins("see https://h\nme@h") == set()


def test_secrets_are_hidden_wherever_they_stand_in_a_value() -> None:
    told = {"diff": {"after": f"note: {CANARY}\n"}, "took": [CANARY], "rc": 1}
    hidden = {"diff": {"after": "note: (hidden)\n"}, "took": ["(hidden)"], "rc": 1}
    assert telling.scrubbed_all(told, [CANARY]) == hidden


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
