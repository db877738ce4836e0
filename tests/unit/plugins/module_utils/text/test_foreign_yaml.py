"""foreign_yaml.py: what sigs.k8s.io/yaml reads is read as the same, what it refuses is refused, by its own word."""

from __future__ import annotations

import pathlib
import random
import re
from typing import Any

import pytest
import slices
from deciding import strings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.k0rdent.kof.plugins.module_utils.text import foreign_yaml
from ansible_collections.k0rdent.kof.plugins.module_utils.text.foreign_yaml import NotYaml, documents, read
from yaml_judge import As, Judge, same

_SCALARS = r"""
= << on off yes no y n Y N On OFF true True tRUE null Null NULL nULL ~ ~a .nan .NaN .nAN .inf -.inf +.INF +.nan nan
None 012 0o12 0O12 0x1f 0X1F 0b1 0B1 0b12 0b-1 0b+1 -0b1 -0b-1 +0b11 08 09.5 0o 0x 0b 0xg 00 0_8
01777777777777777777777 1_000 1__0 0x_1 ._5 .5_0 .5_ .5_0e1_0 .5_e1 1e3 1E3 1.5e+3 1. .5 .5e3 .e1 . .. -1 +1 - + 0
-0 -0.0 12e03 1e e3 -.5 -._5 1:30 190:20:30 1,000 .5e400 1e400 1e-400 1e21 1e20 1.0 1.10 1e-7 3.4e39 1234567
1234567.5 0.00001 16777217.0 100000.0 9223372036854775807 9223372036854775808 18446744073709551615
18446744073709551616 -9223372036854775809 +9223372036854775808 0xFFFFFFFFFFFFFFFF 0xFFFFFFFFFFFFFFFFFF
-0x8000000000000000 123456789012345678901234567890 2025-02-12 2025-02-12T01:30:00Z 2025-02-12T01:30 2001-1-1
2025-13-45 ! & * > | % @ ` # ? : --- ... { } [ ] , {} [] %a a%b !foo !!str *x &x
"""
SCALARS = _SCALARS.split()
TAGGED = """
!!str on|!!int 1|!!int "1"|!!int a|!!int 1.0|!!float 1|!!float x|!!float 9223372036854775808|!!bool yes|!!bool 1
!!null a|!!binary aGFsbG8=|!!binary _w==|!!binary /w==|!!binary "4pyT/w=="|!!timestamp 2001-01-01|!!timestamp foo
!!seq a|!!map a|!!set {a, b}|!!omap [a: 1]|!foo bar|!foo 12|! 12|! "12"|!<tag:yaml.org,2002:int> 7|!!merge <<|!e!x a
!!str {a: b}|!!str [a]|!!null {b: c}|!!binary 4pw=
""".strip().replace("\n", "|").split("|")  # fmt: skip
TEXTS = [
    *["a:\tb\n", "\ta: b\n", "a:\n\tb: c\n", "a: b\t# c\n", "-\ta: b\n", "a: 'b\n\tc'\n", "a: |\n\tb\n"],
    *["\t# c\na: b\n", "a: >\n  b\n\tc\n", "a: b\n\t\n", "{\ta: b}", "[\n\ta\n]", "?\ta\n:\tb\n", "---\ta: b\n"],
    *["a: |\t\n  b\n", "a: b\r\nc: d\r\n", "a: |\r\n  b\r\n  c\r\n", "a: 'b\r\n  c'\r\n", "a: b\rc: d\r"],
    *['a: "b\\\r\n  c"\r\n', "%YAML 1.1\n---\na: 1\n", "%YAML 1.2\n---\na: 1\n", "%FOO b\n---\na: 1\n"],
    *["%TAG !e! tag:x:\n---\na: !e!b c\n", "a: 1\n%b\n", "a: |\n  %c\n", "a: 'x\n%c'\n", "%a: b\n", "a: [\n%b]\n"],
    *["%\n", "# x\n%YAML 1.1\na: 1\n", "--- a\n", "---a\n", "--- |\n  a\n", "--- a: b\n", "a: b\n---\nc: d\n"],
    *["a: b\n...\n[", "a: b\n--- [", "...\n", "", "\n", "# c\n", "a: b\n]", "a b\nc: d\n", "a: b: c\n", "a: 'b", "["],
    *["a: b\x00c\n", "a: \x07\n", "a: \ud800\n", "\ufeffa: b\n", "a: b\n\ufeffc: d\n", "---\n\ufeffa: b\n"],
    *["a: x\ufeffy\n", "a: |\n  \ufeffx\n", "\ufeff---\na: b\n", "a: x\x85y\n", "a: |\n  x\u2028  y\n"],
    *["a: b\x85c: d\n", "a: \x7f\n", "a: \ufffe\n", "a: \U0010ffff\n", "<<: {a: 1}\nb: 2\n", "a: 2\n<<: {a: 1}\n"],
    *["<<: {a: 1}\na: 2\n", "<<: [{a: 1}, {a: 2, b: 3}]\n", "<<: 1\n", "<<:\n", "x: &x {a: 1}\ny: {<<: *x, b: 2}\n"],
    *["x: &x [{a: 1}]\ny: {<<: *x}\n", "x: &x [a]\ny: {<<: [*x]}\n", "<<: []\n", "'<<': {a: 1}\n"],
    *["!!merge '<<': {a: 1}\n", "&m <<: {a: 1}\nb: *m\n", "- <<\n", "<<: !foo {a: 1}\n", "<<: *x\n"],
    *["<<: {a: 1}\n<<: {a: 2, b: 2}\n", "<<: &q [{a: 1}]\nb: *q\n", "<<: {<<: {a: 1}, b: 2}\n", "! <<: {a: 1}\n"],
    *["a: 1\na: 2\n", "a: .nan\na: 1\n", "a: [.inf]\n", "a: .info\n", ".nan: 1\n", "null: 1\n", ": 1\n", "1.5: a\n"],
    *["yes: 1\n", "18446744073709551615: 1\n", "2001-01-01: 2\n", "? |\n  a\n: b\n", "? a\n", "? - a\n: b\n"],
    *["[a]: b\n", "{{}: a}", "a: &b c\nd: *b\n", "a: &b c\nd: &b e\nf: *b\n", "a: &b {c: *b}\n", "- &a x\n- &a [*a]\n"],
    *["&a [*a]", "a: *b\n", "&a a: b\nc: *a\n", "*a : b\n", "a: &x b\n*x : c\n", "a: &x []\n*x : c\n", "- &x\n- *x\n"],
    *["a: &x null\n*x : c\n", "a: &x b\nc: &y [*x, *x]\nd: *y\n", "{a:b}", "[a:b]", "{'a':1}", "[a:]", "{a:}"],
    *["[http://x:80/y]", "{it's:, b: c}", "[-]", "[,]", "[a, b: c]", "{a: , b: c}", 'a: "it\\\'s"\n'],
    *['a: "it\\\'s \\\\\\\' \\\'"\nb: [c:, d:]\n', 'a: "\\q"\n', 'a: "\\x41\\N\\_\\L\\P"\n', 'a: "\\ud800"\n'],
    *["a: |2\n   b\n", "a: |+\n  b\n\n", "a: |0\n  b\n", "a: | # c\n  b\n", "a: |\n", "a: |\n  b"],
    *["a: >\n  b\n\n  c\n   d\n", "x" * 1030 + ": a\n", "'" + "x" * 1030 + "': a\n", "? " + "x" * 1030 + "\n: a\n"],
    *['"a\nb": c\n', "{a\nb: c}"],
]  # fmt: skip
BYTES = [
    *["\ufeffa: é\n".encode("utf-16-le"), "\ufeffa: 😀\n".encode("utf-16-be"), "a: b\n".encode("utf-16-le")],
    *[b"a: \xff\n", b"a: \xed\xa0\x80\n", b"a: \xc0\x80\n", b"\xff\xfea\x00:\x00 \x00\x00\xd8\n\x00"],
    *[b"\xef\xbb\xbfa: 1"],
]
STREAMS = [
    *["a: 1\n---\nb: 2\n", "---\na: 1\n--- # c\nb: 2\n", "---a: 1\n", "--- a\n", "a: 1\n---", "---\n---\n", "", "\n"],
    *["---\n# c\n---\na: |\n  x", "a: |\n  x\n---\nb: |+\n  y\n\n", "a: |\r\n  x\r\n---\r\nb: 1\r\n"],
    *["a: 'x\r\ny'\r\n", 'a: "x\n---\ny"\n', "a: |\n  ---\n", "%YAML 1.1\n---\na: 1\n", "a: 1\n...\nb: 2\n"],
    *["---\xa0\na: 1\n", "---\x1c\na: 1\n", "---\u3000#\na: 1\n", "a: x\ry\n", "\n\n---\n\n", '{"a": 1}\n{"b": 2}\n'],
    *["\ufeff---\na: 1\n", "----\na: 1\n", "a: 1\n---\x1c\nb: 1\n", "a: |\n  x\r\r\n  y\n"],
]  # fmt: skip
#: What the module's docstring calls different.
NAMED = re.compile(
    r"\?|\\/|![^\s]*[,\[\]{}]|^\ufeff\ufeff|^[\s\ufeff]*(---\s*)?(&\S+\s*)?(\[\]|\{\}|\[a, b\]|\{a: b\})"
)


