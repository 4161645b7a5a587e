"""Checks of a program's text: for each one text that must fail and one that must not, in both languages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterproof.provenance.errors import ToolFailed
from counterproof.sandbox import Language
from counterproof.tools.checks import ProgramSource, parse_observation, static_checks
from counterproof.tools.checks.determinism import check_determinism
from counterproof.tools.checks.planned import PlanView
from counterproof.tools.checks.program import OBSERVED, check_program_text
from counterproof.tools.static_facts import read_facts

_OBSERVED = Path(__file__).parents[3] / "tools" / "checks" / "observed"
_SEED = 'SEED = int(os.environ["COUNTERPROOF_SEED"])\n'
CASES: dict[str, tuple[str, Language, str, str, str]] = {
    "literal value": ("literals", "python", '{"value": 0.588}', "", "fail"),
    "literal by a name": ("literals", "python", 'hr = 0.588\nx = {"value": hr}', "", "fail"),
    "literal n": ("literals", "python", '{"value": hr, "n": 228}', "", "fail"),
    "literal in float()": ("literals", "python", '{"value": float(0.588)}', "", "fail"),
    "computed": ("literals", "python", 'x = {"value": float(m.params[1]), "n": len(d), "ci_level": 0.95}', "", "pass"),
    "name given twice": ("literals", "python", 'hr = 0.1\nhr = f(d)\nx = {"value": hr}', "", "pass"),
    "an empty start": ("literals", "python", '{"n": 0}', "", "pass"),
    "literal beside a unit": ("literals", "python", 'row("hr", "HR", 0.588, "ratio")', "", "fail"),
    "literal in R": ("literals", "r", "list(value = 0.588)", "", "fail"),
    "computed in R": ("literals", "r", "list(value = exp(coef(m)), n = nrow(d))", "", "pass"),
    "no seed": ("seed", "python", "rng = np.random.default_rng()", "", "fail"),
    "the plan's seed": ("seed", "python", _SEED + "rng = np.random.default_rng(SEED)", "", "pass"),
    "another seed": ("seed", "python", "rng = np.random.default_rng(5)", "", "warn"),
    "split without a state": ("seed", "python", _SEED + "train_test_split(x, y)", "", "fail"),
    "split with a state": ("seed", "python", _SEED + "train_test_split(x, y, random_state=SEED)", "", "pass"),
    "nothing random": ("seed", "python", "x = np.mean(y)", "", "not_applicable"),
    "no seed in R": ("seed", "r", "sample(d$x)", "", "fail"),
    "seed in R": ("seed", "r", 'set.seed(as.numeric(Sys.getenv("COUNTERPROOF_SEED")))\nsample(d$x)', "", "pass"),
    "by a quantile": ("post_hoc", "python", "d = d[d.x < d.x.quantile(0.95)]", "all patients", "fail"),
    "by a name of a quantile": ("post_hoc", "python", "q = d.x.quantile(0.9)\nd = d[d.x < q]", "all", "fail"),
    "by residuals": ("post_hoc", "python", "d = d[abs(m.resid) < 3]", "all", "fail"),
    "by a planned limit": ("post_hoc", "python", "d = d[d.age >= 18]", "adults", "pass"),
    "outliers are planned": (
        "post_hoc",
        "python",
        "d = d[abs(m.resid) < 3]",
        "outliers beyond 3 sd are left out",
        "pass",
    ),
    "outliers are ruled out": ("post_hoc", "python", "d = d[abs(m.resid) < 3]", "no outlier is removed", "fail"),
    "in R": ("post_hoc", "r", "d <- d[abs(resid(m)) < 2, ]", "all", "fail"),
}


@pytest.mark.parametrize(("check", "language", "code", "plan", "verdict"), CASES.values(), ids=CASES)
def test_a_text_is_judged(check: str, language: Language, code: str, plan: str, verdict: str) -> None:
    made = static_checks(ProgramSource(code=code, language=language), PlanView(text=plan))
    found = {one.id: one for one in made}[check]
    assert found.verdict == verdict, found.evidence


@given(st.text(alphabet="abr'\"`\\#(){}[]-=<\n 1.:$é\ud800"), st.sampled_from(["python", "r"]))
def test_any_text_gives_facts(code: str, language: Language) -> None:
    facts = read_facts(code, language)
    assert all(call.line >= 1 for call in facts.calls)


def test_facts_of_a_chain_name_the_function_and_its_target() -> None:
    facts = read_facts('m = smf.logit("low ~ smoke", d).fit(disp=0)\n', "python")
    assert [(call.name, call.last, call.target) for call in facts.calls] == [
        ("smf.logit.fit", "fit", "m"),
        ("smf.logit", "logit", "m"),
    ]


def test_the_check_program_is_one_text_that_compiles_and_is_the_same_each_time() -> None:
    plan = PlanView(text="a plan with 'quotes' and \\ signs")
    text = check_program_text("print('''odd''')\n", "python", plan)
    compile(text, "<checks>", "exec")
    assert text == check_program_text("print('''odd''')\n", "python", plan)
    assert "/work" not in text


def test_each_check_of_the_data_is_a_file_with_its_reference() -> None:
    assert {f"{name}.py" for name, _ in OBSERVED} == {
        path.name for path in _OBSERVED.glob("*.py") if not path.name.startswith("_")
    }
    for name, check in OBSERVED:
        text = (_OBSERVED / f"{name}.py").read_text(encoding="utf-8")
        assert f"def {check}(seen: Seen) -> Finding:" in text
        assert "References\n    ----------\n" in text
        assert "doi:" in text


@pytest.mark.parametrize("data", [None, b"", b"{}", b"[]", b'{"schema": "counterproof/checks/1", "checks": []}'])
def test_what_is_no_observation_is_refused(data: bytes | None) -> None:
    with pytest.raises(ToolFailed, match=r"The check program wrote no usable|What the check program wrote is not"):
        parse_observation(data)


def _observation(**changed: str) -> bytes:
    check = {"id": "x", "title": "X?", "verdict": "pass", "evidence": ["one"]}
    whole = {"schema": "counterproof/checks/1", "checks": [check], "error": "", "results_sha256": "ab", "warnings": []}
    return json.dumps({**whole, **changed}).encode()


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "pass"),
        ({"results_sha256": "cd"}, "fail"),
        ({"error": "ValueError"}, "fail"),
        ({"results_sha256": ""}, "not_applicable"),
    ],
    ids=["the same", "other bytes", "it failed", "not run"],
)
def test_check_determinism(changed: dict[str, str], verdict: str) -> None:
    assert check_determinism("ab", parse_observation(_observation(**changed))).verdict == verdict


def test_check_determinism_without_an_observation() -> None:
    assert check_determinism("ab", None).verdict == "not_applicable"
