//! `convert`: arguments in, a report out, Ctrl-C and progress between.

use std::path::PathBuf;

use embmap::{
    Dtype, Duplicates, Encoding, Fault, Format, OnBadRow, Options, Report, Separator, Utf8Errors, WrongCount,
    format::Shard,
};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{IntoPyDict, PyDict},
};

use crate::{
    errors::{detached, raise},
    ticks::ticking,
    words::WordArgs,
};

/// Converts the vectors in `source` to a store at `target`; returns what `ConversionReport` holds.
#[pyfunction]
#[pyo3(signature = (source, target, *, format, member, max_expansion, header, separator, encoding, dim, duplicates, errors, on_bad_row, on_wrong_count, limit, keep, shard, dtype, normalize, screen, threads, progress, metadata))]
#[allow(clippy::too_many_arguments)]
pub(crate) fn convert<'py>(
    py: Python<'py>,
    source: PathBuf,
    target: PathBuf,
    format: &str,
    member: Option<String>,
    max_expansion: f64,
    header: Option<bool>,
    separator: &str,
    encoding: &str,
    dim: Option<usize>,
    duplicates: &str,
    errors: &str,
    on_bad_row: &str,
    on_wrong_count: &str,
    limit: Option<u64>,
    keep: Option<WordArgs<'py>>,
    shard: Option<(u32, u32)>,
    dtype: &str,
    normalize: bool,
    screen: bool,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
    metadata: &str,
) -> PyResult<Bound<'py, PyDict>> {
    let metadata = serde_json::from_str(metadata).map_err(|error| PyValueError::new_err(error.to_string()))?;
    let options = Options {
        format: choose("format", format, Format::ALL)?,
        member,
        max_expansion,
        header,
        separator: choose("separator", separator, Separator::ALL)?,
        encoding: Encoding::named(encoding).ok_or_else(|| {
            let reason = "is not one that embmap reads: save the file as UTF-8 first (iconv)";
            PyValueError::new_err(format!("the encoding {encoding:?} {reason}"))
        })?,
        dim,
        duplicates: choose("duplicates", duplicates, Duplicates::ALL)?,
        errors: choose("errors", errors, Utf8Errors::ALL)?,
        on_bad_row: choose("on_bad_row", on_bad_row, OnBadRow::ALL)?,
        on_wrong_count: choose("on_wrong_count", on_wrong_count, WrongCount::ALL)?,
        limit,
        keep: keep.map(|words| words.to_list().map(|words| words.iter().collect())).transpose()?,
        shard: shard.map(|(index, count)| Shard { index, count }),
        dtype: choose("dtype", dtype, Dtype::ALL.map(|dtype| (dtype.name(), dtype)))?,
        normalize,
        screen,
        threads,
        metadata,
        ..Options::default()
    };
    let report = ticking(py, progress, raise, |tick| embmap::convert(&source, &target, &options, tick))?;
    as_dict(py, &report)
}

/// The files that a conversion of the model in `folder` reads, the weights first; some may be missing.
#[pyfunction]
pub(crate) fn model_files(py: Python<'_>, folder: PathBuf, member: Option<&str>) -> PyResult<Vec<PathBuf>> {
    detached(py, || embmap::model_files(&folder, member))?.map_err(|error| raise(py, error))
}

/// The value of the choice that was `given` for an argument.
pub(crate) fn choose<T: Copy, const N: usize>(name: &str, given: &str, choices: [(&str, T); N]) -> PyResult<T> {
    choices.iter().find(|(choice, _)| *choice == given).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<String> = choices.iter().map(|(choice, _)| format!("{choice:?}")).collect();
        PyValueError::new_err(format!("{name} must be one of {}, not {given:?}", names.join(", ")))
    })
}

fn as_dict<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let rejected: Vec<(u64, u64, &str)> =
        report.rejected_rows.iter().map(|row| (row.line, row.byte_offset, row.reason.as_str())).collect();
    dict.set_item("source", &report.source)?;
    dict.set_item("rows", report.rows)?;
    dict.set_item("dim", report.dim)?;
    dict.set_item("bytes_read", report.bytes_read)?;
    dict.set_item("bytes_written", report.bytes_written)?;
    dict.set_item("seconds", report.seconds)?;
    dict.set_item("sync_seconds", report.sync_seconds)?;
    dict.set_item("checksum", format!("crc32:{:08x}", report.checksum))?;
    dict.set_item("duplicates", report.duplicates)?;
    let by_fault: Vec<(&str, u64)> =
        Fault::ALL.iter().zip(report.rejected_by).map(|((_, name), count)| (*name, count)).collect();
    dict.set_item("rejected_by", by_fault.into_py_dict(py)?)?;
    dict.set_item("rejected_rows", rejected)?;
    dict.set_item("invalid_utf8", report.invalid_utf8)?;
    dict.set_item("collisions", report.collisions)?;
    dict.set_item("words_with_padding", report.words_with_padding)?;
    dict.set_item("words_with_blanks", report.words_with_blanks)?;
    dict.set_item("rows_without_word", report.rows_without_word)?;
    dict.set_item("words_without_row", report.words_without_row)?;
    dict.set_item("ngrams", report.ngrams)?;
    dict.set_item("header_rows", report.header_rows)?;
    dict.set_item("words_not_found", report.words_not_found)?;
    dict.set_item("separator", report.separator.map(Separator::name))?;
    dict.set_item("unit", report.unit.name())?;
    Ok(dict)
}
