"""Print docs/reference/fault-tests.md: where each row of the fault catalogue is shown, and how.

    python scripts/fault_tests.py > docs/reference/fault-tests.md

The rows are those of tests/golden/fault_rows.csv; codes, tests and exit codes are read from the
tests themselves: from tables of rows (``"D02": Row(...)``) and from tests that carry a row in their
name (``test_d06_...``) or docstring. A test holds the page to this output, and this script refuses
a row that is neither shown nor argued.
"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fault_codes import PACKAGE, uses

from radresp import errors

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "tests/golden/fault_rows.csv"
LETTERS = "DNAMGCYOPLH"
ROW_ID = re.compile(rf"(?<![A-Za-z0-9])([{LETTERS}{LETTERS.lower()}][0-9]{{2}})(?![0-9A-Za-z])")
CODE = re.compile(r"[A-Z0-9]+(_[A-Z0-9]+)+")
EXITS = frozenset((0, 2, 3, 4, 5, 6, 7, 8, 70, 130, 143))
TABLE_EXITS = {"io/test_dicom_fault_rows.py": 3, "pipeline/test_fault_rows.py": 4}
"""Exit code of a refused row in tables that do not state one: a single series, one of two cases."""

ELSEWHERE = {
    "D05": [("masks/test_rules.py", "test_stray_pieces_and_touching_the_border_are_noted")],
    "D09": [("io/test_dicom_series.py", "test_b_values_split_and_sorted_from_the_private_tag")],
    "M17": [("masks/test_carry.py", "test_a_mask_that_does_not_arrive_is_refused")],
    "N19": [
        ("io/test_nifti.py", "test_values_and_geometry_survive_in_every_orientation"),
        ("io/test_nifti.py", "test_flipped_storage_is_the_same_picture_in_space"),
        ("contract/test_families.py", "test_a_file_may_store_its_axes_in_any_order"),
    ],
    "N22": [
        ("registration/test_quality.py", "test_a_mirrored_image_makes_the_case_abstain"),
        ("registration/test_real_images.py", "test_a_flipped_pelvic_t2_is_not_called_good"),
    ],
    "A01": [
        ("intensity/test_adc_unit.py", "test_unit_is_found_and_the_fix_recorded"),
        ("intensity/test_adc_unit.py", "test_real_map_in_mm2_per_s_equals_the_scanner_integers"),
    ],
    "A02": [
        ("intensity/test_adc_unit.py", "test_any_plausible_median_comes_back_in_any_unit"),
        ("intensity/test_adc_unit.py", "test_a_median_no_unit_explains_is_refused"),
    ],
    "A03": [
        ("intensity/test_adc_unit.py", "test_a_few_negative_voxels_warn_and_stay"),
        ("intensity/test_adc_unit.py", "test_many_negative_voxels_are_refused"),
    ],
    "A04": [("intensity/test_adc_unit.py", "test_more_than_free_water_warns")],
    "A05": [
        ("features/test_original.py", "test_an_adc_in_another_unit_is_refused_at_once"),
        (
            "features/test_original.py",
            "test_too_few_grey_levels_are_refused_with_a_bin_count_too",
        ),
        ("features/test_ibsi.py", "test_too_many_grey_levels_are_refused"),
    ],
    "A06": [("intensity/test_adc_fit.py", "test_wrapped_integers_are_refused")],
    "A07": [
        ("intensity/test_adc_fit.py", "test_swapped_b_values_are_refused"),
        ("intensity/test_adc_fit.py", "test_swapped_middle_b_values_are_refused"),
    ],
    "A10": [("pipeline/test_acquisition.py", "test_each_departure_is_a_reason_in_words")],
    "A11": [
        ("masks/test_rules.py", "test_a_constant_region_is_refused"),
        ("features/test_original.py", "test_a_constant_region_is_refused"),
    ],
    "C20": [("io/test_atomic.py", "test_a_read_only_output_is_refused_before_any_work")],
    "Y01": [("pipeline/test_plan.py", "test_what_a_plan_cannot_mean_is_refused_by_name")],
    "Y02": [
        ("io/test_plan_file.py", "test_duplicate_keys_are_named_by_line"),
        ("io/test_plan_file.py", "test_what_changes_meaning_silently_is_refused"),
    ],
    "Y03": [("io/test_plan_file.py", "test_yaml_means_what_it_says")],
    "Y04": [("security/test_yaml.py", "test_tricks_are_refused_and_nothing_runs")],
    "Y05": [
        ("security/test_yaml.py", "test_tricks_are_refused_and_nothing_runs"),
        ("security/test_yaml.py", "test_refusing_takes_little_memory"),
    ],
    "Y06": [("pipeline/test_plan.py", "test_what_a_plan_cannot_mean_is_refused_by_name")],
    "Y07": [
        ("io/test_plan_file.py", "test_what_changes_meaning_silently_is_refused"),
        ("io/test_plan_file.py", "test_missing_huge_and_foreign_files_are_refused"),
    ],
    "Y08": [
        ("pipeline/test_engine.py", "test_o06_another_plan_is_refused_or_redone_alone"),
        ("walk/test_walk.py", "test_another_plan_never_mixes_into_a_folder"),
    ],
    "O01": [("io/test_atomic.py", "test_a_full_disk_refuses_the_file_and_keeps_the_earlier_one")],
    "O02": [("io/test_atomic.py", "test_a_read_only_output_is_refused_before_any_work")],
    "O03": [
        (
            "io/test_atomic.py",
            "test_a_kill_before_any_step_leaves_the_old_or_the_new_file",
        ),
        ("io/test_atomic.py", "test_fifty_random_kills_never_leave_half_a_file"),
    ],
    "O04": [("io/test_atomic.py", "test_sweep_clears_leftovers_of_dead_processes_only")],
    "O05": [("pipeline/test_cohort.py", "test_a_locked_folder_is_refused_and_left_alone")],
    "O06": [("io/test_atomic.py", "test_a_folder_is_replaced_whole")],
    "O10": [("io/test_atomic.py", "test_an_error_of_the_device_is_named_and_leaves_the_old_file")],
    "O11": [("pipeline/test_cohort.py", "test_an_interrupted_run_ends_soon_and_can_be_resumed")],
    "O17": [("walk/test_walk.py", "test_two_workers_give_the_bytes_of_one")],
    "P01": [("io/test_model_folder.py", "test_a_pickle_is_refused_and_never_run")],
    "P02": [("io/test_model_folder.py", "test_every_flipped_bit_of_every_file_is_refused")],
    "P03": [
        ("io/test_model_folder.py", "test_extra_missing_linked_and_special_members_are_refused"),
        ("io/test_model_folder.py", "test_names_that_climb_are_never_read"),
        (
            "io/test_model_folder.py",
            "test_oversized_and_countless_members_are_refused_before_reading",
        ),
        ("classify/test_store.py", "test_truncated_members_are_refused"),
        (
            "classify/test_store.py",
            "test_entries_that_are_not_those_of_a_classifier_are_refused_by_name",
        ),
        ("classify/test_store.py", "test_entries_that_are_not_those_of_trees_are_refused"),
        (
            "classify/test_store.py",
            "test_an_entry_that_lies_about_its_length_is_inflated_no_further",
        ),
        (
            "pipeline/test_model_parts.py",
            "test_whatever_stands_in_a_part_is_read_or_refused_as_the_model",
        ),
    ],
    "P05": [
        ("cli/test_train.py", "test_a_model_of_another_table_cannot_score_images"),
        ("contract/test_classifiers.py", "test_missing_columns_are_refused_by_name"),
        (
            "contract/test_classifiers.py",
            "test_order_of_columns_and_rows_and_other_columns_do_not_matter",
        ),
    ],
    "P07": [
        (
            "classify/test_store.py",
            "test_another_version_is_accepted_only_if_the_reference_case_agrees",
        )
    ],
    "P09": [("classify/test_store.py", "test_weights_that_are_no_numbers_are_refused")],
    "P15": [
        ("classify/test_store.py", "test_other_label_coding_is_refused"),
        (
            "classify/test_store.py",
            "test_stacked_models_name_their_members_and_answer_one_question",
        ),
    ],
    "P16": [("walk/test_walk.py", "test_a_training_case_is_recognised")],
    "L01": [("walk/test_walk.py", "test_the_same_image_under_two_patients_is_a_leak")],
    "L02": [
        (
            "classify/test_cross_validation.py",
            "test_no_patient_stands_on_both_sides_even_with_many_visits",
        )
    ],
    "L03": [
        ("classify/test_cross_validation.py", "test_canary_can_sing"),
        (
            "classify/test_cross_validation.py",
            "test_test_cases_do_not_reach_their_own_probability",
        ),
    ],
    "L04": [("classify/test_table.py", "test_one_class_is_refused_with_counts")],
    "L05": [("classify/test_table.py", "test_few_allowed_learns_to_the_end_and_says_so")],
    "L06": [("classify/test_table.py", "test_too_few_patients_are_refused_unless_allowed")],
    "L08": [
        (
            "classify/test_cross_validation.py",
            "test_column_constant_in_a_fold_and_gaps_are_recorded",
        )
    ],
    "L11": [("classify/test_table.py", "test_gaps_hide_no_leak")],
    "L13": [("classify/test_cross_validation.py", "test_a_real_table_with_a_row_twice_is_refused")],
    "L14": [
        (
            "io/test_model_folder.py",
            "test_looks_are_counted_by_their_cases_and_leave_the_model_whole",
        )
    ],
    "L15": [("classify/test_model.py", "test_a_needed_value_missing_gives_a_reason_and_no_number")],
    "L16": [
        ("contract/test_classifiers.py", "test_same_seed_same_bytes_whatever_the_order_of_the_file")
    ],
}
"""Tests that show a row without its number in their name."""

REMARKS = {
    "D04": "No `--allow-gap`: a volume with a hole has no voxel there to measure; refused always.",
    "D10": "No `b:` in the table: a b-value somebody typed cannot be checked against anything. "
    "Convert with a .bval file where the headers lost it.",
    "D12": "No `--resample-shear`: features would be of interpolated intensities; refused always.",
    "D08": "A series is chosen by `pre_t2_series` (3 or 3/6), not by `series:`.",
    "D23": "A signal in the reader process: tests/io/test_dicom_guard.py.",
    "D24": "Codecs are an extra; a transfer syntax nothing decodes stands for an absent one.",
    "N09": "No `volume:`: a 4-D file is a DWI with its .bval, or is split.",
    "N12": "The unit check (A05 of the catalogue) is in tests/intensity/test_adc_unit.py.",
    "N16": "No `--orthogonalize`: it moves every voxel by a different amount; refused always.",
    "N17": "No choice in the table: which of two affines is true is for whoever wrote the file.",
    "N25": "No `--nan-exclude`: a region is what was drawn, less nothing.",
    "M17": "Refused where a mask is carried, so in `prepare`; `check` carries none.",
    "A09": "Each image is normalised by itself, so a jump of scale reaches no feature; T2 alone is "
    "compared.",
    "A10": "What was acquired is compared with the training protocol when a case is scored: where "
    "it lies outside, the reason stands with the probability.",
    "C02": "Links inside the data root are followed.",
    "C03": "An output folder that is a link to the data is refused as the data (exit 2).",
    "C07": "Exit 2 with `--outcomes`, that is for training; else a warning.",
    "C14": "Stricter than the catalogue: one impossible value stops the run (exit 2) before any "
    "work, as every fault of the table does; correcting a cell costs less than a lost row.",
    "C15": "As C14.",
    "C16": "JSON keeps the text as it is.",
    "C17": "A cell of a table has at most 8192 characters; longer is CSV_TOO_LARGE.",
    "Y03": "A plain `no` is the text it looks like and `012` is twelve; what a key cannot take is "
    "CONFIG_VALUE.",
    "O01": "In full by scripts/faults/disk_full.py and crash_points.py.",
    "O03": "In full by scripts/faults/crash_points.py and kills.py.",
    "O05": "In full by scripts/faults/concurrency.py.",
    "O06": "A folder of another plan is CONFIG_CHANGED, taken over with --update; what was made "
    "from other inputs is made again, case by case. A model folder is replaced whole, with "
    "--overwrite.",
    "O07": "The reason stands in status.jsonl, under `redone`.",
    "O11": "Exit codes 130 and 143.",
    "O15": "In full by scripts/faults/soak.py, which counts open files.",
    "O17": "In full by scripts/faults/soak.py.",
    "G03": "The verdict is failed and the case is scored from the later visit alone; a refusal "
    "would cost a score that needs no alignment.",
    "G04": "The images are named by visit and sequence; the room that aligns knows no files.",
    "H02": "Stricter reading impossible for one file: a cohort table is a list of paths. Paths "
    "stand in cohort.csv, index_log.csv, status.jsonl and run.json only; no option is needed to "
    "keep them out of reports.",
    "H04": "There is no `radresp pseudonymise`: `radresp index` names DICOM patients by keyed "
    "hashes, and the message says to keep the key list apart.",
    "H06": "Report pictures come from regions only; what has text in it never becomes one.",
    "H07": "Sockets are closed to the commands, no module imports a network library, and commands "
    "run where `unshare` leaves them loopback alone; `scripts/faults/offline.py` runs the suite "
    "so.",
    "H08": "Outputs follow the umask; key and cache are 0600 whatever it says.",
    "P02": "`run.json` beside the members is never read, so not hashed.",
    "P03": "Archives are held to the entries their classifier needs, and may swell to 100 times "
    "their size, 1 GiB at most; parts of the folder that were sealed broken are MODEL_FORMAT too.",
    "P05": "Columns a model does not know are ignored: it may be trained on the stable ones alone.",
    "P06": "The version of pyradiomics counts for every family with numbers out of its code: "
    "`original` and `filtered` with any engine (fast and exact count matrices by themselves, the "
    "formulae, filters and resampling are pyradiomics'), `pyradiomics`, and `ibsi` (areas of mesh "
    "cells). Not for `volumetry` and the measures, nor when a table made elsewhere is evaluated.",
    "P08": "A plan with a key or value this version does not know is MODEL_NEWER where a later "
    "radresp wrote it, else MODEL_FORMAT.",
    "P11": "In `radresp score`; a batch refuses the case with MISSING_INPUT, as row C08 promises.",
    "P14": "A `gpu` test; no CUDA machine has run it yet.",
    "P15": "Between classifier and manifest as within the classifier; the endpoint too.",
    "L01": "Hashes of PatientID are compared by `radresp check` (C07), images again here.",
    "L05": "No figure is given for a fold alone: all are of pooled predictions.",
    "L06": "On top of the card, on the terminal, in evaluation.html, and with every score.",
    "L10": "In evaluation.json and `--json`.",
    "L11": "A column with gaps is judged by the cases that have it.",
    "L12": "By hospital and by scanner, where `--clinical` names them: Cramer's V of 0.3 and more.",
    "L13": "Rows of whole numbers alone, such as a stage and a flag, may well be of two patients.",
    "L14": "No lock: looks are counted in the model folder by the digest of case ids and outcomes, "
    "and one that cannot be written is said not to be counted.",
    "L15": "A gap is named and learned around; a new case with one gets no probability, or where "
    "the method fills gaps a warning that names it.",
}
"""Where a row is judged otherwise than the catalogue, or what else is to be known of it."""

HEADER = """\
# Fault rows and their tests

