"""Prose obeys its rules, and the rules find sentences that break them."""

from pathlib import Path

import pytest

import prose

PAGE = Path("page.md")
MODULE = Path("module.py")

FINE = """\
# A heading says What it likes

The flow (Eq. 5, Sarao Mannelli et al.) has one sentence a line.
Runs stop when e.g. their energy falls to L/N = 1e-8 s.
Measured energies lie above 1RSB, and the error is `known so many times`.

- An item has a line that continues
  on the next one.

| a | row of a table is not prose. It has no subject |
|---|---|

    W ← W − η ∇L.   Formulas are left out, As Are Their Capitals

```text
whoever runs this, waits. And so on
```
"""
BAD_PROSE = {
    "Whoever reads this page knows the answer.": "Whoever",
    "A plan takes so many bytes.": "so many",
    "None leaves the samples as is.": "as is",
    "The pairs converge if accuracy has its way.": "has its way",
    "A failure is no opinion.": "is no opinion",
    "A step wants a smaller error.": "step wants",
    "The clock tells the time.": "clock tells",
    "A run waits at a saddle.": "run waits",
    "Errors know that runs are correlated.": "Errors know",
    "Measured at N = 4096 from a random start.": "subject",
}
BAD_PAGE = {
    "The table is that of today.": "no diary",
    "It is twice as fast as the code before.": "no diary",
    "The flag is gone.": "no diary",
    "One sentence ends. Another begins.": "one sentence a line",
    "x" * 60 + " " + "x" * 60: "columns",
    "| 1 | " + "x " * 60 + "|": "columns",
}
BAD_FIRST_LINES = [
    "What a store holds.",
    "Who is close to the signal.",
    "How runs set out.",
    "Return what is shown at one α.",
    "Return which points are missing.",
    "Print how many programs are kept.",
    "Return the runs, and what they took.",
]


def rules(faults):
    return " ".join(fault.rule for fault in faults)


def test_plain_english_has_no_fault():
    assert list(prose.page_faults(PAGE, FINE)) == []
    source = '"""Return the bulk edge."""\n\ndef f():\n    """Return whether runs are solved."""\n'
    assert list(prose.source_faults(MODULE, source)) == []


@pytest.mark.parametrize("sentence", BAD_PROSE)
def test_a_bad_sentence_is_found_in_a_page_and_in_a_docstring(sentence):
    assert BAD_PROSE[sentence] in rules(prose.page_faults(PAGE, f"{FINE}\n{sentence}\n"))
    source = f'def f():\n    """Return W.\n\n    {sentence}\n    """\n'
    assert BAD_PROSE[sentence] in rules(prose.source_faults(MODULE, source))
    source = f'x = Parameter(help="{sentence}")\n'
    assert BAD_PROSE[sentence] in rules(prose.source_faults(MODULE, source))


@pytest.mark.parametrize("line", BAD_PAGE)
def test_a_bad_line_of_a_page_is_found_and_named(line):
    (fault,) = prose.page_faults(PAGE, f"{FINE}\n{line}\n")
    assert BAD_PAGE[line] in fault.rule
    assert fault.line == len(FINE.splitlines()) + 2


@pytest.mark.parametrize("line", BAD_FIRST_LINES)
def test_a_first_line_that_asks_is_found_wherever_it_stands(line):
    for source in (f'"""{line}"""', f'class A:\n    """{line}"""', f'x = 1\n"""{line}"""'):
        (fault,) = prose.source_faults(MODULE, source)
        assert fault.text == line


def test_sentences_end_where_they_do():
    text = "By Eq. 5, e.g. at N. Biroli, S. Sarao Mannelli et al. say so. `x.y` is i.i.d. here."
    assert prose.sentences(text) == [
        "By Eq. 5, e.g. at N.",
        "Biroli, S. Sarao Mannelli et al. say so.",
        "`x.y` is i.i.d. here.",
    ]


def test_the_project_breaks_no_rule(capsys):
    assert prose.main() == 0, capsys.readouterr().out
