"""Compressed transfer syntaxes: decoded where a decoder is installed, else refused in words."""

from __future__ import annotations

import builders_dicom as make
import builders_enhanced as enhanced
import numpy as np
import pytest
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from radresp.errors import InputError
from radresp.io.dicom_describe import describe_folder
from radresp.io.dicom_guard import read_series
from radresp.io.dicom_pixels import _codec


@pytest.fixture
def no_decoder(monkeypatch):
    monkeypatch.setattr("radresp.io.dicom_pixels.get_decoder", lambda _: _Absent())
    _codec.cache_clear()
    yield
    _codec.cache_clear()


class _Absent:
    available_plugins = ()


def compressed(datasets, syntax, **options):
    if not get_encoder(syntax).is_available:
        pytest.skip(f"no encoder of {syntax.name} is installed (radresp[codecs])")
    for dataset in datasets:
        dataset.compress(syntax, generate_instance_uid=False, **options)
    return datasets


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_lossless_series_are_read_bit_by_bit(tmp_path, syntax):
    pictures = [np.tile(make.picture(index), (4, 4)) for index in range(make.SLICES)]
    datasets = make.make_series()
    for dataset, picture in zip(datasets, pictures, strict=True):
        make.set_pixels(dataset, picture)
    frames = [enhanced.frame(index) for index in range(make.SLICES)]
    whole = enhanced.multi_frame(frames, pictures)
    for name, made in (("classic", datasets), ("enhanced", [whole])):
        series = read_series(make.write_series(tmp_path / name, compressed(made, syntax)))
        assert np.array_equal(series.volumes[0].array, np.stack(pictures).astype(np.float32))
        assert "DCM_LOSSY" not in [note.code for note in series.notes]


def test_lossy_series_are_read_with_a_warning(tmp_path):
    datasets = compressed(make.make_series(), JPEGLSNearLossless, jls_error=2)
    folder = make.write_series(tmp_path / "lossy", datasets)
    series = read_series(folder)
    expected = np.stack([make.picture(index) for index in range(make.SLICES)])
    assert np.abs(series.volumes[0].array - expected).max() <= 2
    (note,) = [note for note in series.notes if note.code == "DCM_LOSSY"]
    assert note.found == "6 of 6 images were compressed with loss"
    assert "DCM_LOSSY" in [note.code for note in describe_folder(folder)[0].problems]


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEG2000Lossless])
def test_an_absent_decoder_is_named_with_what_to_install(tmp_path, no_decoder, syntax):
    datasets = make.compressed_as(syntax)(make.make_series())
    (summary,) = describe_folder(make.write_series(tmp_path / "t2", datasets))
    (problem,) = summary.problems
    assert problem.code == "DCM_CODEC"
    assert syntax.name in problem.found
    assert "pip install 'radresp[codecs]'" in problem.action


def test_a_damaged_stream_costs_its_own_case(tmp_path):
    datasets = compressed(make.make_series(), JPEGLSLossless)
    content = bytearray(datasets[3].PixelData)
    content[60:90] = b"\xff\xd8" * 15
    datasets[3].PixelData = bytes(content)
    with pytest.raises(InputError) as caught:
        read_series(make.write_series(tmp_path / "t2", datasets))
    assert caught.value.code in ("DCM_CORRUPT", "DCM_TRUNCATED", "READER_CRASH")