Every row of the fault catalogue: what happens, and which test builds the fault
and shows it. Exit codes: 0 accepted, mended or warned of; 2 no run would start; 3 the one input is
refused; 4 one case of several, 5 all of them; 6 the output; 7 the model. Made by
scripts/fault_tests.py from the tests.

| row | fault | codes | exit | shown in |
|---|---|---|---|---|
"""


class Shown(NamedTuple):
    """One test that shows a row, or one row of a test's table."""

    row: str
    codes: tuple[str, ...]
    exits: tuple[int, ...]
    file: str
    test: str


def known_codes() -> frozenset[str]:
    """Every code of the package."""
    modules = list(PACKAGE.rglob("*.py"))
    texts = (text for p in modules for text in _texts(ast.parse(p.read_text(encoding="utf-8"))))
    named = {use.code for path in modules for use in uses(path)}
    return frozenset(text for text in texts if CODE.fullmatch(text) or text in named)


def shown_in(path: Path, codes: frozenset[str]) -> Iterator[Shown]:
    """The rows a test file shows."""
    name = path.relative_to(ROOT / "tests").as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            named = [row.upper() for row in ROW_ID.findall(node.name.replace("_", " "))]
            named += re.findall(rf"\A([{LETTERS}][0-9]{{2}}):", ast.get_docstring(node) or "")
            named += [row for row, tests in ELSEWHERE.items() if (name, node.name) in tests]
            for row in dict.fromkeys(named):
                found = tuple(c for c in dict.fromkeys(_texts(node)) if c in codes)
                exits = tuple(_exits(node)) or tuple(_raised(node))
                yield Shown(row, found, exits, name, node.name)
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(value, ast.Dict):
            yield from _table(value, name, codes)


