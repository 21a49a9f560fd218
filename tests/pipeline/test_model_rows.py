"""The rows of the fault catalogue on models (P), each through `radresp score`.

One small study is extracted and learned from by the commands themselves. Every row spoils a copy of
the model folder and shows exit code, code, words and file, and that nothing was run or written.
Most damage is sealed again, manifest and digests and all: hashes see what happened to a model
after it was made, not who made it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import skops.io
from builders_cohort import GRID, picture
from builders_masks import save_nifti
from commands import Shown, radresp, tree
from sklearn.preprocessing import FunctionTransformer

import radresp as radresp_package
from radresp import classify, pipeline
from radresp.errors import ModelError
from radresp.io import load_features, load_model, save_model, versions
from radresp.pipeline.score_checks import PYRADIOMICS, check_extractor

CASES = 20
HEAD = "case_id,pre_t2,pre_adc,pre_tumour"
PLAN = """\
regions: [pre.t2.tumour, pre.adc.tumour]
registration: {method: rigid_mi}
registration_dwi: {method: header}
features:
  t2: {families: {original: {shape: false, classes: [firstorder]}}, changes: {}}
  adc: {families: {original: {shape: false, classes: [firstorder]}}, changes: {}}
  measures: {}
classifier:
  method: elastic_net
  settings:
    {outer_folds: 2, inner_folds: 2, repeats: 1, ensemble: 10, features: [4], strengths: [0.3],
     l1_ratios: [0.1]}
"""
PREFIX = "classifier_"
RECORD = f"{PREFIX}model.json"
HEAD_FILE = f"{PREFIX}residual.skops"
SCHEMA = "schema.json"


# ---------------------------------------------------------------------------------- the study


def write_case(folder: Path, number: int, *, far: bool = False) -> str:
    """Images of one made-up patient, every second with residual tumour; its row of a table."""
    rng = np.random.default_rng(number)
    case = folder / f"c{number:02d}"
    case.mkdir(parents=True)
    z, y, x = np.indices(GRID.size[::-1], dtype=float)
    middle = np.array([5.5, 17, 24]) + rng.uniform(-1, 1, 3)
    ball = ((z - middle[0]) / 4) ** 2 + ((y - middle[1]) / 6) ** 2 + ((x - middle[2]) / 6) ** 2 <= 1
    bright, dense = 60 + 40 * (number % 2) + rng.normal(0, 15), 100 + 250 * (number % 2)
    if far:
        bright, dense = 2000, -1500
    t2 = picture(number) + bright * ball
    adc = rng.normal(1400, 100, ball.shape) - dense * ball
    save_nifti(case / "t2.nii", t2.astype(np.float32), GRID)
    save_nifti(case / "adc.nii", adc.astype(np.float32), GRID)
    save_nifti(case / "tumour.nii", ball.astype(np.uint8), GRID)
    return ",".join([case.name, *(f"{case.name}/{name}.nii" for name in ("t2", "adc", "tumour"))])


def write_table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEAD, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, a table of a new case and of one like no other, features, and a model."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "plan.yaml").write_text(PLAN)
    rows = [write_case(folder, number) for number in range(CASES)]
    write_table(folder / "cohort.csv", *rows)
    write_table(folder / "new.csv", write_case(folder, 40))
    write_table(folder / "far.csv", write_case(folder, 41, far=True))
    said = [f"c{n:02d},{('complete', 'residual')[n % 2]},pCR" for n in range(CASES)]
    (folder / "outcomes.csv").write_text("\n".join(["case_id,outcome,endpoint", *said]) + "\n")
    extract(folder, "cohort.csv", folder / "features")
    trained = radresp(
        "train", folder / "features", "--outcomes", folder / "outcomes.csv",
        "-o", folder / "model", "--progress", "none", "--json",
    )  # fmt: skip
    assert trained.code == 0, trained.out
    return folder


def extract(home: Path, table: str, out: Path) -> None:
    shown = radresp(
        "extract", home / table, "-o", out, "--plan", home / "plan.yaml", "--progress", "none",
        "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.out


@pytest.fixture
def model(home: Path, tmp_path: Path) -> Path:
    """A copy of the sound model to spoil."""
    return Path(shutil.copytree(home / "model", tmp_path / "model"))


def score(table: Path, model: Path, *more: str) -> Shown:
    """Score a table's one case into ``out`` beside the model."""
    return radresp("score", table, "--model", model, "-o", model.parent / "out", "--json", *more)