def of_ours(text: str | bytes, as_: As) -> tuple[bool, Any]:
    """Whether we read it, and the value or the message."""
    try:
        return True, read(text) if as_ == "document" else list(documents(str(text)))
    except NotYaml as error:
        return False, str(error)


def held_against(go: Judge, texts: list[str] | list[bytes], as_: As = "document") -> int:
    """Asserts that all are read as Go does; how many it reads."""
    answers = go(texts, as_)
    for text, answer in zip(texts, answers, strict=True):
        reads, value = of_ours(text, as_)
        assert reads is not bool(answer.get("error")), (text, value, answer)
        assert not reads or same(value, answer["value"]), (text, value, answer)
    return sum("value" in answer for answer in answers)


def test_the_judge_can_say_no(go: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    held_against(go, ["a: =", "a: ["])
    monkeypatch.setitem(foreign_yaml._WORDS, "=", None)
    with pytest.raises(AssertionError):
        held_against(go, ["a: ="])


@pytest.mark.parametrize("around", ["a: {}\n", "{}: a\n", "- {}\n", "a: '{}'\n", "{{a: {}}}\n", "[{}]\n", "{}"])
def test_scalars(go: Judge, around: str) -> None:
    texts = [around.format(each) for each in (*SCALARS, *TAGGED) if "'" not in around or "'" not in each]
    texts = [text for text in texts if not NAMED.search(text)]
    assert held_against(go, texts) > len(texts) / 3


def test_texts(go: Judge) -> None:
    assert held_against(go, [text for text in TEXTS if not NAMED.search(text)]) > len(TEXTS) / 2


def test_bytes(go: Judge) -> None:
    assert held_against(go, BYTES) == 3


def test_streams(go: Judge) -> None:
    assert held_against(go, STREAMS, "stream") > len(STREAMS) / 2


def test_what_is_named_as_different_still_is(go: Judge) -> None:
    """Each of the docstring's exceptions: read by one and refused by the other, never read as something else."""
    texts = ['a: "\\/"\n', "[a?]", "[!!str,b]", "a: !!foo,bar b\n", "{}: a\n", "[]*x%!foo "]
    read_by_us = [of_ours(text, "document")[0] for text in texts]
    assert read_by_us == [True, True, True, False, False, False]
    assert ["value" in answer for answer in go(texts, "document")] == [False, False, False, True, True, True]


def test_aliases_without_bounds(go: Judge) -> None:
    def laughs(levels: int, width: int) -> str:
        lines = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]\n" for n in range(1, levels)]
        return "a0: &a0 [x, x, x]\n" + "".join(lines)

    texts = [laughs(levels, width) for levels in range(1, 9) for width in (2, 3, 9)]
    texts += [
        f"a: &a [{', '.join(['x'] * size)}]\nf: [{', '.join(['y'] * filler)}]\nb: [{', '.join(['*a'] * times)}]\n"
        for size in (1, 30, 500)
        for filler in (0, 300, 3000)
        for times in (1, 99, 100, 101, 2000)
    ]
    texts += [
        "x: &x {a: 1}\n" + "".join(f"k{n}: {{<<: [*x, {{c: 1}}], d: *x}}\n" for n in range(count))
        for count in (9, 4000)
    ]
    texts.append(f"a: &a [{','.join(['x'] * 300_000)}]\nb: [*a, *a]\nc: [*a, *a]\n")
    assert 0 < held_against(go, texts) < len(texts)