def _table(table: ast.Dict, name: str, codes: frozenset[str]) -> Iterator[Shown]:
    for key, value in zip(table.keys, table.values, strict=True):
        said = key.value if isinstance(key, ast.Constant) else None
        row = ROW_ID.match(said) if isinstance(said, str) else None
        if row is None or not isinstance(value, ast.Call) or not isinstance(key.value, str):
            continue
        plain = [arg.value for arg in value.args if isinstance(arg, ast.Constant)]
        words = {k.arg: k.value.value for k in value.keywords if isinstance(k.value, ast.Constant)}
        stated = [n for n in plain if isinstance(n, int) and n in EXITS]
        mild = {"fix", "warning", "info"} & {*plain, words.get("severity")}
        exits = stated or [0 if mild else TABLE_EXITS[name]]
        found = tuple(text for text in plain if text in codes)
        yield Shown(row[1], found, tuple(exits), name, f"[{key.value}]")


def _texts(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def _exits(node: ast.AST) -> Iterator[int]:
    """Numbers that exit codes are compared with: ``shown.code == 3``, ``(code, x) == (4, y)``."""
    for part in ast.walk(node):
        if isinstance(part, ast.Compare) and _is_about_code(part):
            for side in (part.left, *part.comparators):
                values = side.elts if isinstance(side, ast.Tuple) else [side]
                yield from (
                    value.value
                    for value in values
                    if isinstance(value, ast.Constant)
                    and type(value.value) is int
                    and value.value in EXITS
                )


def _raised(node: ast.AST) -> Iterator[int]:
    """Exit codes of the errors a test expects: ``with pytest.raises(InputError)``."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and getattr(part.func, "attr", "") == "raises":
            known = (getattr(errors, getattr(arg, "id", ""), None) for arg in part.args)
            yield from (int(error.exit_code) for error in known if error)


def _is_about_code(compare: ast.Compare) -> bool:
    return any(
        (isinstance(part, ast.Attribute) and part.attr in ("code", "exit_code"))
        or (isinstance(part, ast.Name) and part.id == "code")
        for part in ast.walk(compare)
    )


def page() -> str:
    """The whole page.

    Raises
    ------
    SystemExit
        When a row of the catalogue is shown nowhere, or a test named here is gone.
    """
    codes = known_codes()
    found: dict[str, list[Shown]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for shown in shown_in(path, codes):
            found.setdefault(shown.row, []).append(shown)
    with ROWS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    _check(rows, found)
    lines = [_line(row, found[row["row"]]) for row in rows]
    remarks = [f"- **{row['row']}** {REMARKS[row['row']]}" for row in rows if row["row"] in REMARKS]
    return HEADER + "\n".join(lines) + "\n\n## Remarks\n\n" + "\n".join(remarks) + "\n"


def _check(rows: list[dict[str, str]], found: dict[str, list[Shown]]) -> None:
    for row in rows:
        if row["row"] not in found:
            raise SystemExit(f"row {row['row']} is shown nowhere")
    for row, tests in ELSEWHERE.items():
        gone = set(tests) - {(shown.file, shown.test) for shown in found[row]}
        if gone:
            raise SystemExit(f"row {row}: no longer there: {sorted(gone)}")


def _line(row: dict[str, str], places: list[Shown]) -> str:
    codes = ", ".join(f"`{c}`" for c in dict.fromkeys(c for p in places for c in p.codes)) or "none"
    exits = ", ".join(map(str, sorted({e for p in places for e in p.exits}))) or "0"
    files: dict[str, list[str]] = {}
    for place in places:
        files.setdefault(place.file, []).append(place.test)
    told = "; ".join(f"{file}: {', '.join(names)}" for file, names in files.items())
    mark = " *" if row["row"] in REMARKS else ""
    fault = row["fault"].replace("|", "\\|").replace("<", "&lt;")
    return f"| {row['row']}{mark} | {fault} | {codes} | {exits} | {told} |"


if __name__ == "__main__":
    print(page(), end="")