def refusal(home: Path, model: Path, table: str = "new.csv") -> tuple[int, dict[str, Any]]:
    """Exit code and error of scoring with a bad model, which leaves everything as it is."""
    before = tree(model) if model.is_dir() else {}
    shown = score(home / table, model)
    error = shown.json.get("error")
    assert error is not None, f"accepted with exit {shown.code}"
    assert error["expected"]
    assert error["action"]
    assert not (model.parent / "out").exists()
    assert not (model.parent / "mark").exists()
    assert str(model.parent) not in shown.out
    assert before == (tree(model) if model.is_dir() else {})
    return shown.code, error


# ---------------------------------------------------------------------------------- the damage

Damage = Callable[[Path], None]
Members = dict[str, bytes]


def sealed(edit: Callable[[Members], object], said: Mapping[str, Any] | None = None) -> Damage:
    """Change members, and what the manifest says, and make all digests fit again."""

    def damage(folder: Path) -> None:
        found = load_model(folder)
        members = dict(found.members)
        edit(members)
        save_model(folder, members, {**found.manifest, **(said or {})}, overwrite=True)

    return damage


def recorded(edit: Callable[[dict[str, Any]], object]) -> Damage:
    """Change the classifier's record and seal it."""

    def change(members: Members) -> None:
        record = json.loads(members[RECORD])
        edit(record)
        members[RECORD] = json.dumps(record).encode()

    return sealed(change)


def reworded(name: str, old: bytes, new: bytes) -> Damage:
    def change(members: Members) -> None:
        assert old in members[name]
        members[name] = members[name].replace(old, new)

    return sealed(change)


def replaced(name: str, content: bytes, said: Mapping[str, Any] | None = None) -> Damage:
    return sealed(lambda members: members.update({name: content}), said)


def removed(name: str) -> Damage:
    return sealed(lambda members: members.pop(name))


def unsaid(name: str) -> Damage:
    """A manifest that leaves something out."""
    return sealed(lambda members: None, {name: None})


def protocol(edit: Callable[[dict[str, Any]], object]) -> Damage:
    """Change what the model says of its training images and seal it."""

    def change(members: Members) -> None:
        said = json.loads(members["protocol.json"])
        edit(said)
        members["protocol.json"] = json.dumps(said).encode()

    return sealed(change)


def planned(more: bytes, said: Mapping[str, Any] | None = None) -> Damage:
    """Add lines to the plan and seal it."""

    def change(members: Members) -> None:
        members["plan.yaml"] += more

    return sealed(change, said)


def classified(edit: Callable[[Any], object]) -> Damage:
    """Change the scikit-learn classifier and seal it."""

    def change(members: Members) -> None:
        classifier = skops.io.loads(members[HEAD_FILE], trusted=[])
        edit(classifier)
        members[HEAD_FILE] = skops.io.dumps(classifier)

    return sealed(change)


def archived(edit: Callable[[dict[str, bytes]], object], *, links: tuple[str, ...] = ()) -> Damage:
    """Change the entries of the classifier's archive and seal it."""

    def change(members: Members) -> None:
        with zipfile.ZipFile(io.BytesIO(members[HEAD_FILE])) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        edit(entries)
        members[HEAD_FILE] = zipped(entries, links)

    return sealed(change)


