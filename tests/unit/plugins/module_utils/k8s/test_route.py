"""route.py: what URLs say and which proxy stands before which server. That it is as in Go is held by
tests/acceptance/test_cases_kubeconfig.py.
"""

from __future__ import annotations

import pytest

from ansible_collections.k0rdent.kof.plugins.module_utils.k8s import route
from ansible_collections.k0rdent.kof.plugins.module_utils.k8s.route import Address, NoAddress, address, excepted


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://H.example.com", Address("https", "h.example.com", 443)),
        ("HTTPS://h:6443/", Address("https", "h", 6443)),
        ("http://h/k8s//a/../b c%2Fd?x=1#y".replace(" ", "%20"), Address("http", "h", 80, "/k8s/b%20c/d")),
        ("https://jane:p%40ss@h", Address("https", "h", 443, "", ("jane", "p@ss"))),
        ("https://[fe80::1%25eth0]:1", Address("https", "fe80::1%eth0", 1)),
    ],
)
def test_what_a_url_says(url: str, expected: Address) -> None:
    assert address(url) == expected
    assert "p@ss" not in repr(address(url))


@pytest.mark.parametrize(
    "url",
    [
        *("", "h", "h:1", "10.1.2.3", "//h", "ftp://h", "https://", "https:///x", "https://h:x", "https://h:99999"),
        *("https://[::1", "https://::1", "https://[x]", "https://h/%zz", "https://a^b@h"),
        *(" https://h", "https://h ", "https://h\n", "https://a b", "https://a\0b"),
    ],
)
def test_what_is_no_url_of_a_server_is_said_without_it(url: str) -> None:
    with pytest.raises(NoAddress) as caught:
        address(url)
    assert len(url) < 9 or url not in str(caught.value)


def test_a_zone_is_this_machines_alone() -> None:
    assert address("https://[fe80::1%25eth0]:1").authority == "[fe80::1]:1"


@pytest.mark.parametrize(
    ("server", "names", "not_"),
    [
        (
            "https://api.example.com:6443",
            "* example.com .example.com *.example.com API.example.com example.com:6443 x,,example.com",
            "xample.com *example.com example.com:443 api.example.com. b.api.example.com 10.0.0.0/8 :6443",
        ),
        ("https://example.com", "example.com example.com:443", ".example.com *.example.com example.com:6443"),
        (
            "https://10.1.2.3:6443",
            "10.0.0.0/8 10.1.2.3 10.1.2.3:6443 10.9.9.9/8 ::ffff:10.1.2.3 ::ffff:10.0.0.0/104 0.0.0.0/0",
            "10.1.2 10.1.2.3:443 10.1.2.0/255.255.255.0 10.1.2.3/33 ::/0 10.0.0.0/8:6443 .3",
        ),
        ("https://[fd00::1]", "fd00::/8 fd00::1 [fd00::1]:443 ::/0", "[fd00::1] fd00::1:443 0.0.0.0/0"),
    ],
)
def test_what_no_proxy_names(server: str, names: str, not_: str) -> None:
    where = address(server)
    assert [each for each in names.split() if not excepted(where, each)] == []
    assert [each for each in not_.split() if excepted(where, each)] == []


def test_which_spelling_of_the_environment_counts() -> None:
    environ = {"HTTPS_PROXY": "http://upper", "https_proxy": "http://lower", "no_proxy": "lower", "NO_PROXY": "upper"}
    server = address("https://h")
    assert route.proxy_of_environment(server, environ) == ("http://upper", "HTTPS_PROXY")
    assert route.proxy_of_environment(server, {**environ, "HTTPS_PROXY": ""}) == ("http://lower", "https_proxy")
    assert route.proxy_of_environment(address("http://h"), environ) is None
    assert route.no_proxy_of_environment(environ) == "upper"
    for here in ("localhost", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"):
        assert route.proxy_of_environment(address(f"https://{here}"), environ) is None
