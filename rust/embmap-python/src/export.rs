//! `Store._export`: arguments in, a report out.

use std::path::Path;

use embmap::{ExportFormat, Map, RowSelection, Store};
use pyo3::{prelude::*, types::PyDict};

use crate::{convert::choose, errors::raise, ticks::ticking};

/// Writes the selected rows to `target`; returns what `ExportReport` holds.
pub(crate) fn export<'py>(
    py: Python<'py>,
    store: &Store<Map>,
    target: &Path,
    format: &str,
    selection: RowSelection<'_>,
    threads: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let format = choose("format", format, ExportFormat::ALL)?;
    let report = ticking(py, progress, raise, |tick| store.export(target, format, selection, threads, tick))?;
    let dict = PyDict::new(py);
    dict.set_item("rows", report.rows)?;
    dict.set_item("bytes_written", report.bytes_written)?;
    dict.set_item("words_with_blanks", report.words_with_blanks)?;
    dict.set_item("seconds", report.seconds)?;
    dict.set_item("sync_seconds", report.sync_seconds)?;
    Ok(dict)
}