def test_big_documents(go: Judge) -> None:
    """3 MB in one document, and a manifest of 22,800 lines, with what CRDs hold."""
    text = "  description: |-\n    a text: with 'quotes' #and {{braces}}\n\n    of lines\n"
    entry = "- name: n{}\n" + text + "  enum: [=, '!=', =~]\n  on: 0o17\n"
    big = "".join(entry.format(number) for number in range(30_000))
    assert len(big) > 3_000_000
    assert held_against(go, [big]) == 1
    assert held_against(go, ["---\n# Source: x\n".join(["", *[big[: big.index("- name: n80\n")]] * 41])], "stream") == 1


#: Pieces that make and break YAML, put together at random.
PIECES = [
    *["a", "b", "c: ", "a: ", "- ", "\n", "\n  ", "\n ", "\n    ", "'", '"', "[", "]", "{", "}", ", ", ",", ":"],
    *[": ", "#", " #", "|", "|\n  ", ">", "&x ", "*x", "*x ", "!!str ", "!!int ", "!foo ", "<<: ", "<<", "=", "1"],
    *["0o7", "1_0", ".5", "-", "---\n", "...\n", "---", "%", "\t", " ", "\r\n", "yes", "~", "null", "0x1", "1:30"],
    *["2001-01-01", "\\", "\\n", "@", "`", "!", "&", "*", ".inf", "é", "\x85", "\ufeff", "-\n", "- - "],
    *["a: |\n  x\n", "a: >-\n  x\n", "[a, b]", "{a: b}", "key:\n", "'q'", '"d\\n"', "\\'"],
]  # fmt: skip


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(slices.of(20_000, 5_000), id=slices.NAME),
        pytest.param(range(20_000), id="all", marks=pytest.mark.long),
    ],
)
def test_pieces_at_random(go: Judge, numbers: range) -> None:
    rng = random.Random(7)
    texts = ["".join(rng.choices(PIECES, k=rng.randint(1, 14))) for _number in range(numbers.stop)][numbers.start :]
    texts = [text for text in texts if not NAMED.search(text)]
    assert held_against(go, texts) > len(numbers) / 4


