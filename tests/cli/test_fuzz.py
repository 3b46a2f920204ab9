"""Whatever is typed or written into a spec: one line that names it, exit 2, no traceback."""

import random
import re

import pytest

from gapless.cli import main
from gapless.store import Store, StoreError

pytestmark = pytest.mark.slow

WORDS = ["", " ", "nan", "inf", "-1", "0", "6.5", "1e400", "0x10", "ten", "é", "\0", "a=b", "1/0"]
WORDS += ["--", "-", "'", '"', "[1]", "{}", "None", "true", "../..", "%s", "\n", "1,2", "1:2:0"]
OPTIONS = {
    "flow": "n alpha labels runs t-max seed loss protocol dtype save-at runs-per-design",
    "success": "n alpha runs seed protocol tolerance workers scheduler shard task-timeout",
    "spectrum": "n alpha at labels runs seed",
    "dmft": "alpha t-max step accuracy waiting sampling paths labels seed loss",
    "reproduce": "scale seed workers scheduler shard task-timeout print-slurm",
    "status": "json",
    "compact": "json",
    "export": "json",
}
"""Of each verb, options that take a value (or, for the last, none)."""
NEEDED = {verb: ["--n=16", "--alpha=6"] for verb in ("flow", "success", "spectrum")}
NEEDED["dmft"] = ["--alpha=6", "--paths=64", "--t-max=0.02"]


def wrong_arguments(chance: random.Random) -> tuple[list[str], set[str]]:
    """Return arguments with one mistake in them, and the words one of which must be named."""
    verb = chance.choice(list(OPTIONS))
    option = chance.choice(OPTIONS[verb].split())
    word = chance.choice(WORDS)
    start = [verb, *NEEDED.get(verb, [])]
    kind = chance.randrange(3)
    if kind == 0:
        return [*start, f"--{option}x={word}"], {f"--{option}x"}
    if kind == 1:
        return [*start, "--n=1", "--seed=-1", f"--bad-{chance.randrange(99)}"], {"--bad", "--n"}
    if verb in ("status", "compact", "export"):
        return [verb, "nowhere/" + word.replace("\0", "0")], {"dir", "file", verb}
    start = [item for item in start if not item.startswith(f"--{option}=")]
    return [*start, f"--{option}={chance.choice(BAD[option])}"], {f"--{option}"}


BAD = {
    "n": ["1", "0", "-5", "6.5", "nan", "", "ten", "1e3"],
    "alpha": ["0", "-2", "nan", "inf", "", "x", "1:2:0", "é"],
    "labels": ["", "random", "Teacher", "0"],
    "runs": ["0", "-3", "1e9", "nan", "10000001"],
    "t-max": ["0", "-1", "nan", "inf", "soon"],
    "seed": ["-1", "4294967296", "0.5", "word", ""],
    "loss": ["", "cubic", "normalised:b=1", "normalised:a=-1", "normalised:a"],
    "protocol": ["", "sgd", "FLOW"],
    "dtype": ["", "float8", "f32"],
    "save-at": ["0.2,0.1", "0.1,nan", "x", "-1", "0.1,,0.2"],
    "step": ["0", "-0.01", "nan", "x", ""],
    "accuracy": ["0", "-1", "2", "nan", "x", ""],
    "sampling": ["", "Sobol", "none"],
    "waiting": ["-1", "nan", "x", "0,0", "0.5", ""],
    "paths": ["0", "-5", "2.5", "x"],
    "runs-per-design": ["0", "-1", "2.5", "x"],
    "tolerance": ["0", "1e-7", "nan", "x", "-1e-8"],
    "workers": ["0", "-1", "1025", "two", "1.5"],
    "scheduler": ["foo://bar", "?://"],
    "shard": ["0/3", "4/3", "1", "a/b", "1/0", "-1/3", "1/3/5", "١/٣"],
    "task-timeout": ["0", "-1", "nan", "x"],
    "print-slurm": ["0", "-1", "1001", "x"],
    "scale": ["", "huge", "SMOKE"],
    "at": ["", "nowhere", "time:", "time:-1", "time:x", "energy:x"],
}


def test_1600_wrong_argument_lists(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chance = random.Random(0)
    for _ in range(1600):
        arguments, names = wrong_arguments(chance)
        code = main(arguments)
        out, err = capsys.readouterr()
        told = f"{arguments}: {code} {err}"
        assert (code, out) == (2, ""), told
        assert err.count("\n") == 1, told
        assert "Traceback" not in err, told
        assert any(name in err for name in names), told
    assert list(tmp_path.iterdir()) == []


def test_four_hundred_wrong_specs(tmp_path):
    chance = random.Random(1)
    store = Store.open(tmp_path / "s", SPEC, {})
    good = store.spec_file.read_bytes()
    for _ in range(200):
        key = chance.choice(list(SPEC))
        wrong = SPEC | {key: chance.choice([w for w in [*WORDS, 0, 1.5, [1]] if w != SPEC[key]])}
        with pytest.raises(StoreError, match=f"differs in {key}"):
            Store.open(tmp_path / "s", wrong, {})
    for _ in range(200):
        torn = bytearray(good)
        place = chance.randrange(len(torn))
        torn[place : place + chance.randrange(1, 4)] = chance.randbytes(2)
        store.spec_file.write_bytes(torn)
        told = None
        try:
            Store.open(tmp_path / "s", SPEC, {})
        except StoreError as error:
            told = str(error)
        if told is None:
            assert Store(tmp_path / "s").spec().items() >= SPEC.items()
        else:
            assert re.match(r"(out|dir): .*(spec|schema version)", told), told
            assert "\n" not in told


SPEC = {"experiment": "fig5", "version": 2, "seed": 0, "scale": "smoke", "save_at": [0.5]}
