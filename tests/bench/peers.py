"""The same job by a peer, in a Python of its own.

A window of a million rows, 20 numeric variables and a score, lies in Parquet; its drift from a
reference of as many rows is asked for, as each tool documents it: of NannyML the distances that we
report too, and the performance that it estimates without labels, as we do. Reading the file counts;
starting Python and importing do not, nor what a tool lets be fitted to the reference beforehand.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from app.drift import Thresholds, compare
from app.drift.foreseeing import estimated
from app.telemetry import Layout, Tally
from app.telemetry.lake_engines import opened_table
from app.telemetry.layout import fit, score_bins
from app.telemetry.promise import promise
from tests.bench.servers import BenchFailed

ROWS, VARIABLES, TURNS = 1_000_000, 20, 3
PEERS = {
    "evidently": ["evidently>=0.7", "pandas<3"],
    "nannyml": ["nannyml>=0.13", "statsmodels", "setuptools<81"],
}
_SCRIPTS = {
    "evidently": """
import json, sys, time
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset
began = time.perf_counter()
names = [f"x{at}" for at in range(20)]
reference, current = (pd.read_parquet(path, columns=names) for path in sys.argv[1:3])
report = Report([DataDriftPreset()]).run(current, reference)
report.dict()
print(json.dumps({"seconds": time.perf_counter() - began}))
""",
    "nannyml": """
import json, sys, time
import pandas as pd
import nannyml as nml
reference = pd.read_parquet(sys.argv[1])
names = [name for name in reference.columns if name.startswith("x")]
calculator = nml.UnivariateDriftCalculator(
    column_names=names, chunk_number=1,
    continuous_methods=["jensen_shannon", "kolmogorov_smirnov", "wasserstein"],
)
calculator.fit(reference)
estimator = nml.CBPE(
    problem_type="classification_binary", y_pred_proba="score", y_pred="said", y_true="label",
    metrics=["accuracy", "precision", "recall", "f1", "specificity", "roc_auc"], chunk_number=1,
)
estimator.fit(reference)
began = time.perf_counter()
current = pd.read_parquet(sys.argv[2])
calculator.calculate(current).to_df()
estimator.estimate(current).to_df()
print(json.dumps({"seconds": time.perf_counter() - began}))
""",
}


def measure(name: str) -> dict[str, Any]:
    """Return the peer's seconds, ours, and their ratio."""
    with tempfile.TemporaryDirectory() as home:
        paths = [_written(Path(home) / f"{at}.parquet", seed=at) for at in range(2)]
        python = os.environ.get(f"MODELWARD_BENCH_{name.upper()}") or _made(Path(home), name)
        theirs, peak = _asked(python, name, paths)
        mine = min(_ours(paths) for _ in range(TURNS))
    print(f"  {name} {theirs:.1f} s and {peak:,.0f} MB, ours {mine:.2f} s")
    return {
        f"vs_{name}": theirs / mine,
        f"{name}_seconds": theirs,
        f"{name}_peak_mb": peak,
        "drift_from_parquet_seconds": mine,
    }


def _ours(paths: list[Path]) -> float:
    """Return the seconds of the job: the baseline was frozen before, the window is profiled."""
    layout, baseline, promised = _frozen(paths[0])
    began = time.perf_counter()
    with opened_table(str(paths[1])) as table:
        (window,) = table.profile(layout, score="score").values()
    compare(layout, baseline, window, Thresholds())
    assert estimated(layout, window, promised["curve"], promised["metrics"], 500)
    return time.perf_counter() - began


def _frozen(path: Path) -> tuple[Layout, Tally, dict[str, Any]]:
    names = [f"x{at}" for at in range(VARIABLES)]
    some = pq.read_table(path).slice(0, 100_000)
    bins = [fit(name, some[name].to_pylist(), numeric=True) for name in names]
    layout = Layout((*bins, score_bins()))
    with opened_table(str(path)) as table:
        (profile,) = table.profile(layout, score="score").values()
    scores, labels = (some[name].to_numpy().astype(np.float64) for name in ("score", "label"))
    promised = promise(scores, labels, layout.variables[-1], probability=True)
    assert promised is not None
    return layout, profile, promised


def _written(path: Path, *, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    columns = {f"x{at}": rng.normal(0.01 * seed * at, 1, ROWS) for at in range(VARIABLES)}
    score = 1 / (1 + np.exp(-columns["x0"] - columns["x1"]))
    label = (rng.random(ROWS) < score).astype(np.int8)
    answers = {"score": score, "said": (score >= 0.5).astype(np.int8), "label": label}
    pq.write_table(pa.table({**columns, **answers}), path)
    return path


def _made(home: Path, name: str) -> str:
    venv.create(home / name, with_pip=True)
    python = str(home / name / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", *PEERS[name]], check=True)
    return python


def _asked(python: str, name: str, paths: list[Path]) -> tuple[float, float]:
    script = (
        _SCRIPTS[name] + "\nimport resource\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    done = subprocess.run(
        [python, "-c", script, *map(str, paths)],
        capture_output=True, text=True, timeout=900, check=False,
        env={**os.environ, "NML_DISABLE_USAGE_LOGGING": "1"},
    )  # fmt: skip
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise BenchFailed(f"{name} did not do its job.")
    seconds, peak = done.stdout.strip().splitlines()[-2:]
    return float(json.loads(seconds)["seconds"]), float(peak)