VALUES = st.recursive(
    st.sampled_from(SCALARS + TAGGED + ["a", "b c", "'x'", '"y\\n"']).filter(lambda text: "?" not in text),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4).map(lambda items: [*items])
        | st.lists(st.tuples(st.sampled_from([*"abc", "<<", "1", "on", "=", "1.5"]), inner), min_size=1, max_size=4)
    ),
    max_leaves=12,
)


def written(value: Any, indent: int, rng: random.Random) -> str:
    """The scalars as they are in block or flow style, with spaces, comments and line ends of any kind."""
    pad, end = " " * indent, rng.choice(["\n", "\n", "\r\n", " # c\n", "\t\n"])
    if isinstance(value, str):
        return f" {value}{end}"
    if rng.random() < 0.2:
        return f" {flow(value)}{end}"
    lines = []
    for each in value:
        if isinstance(each, tuple):
            lines.append(f"{pad}{each[0]}:{written(each[1], indent + 2, rng)}")
        else:
            lines.append(f"{pad}-{written(each, indent + 2, rng)}")
    return "\n" + "".join(lines)


def flow(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value[0], tuple):
        return "{" + ", ".join(f"{key}: {flow(each)}" for key, each in value) + "}"
    return "[" + ", ".join(flow(each) for each in value) + "]"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, min_size=20, max_size=60), seed=st.integers(0, 2**32))