def zipped(entries: Mapping[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o120777 << 16 if name in links else 0
            archive.writestr(entry, data)
    return buffer.getvalue()


class Payload:
    """Makes a folder beside the model if it is ever unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.mark),))


def payload(folder: Path) -> bytes:
    return pickle.dumps(Payload(folder.parent / "mark"))


def file_of(wrap: Callable[[bytes], bytes] = bytes) -> Damage:
    """A single file where the model folder stood."""

    def damage(folder: Path) -> None:
        shutil.rmtree(folder)
        folder.write_bytes(wrap(payload(folder)))

    return damage


def as_torch_keeps_it(data: bytes) -> bytes:
    return zipped({"archive/data.pkl": data, "archive/version": b"3\n"})


def only_a_pickle(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "model.pkl").write_bytes(payload(folder))


def pickled(name: str) -> Damage:
    return lambda folder: sealed(lambda members: members.update({name: payload(folder)}))(folder)


def pickle_in_an_array(folder: Path) -> None:
    buffer = io.BytesIO()
    content = np.array([Payload(folder.parent / "mark")], dtype=object)
    np.save(buffer, content, allow_pickle=True)
    archived(lambda entries: entries.update({"1.npy": buffer.getvalue()}))(folder)


def cut(folder: Path) -> None:
    path = folder / HEAD_FILE
    path.write_bytes(path.read_bytes()[:-100])


def linked(folder: Path) -> None:
    path = folder / HEAD_FILE
    shutil.move(path, folder.parent / "elsewhere.skops")
    path.symlink_to(folder.parent / "elsewhere.skops")


def climbing(folder: Path) -> None:
    secret = folder.parent / "secret"
    secret.write_bytes(b"secret")
    sums = folder / "SHA256SUMS"
    line = f"{hashlib.sha256(b'secret').hexdigest()}  ../secret\n"
    sums.write_text(line + sums.read_text())


def climbing_entry(entries: dict[str, bytes]) -> None:
    """The first array under a name that climbs, in the archive and where it is asked for."""
    entries["../1.npy"] = entries.pop("1.npy")
    entries[SCHEMA] = entries[SCHEMA].replace(b'"1.npy"', b'"../1.npy"')


def strange(members: Members) -> None:
    members[HEAD_FILE] = skops.io.dumps(FunctionTransformer(os.getcwd))


def renamed(folder: Path) -> None:
    """A feature under another name in the whole record, as another version might call it."""
    record = json.loads((folder / RECORD).read_bytes())
    old = json.dumps(record["heads"]["residual"]["columns"][0]).encode()
    reworded(RECORD, old, b'"pre.t2.tumour.original.firstorder_Typo"')(folder)


def newer(folder: Path) -> None:
    """A folder of the next format, whole in itself."""
    manifest = folder / "model.json"
    body = json.loads(manifest.read_text())
    body["format_version"] += 1
    body["radresp_version"] = "99.0"
    manifest.write_text(json.dumps(body))
    names = sorted(set(tree(folder)) - {"run.json", "SHA256SUMS"})
    digests = [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names]
    text = "".join(f"{d}  {name}\n" for d, name in zip(digests, names, strict=True))
    (folder / "SHA256SUMS").write_text(text)


def older(record: dict[str, Any]) -> None:
    record["versions"]["scikit-learn"] = "0.20.0"


def older_and_off(record: dict[str, Any]) -> None:
    older(record)
    record["reference"]["p"][0] += 1e-4


def not_finite(classifier: Any) -> None:
    classifier.coef_[0, 0] = np.nan


def swapped(classifier: Any) -> None:
    classifier.coef_ = classifier.coef_[:, ::-1].copy()


# ---------------------------------------------------------------------------------- the rows


LATER = {"versions": {"radresp": "99.0"}}


class Row(NamedTuple):
    """Damage to a model: code, exit code, the damage, the file named, words of the error."""

    code: str
    exit: int
    damage: Damage
    file: str
    words: str = ""


ROWS = {
    "P01 pickle": Row("MODEL_FORMAT", 7, file_of(), "model", "a file stands here"),
    "P01 torch": Row("MODEL_FORMAT", 7, file_of(as_torch_keeps_it), "model", "a file"),
    "P01 folder": Row("MODEL_FORMAT", 7, only_a_pickle, "model", "lacks SHA256SUMS"),
    "P01 weights": Row("MODEL_FORMAT", 7, pickled(HEAD_FILE), HEAD_FILE, "cannot be read"),
    "P01 record": Row("MODEL_FORMAT", 7, pickled(RECORD), RECORD, "not JSON"),
    "P01 array": Row("MODEL_FORMAT", 7, pickle_in_an_array, HEAD_FILE, "'1.npy' is no array"),
    "P03 truncated": Row("MODEL_HASH", 7, cut, HEAD_FILE, HEAD_FILE),
    "P03 missing": Row(
        "MODEL_MEMBER", 7, lambda f: (f / HEAD_FILE).unlink(), HEAD_FILE, "is missing"
    ),
    "P03 extra": Row(
        "MODEL_MEMBER", 7, lambda f: (f / "more.skops").touch(), "more.skops", "is not listed"
    ),
    "P03 link": Row("MODEL_MEMBER", 7, linked, HEAD_FILE, "is a link"),
    "P03 climbing": Row("MODEL_MEMBER", 7, climbing, "secret", "../secret"),
    "P03 sealed without a head": Row(
        "MODEL_FORMAT", 7, removed(HEAD_FILE), HEAD_FILE, "is missing"
    ),
    "P03 sealed without a record": Row("MODEL_FORMAT", 7, removed(RECORD), RECORD, "is missing"),
    "P03 sealed without a plan": Row(
        "MODEL_FORMAT", 7, removed("plan.yaml"), "plan.yaml", "is missing"
    ),
    "P03 empty plan": Row(
        "MODEL_FORMAT", 7, replaced("plan.yaml", b""), "plan.yaml", "holds no keys"
    ),
    "P03 plan of bytes": Row(
        "MODEL_FORMAT", 7, replaced("plan.yaml", b"\xff\xfe"), "plan.yaml", "not UTF-8"
    ),
    "P03 plan of no date": Row(
        "MODEL_FORMAT", 7, replaced("plan.yaml", b"seed: 2020-99-99"), "plan.yaml", "ValueError"
    ),
    "P03 plan of a long text": Row(
        "MODEL_FORMAT", 7, planned(b"#" * 1_000_001), "plan.yaml", "more than any plan"
    ),
    "P03 plan of other words": Row(
        "MODEL_FORMAT", 7, replaced("plan.yaml", b"x: 1\n"), "plan.yaml", "unknown key x"
    ),
    "P03 sealed without a protocol": Row(
        "MODEL_FORMAT", 7, removed("protocol.json"), "protocol.json", "is missing"
    ),
    "P03 empty protocol": Row(
        "MODEL_FORMAT", 7, replaced("protocol.json", b""), "protocol.json", "Invalid JSON"
    ),
    "P03 protocol without cases": Row(
        "MODEL_FORMAT", 7, replaced("protocol.json", b"{}"), "protocol.json", "cases"
    ),
    "P03 protocol of other words": Row(
        "MODEL_FORMAT", 7, protocol(lambda p: p.update(more=1)), "protocol.json", "more"
    ),
    "P03 protocol of no range": Row(
        "MODEL_FORMAT",
        7,
        protocol(lambda p: p["acquisition"].update({"pre.t2.slice_mm": [1.0]})),
        "protocol.json",
        "pre.t2.slice_mm",
    ),
    "P03 protocol of words for numbers": Row(
        "MODEL_FORMAT",
        7,
        protocol(lambda p: p["acquisition"].update({"pre.t2.slice_mm": ["thin"]})),
        "protocol.json",
        "pre.t2.slice_mm",
    ),
    "P03 sealed without predictions": Row(
        "MODEL_FORMAT", 7, removed("out_of_fold.csv"), "out_of_fold.csv", "is missing"
    ),
    "P03 empty predictions": Row(
        "MODEL_FORMAT", 7, replaced("out_of_fold.csv", b""), "out_of_fold.csv", "no table"
    ),
    "P03 predictions of bytes": Row(
        "MODEL_FORMAT", 7, replaced("out_of_fold.csv", b"\xff"), "out_of_fold.csv", "not UTF-8"
    ),
    "P03 predictions of other words": Row(
        "MODEL_FORMAT", 7, replaced("out_of_fold.csv", b"a,b\n1,2\n"), "out_of_fold.csv", "case_id"
    ),
    "P03 predictions of fewer cases": Row(
        "MODEL_FORMAT",
        7,
        replaced("out_of_fold.csv", b"case_id,complete\nc00,0.5\n"),
        "out_of_fold.csv",
        "1 rows of 1 cases",
    ),
    "P03 manifest without versions": Row(
        "MODEL_FORMAT", 7, unsaid("versions"), "model.json", "does not say versions"
    ),
    "P03 manifest without origin": Row(
        "MODEL_FORMAT", 7, unsaid("training_data"), "model.json", "does not say training_data"
    ),
    "P03 archive without an array": Row(
        "MODEL_FORMAT", 7, archived(lambda e: e.pop("1.npy")), HEAD_FILE, "'1.npy' is missing"
    ),
    "P03 archive without a schema": Row(
        "MODEL_FORMAT", 7, archived(lambda e: e.pop(SCHEMA)), HEAD_FILE, "'schema.json' is missing"
    ),
    "P03 archive with a link": Row(
        "MODEL_FORMAT",
        7,
        archived(lambda e: e.update({"1.npy": b"/etc/passwd"}), links=("1.npy",)),
        HEAD_FILE,
        "'1.npy' is a link",
    ),
    "P03 archive with a climbing name": Row(
        "MODEL_FORMAT", 7, archived(climbing_entry), HEAD_FILE, "../1.npy"
    ),
    "P03 archive with an absolute name": Row(
        "MODEL_FORMAT", 7, archived(lambda e: e.update({"/evil": b"x"})), HEAD_FILE, "/evil"
    ),
    "P03 archive with more than asked for": Row(
        "MODEL_FORMAT", 7, archived(lambda e: e.update(evil=b"x")), HEAD_FILE, "'evil' is not used"
    ),
    "P04": Row("MODEL_UNTRUSTED", 7, sealed(strange), HEAD_FILE, "getcwd"),
    "P05 renamed": Row(
        "FEATURE_SCHEMA", 7, renamed, RECORD, "pre.t2.tumour.original.firstorder_Typo"
    ),
    "P05 reordered": Row(
        "MODEL_SELF_TEST", 7, recorded(lambda r: r["columns"].reverse()), RECORD, "is off"
    ),
    "P05 weights in another order": Row(
        "MODEL_SELF_TEST", 7, classified(swapped), RECORD, "reference case is off"
    ),
    "P06 setting": Row(
        "EXTRACTION_MISMATCH",
        7,
        reworded("plan.yaml", b"scale: 1.0", b"scale: 2.0"),
        "plan.yaml",
        "plan",
    ),
    "P06 software": Row(
        "EXTRACTION_MISMATCH",
        7,
        sealed(lambda m: None, {"versions": {"pyradiomics-bhklab": "2.0.0"}}),
        "model.json",
        "(original) were made by pyradiomics-bhklab 2.0.0",
    ),
    "P07": Row(
        "MODEL_VERSION", 7, recorded(older_and_off), RECORD, "made with scikit-learn 0.20.0"
    ),
    "P08": Row("MODEL_NEWER", 7, newer, "model.json", "written by radresp 99.0"),
    "P08 plan": Row("MODEL_NEWER", 7, planned(b"scanner: x\n", LATER), "plan.yaml", "key scanner"),
    "P08 method": Row(
        "MODEL_NEWER",
        7,
        replaced("plan.yaml", b"t2: {method: wishful}", LATER),
        "plan.yaml",
        "written by radresp 99.0",
    ),
    "P08 plan that is none": Row(
        "MODEL_FORMAT", 7, replaced("plan.yaml", b"[", LATER), "plan.yaml", "not valid YAML"
    ),
    "P08 classifier": Row(
        "MODEL_NEWER", 7, recorded(lambda r: r.update(format=r["format"] + 1)), RECORD
    ),
    "P09 NaN": Row("MODEL_WEIGHTS", 7, classified(not_finite), RECORD, "NaN or infinite"),
    "P09 infinite": Row(
        "MODEL_WEIGHTS",
        7,
        recorded(lambda r: r["platt"].update(slope=np.inf)),
        RECORD,
        "NaN or infinite",
    ),
    "P15 positive class": Row(
        "LABEL_CODING", 7, recorded(lambda r: r.update(positive="complete")), RECORD, "complete"
    ),
    "P15 other classes": Row(
        "LABEL_CODING",
        7,
        recorded(lambda r: r.update(classes=["benign", "malignant"])),
        RECORD,
        "benign",
    ),
    "P15 turned round": Row(
        "LABEL_CODING",
        7,
        classified(lambda c: setattr(c, "classes_", c.classes_[::-1].copy())),
        RECORD,
        "residual",
    ),
    "P15 manifest": Row(
        "LABEL_CODING",
        7,
        sealed(lambda m: None, {"positive_class": "complete"}),
        "model.json",
        "the manifest says complete of",
    ),
    "P15 classes of the manifest": Row(
        "LABEL_CODING",
        7,
        sealed(lambda m: None, {"classes": ["fibrosis", "residual"]}),
        "model.json",
        "fibrosis",
    ),
    "P15 endpoint of the manifest": Row(
        "LABEL_CODING",
        7,
        sealed(lambda m: None, {"endpoint": "sustained_cCR_24m"}),
        "model.json",
        "sustained_cCR_24m",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_each_row_of_the_catalogue(home: Path, model: Path, name: str) -> None:
    row = ROWS[name]
    row.damage(model)
    code, error = refusal(home, model)
    assert (code, error["code"]) == (row.exit, row.code)
    assert row.words in error["found"]
    assert error["file"] == row.file


def test_a_sound_model_scores_a_new_case(home: Path, model: Path) -> None:
    shown = score(home / "new.csv", model)
    assert shown.code == 0, shown.out
    codes = {note["code"] for note in shown.json["warnings"]}
    assert not codes & {"IN_TRAINING_SET", "MODEL_VERSION"}
    assert set(tree(model.parent / "out")) == {"report.html", "run.json", "score.json"}


def test_p02_a_changed_byte_anywhere_is_told_with_both_hashes(home: Path, model: Path) -> None:
    for name in sorted(set(tree(model)) - {"run.json"}):  # which is never read
        whole = (model / name).read_bytes()
        middle = len(whole) // 2
        changed = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        (model / name).write_bytes(changed)
        code, error = refusal(home, model)
        assert code == 7
        if name != "SHA256SUMS":  # a changed digest is as likely the file's fault
            found, expected = (hashlib.sha256(data).hexdigest() for data in (changed, whole))
            assert (error["code"], error["file"]) == ("MODEL_HASH", Path(name).name)
            assert f"{name} has SHA-256 {found}" in error["found"]
            assert error["expected"] == expected
        (model / name).write_bytes(whole)
    assert "p_ccr" in score(home / "new.csv", model).json


BOMB = 2**25
"""Bytes an entry swells to; none but the archive itself may be held before it is refused."""


def inflated(entries: dict[str, bytes]) -> None:
    """An array of zeros, a thousandth of its size in the archive."""
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(BOMB // 8))
    entries["1.npy"] = buffer.getvalue()


@pytest.mark.parametrize(
    ("entry", "edit"),
    [
        ("1.npy", inflated),
        (SCHEMA, lambda entries: entries.update({SCHEMA: entries[SCHEMA] + b" " * BOMB})),
        ("more.bin", lambda entries: entries.update({"more.bin": b" " * BOMB})),
    ],
    ids=["array", "schema", "extra"],
)
def test_p03_an_archive_that_swells_is_refused_before_it_does(
    home: Path, model: Path, entry: str, edit: Callable[[dict[str, bytes]], object]
) -> None:
    archived(edit)(model)
    assert (model / HEAD_FILE).stat().st_size < BOMB / 100
    found = load_model(model).members
    members = {n.removeprefix(PREFIX): data for n, data in found.items() if n.startswith(PREFIX)}
    tracemalloc.start()
    try:
        with pytest.raises(ModelError) as caught:
            classify.restore(members)
        assert tracemalloc.get_traced_memory()[1] < BOMB / 4
    finally:
        tracemalloc.stop()
    code, error = refusal(home, model)
    assert (code, error["code"], error["file"]) == (7, "MODEL_FORMAT", HEAD_FILE)
    assert error["found"] == caught.value.found
    assert entry in error["found"]
    assert "would swell" in error["found"]


def test_p05_the_order_of_columns_is_that_of_names(home: Path, tmp_path: Path) -> None:
    table = load_features(home / "features/features.csv").iloc[:, ::-1].iloc[::-1]
    path = tmp_path / "mixed/features.csv"
    path.parent.mkdir()
    table.to_csv(path, index_label="case_id")
    for name in ("plan.yaml", "acquisition.json"):
        shutil.copy(home / "features" / name, path.parent / name)
    shown = radresp(
        "train", path, "--outcomes", home / "outcomes.csv", "-o", tmp_path / "model",
        "--progress", "none", "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.out
    there, here = (tree(folder / "model") for folder in (home, tmp_path))
    assert {n for n in there if there[n] != here[n]} <= {"run.json"}


def test_p05_what_is_missing_and_what_is_not_known_is_listed(home: Path, model: Path) -> None:
    def others(record: bytes) -> bytes:
        for number, name in enumerate(json.loads(record)["columns"][:5]):
            record = record.replace(json.dumps(name).encode(), b'"a.%d"' % number)
        return record

    sealed(lambda members: members.update({RECORD: others(members[RECORD])}))(model)
    _, error = refusal(home, model)
    missing, unknown = error["found"].split("; not in the model: ")
    assert missing.endswith("5 features its plan does not give: a.0, a.1, a.2 and 2 more")
    assert unknown.startswith("pre.adc.tumour.original.firstorder_10Percentile, ")
    assert unknown.endswith(" and 2 more")


ENGINES = ("fast", "exact", "reference")


@pytest.mark.parametrize(
    "families",
    [
        *({"original": {"engine": engine}} for engine in ENGINES),
        {"filtered": {}},
        {"ibsi": {}},
        {"pyradiomics": {}},
    ],
    ids=str,
)
def test_p06_every_family_out_of_pyradiomics_asks_for_its_version(families: Any) -> None:
    """The fast engine too: it counts matrices by itself, and the formulae are pyradiomics'."""
    both = {"regions": ["pre.t2.tumour"], "features": {"t2": {"families": families}}}
    plan = pipeline.parse_plan(both)
    here = {"versions": versions()}
    check_extractor(plan, here)
    with pytest.raises(ModelError) as caught:
        check_extractor(plan, {"versions": here["versions"] | {PYRADIOMICS: "2.0.0"}})
    assert caught.value.code == "EXTRACTION_MISMATCH"
    assert "2.0.0" in caught.value.expected


def test_p06_what_is_measured_without_pyradiomics_does_not_ask() -> None:
    plan = pipeline.parse_plan(
        {"regions": ["pre.t2.tumour"], "features": {"t2": {"families": {"volumetry": {}}}}}
    )
    check_extractor(plan, {"versions": {PYRADIOMICS: "2.0.0"}})


def test_p07_another_version_that_agrees_is_warned_of(home: Path, model: Path) -> None:
    recorded(older)(model)
    shown = score(home / "new.csv", model)
    assert shown.code == 0, shown.out
    (note,) = [note for note in shown.json["warnings"] if note["code"] == "MODEL_VERSION"]
    assert "0.20.0" in note["found"]
    out = model.parent / "out"
    assert note in json.loads((out / "score.json").read_text())["warnings"]
    assert "MODEL_VERSION" in (out / "report.html").read_text()
    said = radresp("score", home / "new.csv", "--model", model, "-o", model.parent / "again")
    assert "warning MODEL_VERSION: made with scikit-learn 0.20.0" in said.out


def test_l06_a_model_from_too_few_says_so_with_every_score(home: Path, model: Path) -> None:
    few = {"found": "9 patients", "expected": "10", "action": "not usable beyond a trial run"}
    note = {"code": "TOO_FEW", "severity": "warning", "file": "", **few}
    recorded(lambda record: record["notes"].append(note))(model)
    shown = score(home / "new.csv", model)
    assert shown.code == 0, shown.out
    assert note in shown.json["warnings"]
    assert "not usable beyond a trial run" in (model.parent / "out/report.html").read_text()


def overflowing(home: Path, model: Path) -> None:
    """Finite weights that add up to no number for the far case alone."""
    extract(home, "far.csv", model.parent / "far")
    far = load_features(model.parent / "far/features.csv").iloc[0]
    trained = load_features(home / "features/features.csv")
    learned = pipeline.open_model(model).model
    away = ((far - trained.mean()) / trained.std())[list(learned.residual.columns)].to_numpy()
    one, other = np.argsort(-np.abs(away))[:2]
    assert abs(away[other]) > 3
    weights = learned.residual.classifier.coef_[0]
    weights[:] = 0.0
    weights[one], weights[other] = 1e308 * np.sign(away[one]), -1e308 * np.sign(away[other])
    dumped = {PREFIX + name: data for name, data in classify.dump(learned).items()}
    sealed(lambda members: members.update(dumped))(model)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_p10_what_is_no_probability_is_never_written(home: Path, model: Path) -> None:
    overflowing(home, model)
    code, error = refusal(home, model, "far.csv")
    assert (code, error["code"], error["case"]) == (3, "SCORE_INVALID", "c41")
    assert "nan" in error["found"]


def without_adc(home: Path, folder: Path) -> Path:
    """The new case's row without its ADC map."""
    cells = (home / "new.csv").read_text().splitlines()[1].split(",")
    cells[2] = ""
    return write_table(folder / "lacking.csv", ",".join(cells))


def test_p11_a_missing_modality_makes_the_case_abstain(
    home: Path, model: Path, tmp_path: Path
) -> None:
    table, out = without_adc(home, tmp_path), model.parent / "out"
    shown = score(table, model, "--root", str(home))
    assert shown.code == 0, shown.out
    assert (shown.json["decision"], shown.json["p_ccr"]) == ("abstain", None)
    (reason,) = shown.json["reasons"]
    assert reason.startswith("MISSING_MODALITY: no pre adc or dwi image is named")
    assert not shown.json["classes"] | shown.json["fit"]
    assert shown.json["drivers"] == []
    written = json.loads((out / "score.json").read_text())
    assert (written["decision"], written["reasons"]) == ("abstain", [reason])
    page = (out / "report.html").read_text()
    assert "No probability is given" in page
    assert "MISSING_MODALITY" in page
    assert "Probability of a complete response" not in page
    again = score(table, model, "--root", str(home), "--fail-on-abstain")
    assert again.code == 9


def test_p11_an_image_that_is_named_and_gone_is_still_refused(
    home: Path, model: Path, tmp_path: Path
) -> None:
    cells = (home / "new.csv").read_text().splitlines()[1].split(",")
    table = write_table(tmp_path / "gone.csv", ",".join([*cells[:2], "gone.nii", cells[3]]))
    shown = score(table, model, "--root", str(home))
    assert (shown.code, shown.json["error"]["code"]) == (3, "MISSING_FILE"), shown.out


def test_p11_files_that_are_gone_as_well_do_not_stop_the_answer(
    home: Path, model: Path, tmp_path: Path
) -> None:
    cells = (home / "new.csv").read_text().splitlines()[1].split(",")
    table = write_table(tmp_path / "gone.csv", ",".join([*cells[:2], "", "gone.nii"]))
    shown = score(table, model, "--root", str(home))
    assert (shown.code, shown.json["decision"]) == (0, "abstain"), shown.out
    record = json.loads((model.parent / "out/run.json").read_text())
    assert [file["path"] for file in record["inputs"]] == [cells[1]]


def test_c08_a_batch_refuses_the_case_that_lacks_an_image(home: Path, tmp_path: Path) -> None:
    shown = radresp(
        "extract", without_adc(home, tmp_path), "-o", tmp_path / "features", "--root", home,
        "--plan", home / "plan.yaml", "--progress", "none", "--json",
    )  # fmt: skip
    assert shown.code == 5, shown.out
    assert "MISSING_INPUT" in (tmp_path / "features/status.jsonl").read_text()


def test_p16_an_image_that_was_learned_from_is_recognised(
    home: Path, model: Path, tmp_path: Path
) -> None:
    new = home / "c40"
    case = Path(shutil.copytree(new, tmp_path / "data/other"))
    shutil.copy(home / "c03/adc.nii", case / "adc.nii")
    row = "other,other/t2.nii,other/adc.nii,other/tumour.nii"
    shown = score(write_table(tmp_path / "data/one.csv", row), model)
    assert shown.code == 0, shown.out
    assert "IN_TRAINING_SET" in {note["code"] for note in shown.json["warnings"]}


def test_python_says_what_the_command_says(home: Path, model: Path) -> None:
    told = score(home / "new.csv", model).json
    opened = radresp_package.open_model(model)
    found = radresp_package.score_case(home / "new.csv", opened, output=model.parent / "python")
    again = radresp_package.score_case(str(home / "new.csv"), str(model))
    assert (found.classes, found.interval) == (again.classes, again.interval)
    assert (found.p_ccr, str(found.decision)) == (told["p_ccr"], told["decision"])
    assert found.model_id in found._repr_html_()
    written = json.loads((model.parent / "python/score.json").read_text())
    assert written["classes"] == told["classes"]
    assert (model.parent / "python/report.html").is_file()