def test_generated_documents(go: Judge, values: list[Any], seed: int) -> None:
    rng = random.Random(seed)
    texts = [written(value, 0, rng).lstrip("\n") for value in values]
    held_against(go, [text for text in texts if not NAMED.search(text)])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=40) | st.sampled_from(strings.SPECIAL[:60]), min_size=20, max_size=60))
def test_any_text(go: Judge, texts: list[str]) -> None:
    held_against(go, [text for text in texts if not NAMED.search(text)])


def test_no_message_quotes_the_text() -> None:
    for text in [*TEXTS, *(f"secret: {each}" for each in TAGGED), "a: *s3cret\n", "a: !s3cret!x b\n", "a: @s3cret\n"]:
        reads, message = of_ours(text, "document")
        assert reads or not re.search("s3cret|foo|['`\"@]", re.sub("can't|doesn't|expected '.'", "", message)), message


def test_lines_are_those_of_the_whole_text() -> None:
    with pytest.raises(NotYaml, match=r"^line 5: ") as caught:
        list(documents("---\na: 1\n---\nb: 1\nc: ]\n---\nd: 1\n"))
    assert caught.value.line == 5
    with pytest.raises(NotYaml, match=r"^line 3: "):
        read("a: 1\nb: 2\n@\n")


def test_too_deep_is_refused_before_anything_recurses() -> None:
    deepest = foreign_yaml.DEEPEST
    assert read("[" * deepest + "]" * deepest)
    with pytest.raises(NotYaml, match="nesting"):
        read("[" * 100_000)
    with pytest.raises(NotYaml, match="nested deeper"):
        read("- " * 5_000 + "a")


def test_what_stands_behind_the_first_document_can_be_a_fault() -> None:
    for text in ("a: 1\n", "a: 1\n...\n", "---\na: 1\n# c\n", "", "# c\n"):
        assert same(read(text, whole=True), read(text))
    for text in ("a: 1\n---\nb: 1\n", "[default]\nb = 1\n", "a: 1\n...\n[", "--- a\n---\n"):
        assert read(text) is not None
        with pytest.raises(NotYaml):
            read(text, whole=True)


def test_nothing_else_reads_yaml_that_others_wrote() -> None:
    """PyYAML's loaders are for our own files alone: the argument specifications."""
    plugins = pathlib.Path(foreign_yaml.__file__).parents[2]
    loads = re.compile(r"\byaml\.(safe_load|load|full_load|unsafe_load|compose)|SafeLoader|FullLoader")
    found = {path.name for path in plugins.rglob("*.py") if loads.search(path.read_text(encoding="utf-8"))}
    assert found == {"foreign_yaml.py", "spec.py"}


@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 5000, "0x" + "f" * 5000, "0" * 5000], ids=range(4))
def test_thousands_of_digits_are_no_number_to_anybody(text: str) -> None:
    """Go's library takes them for text; Python's own limit would end the run, whoever wrote them."""
    found = read(f"a: {text}")["a"]
    assert found == (0 if set(text) == {"0"} else text)
