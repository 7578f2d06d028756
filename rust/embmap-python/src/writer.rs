//! `Writer`: rows that Python has, written as they come; `embmap._write` cuts them into batches.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use embmap::{Builder, BuilderOptions, Dtype, Duplicates, Ngrams, Scheme};
use numpy::{PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::{
    exceptions::{PyOSError, PyValueError},
    prelude::*,
    types::PyDict,
};

use crate::{
    convert::choose,
    errors::{detached, raise},
    store::Store,
    ticks::ticking,
    words::WordArgs,
};

/// Buckets, `minn`, `maxn`, whether `</s>` has n-grams, and for floret's n-grams, where `hashes` is not 0, those and their seed.
type NgramTable = (u32, u32, u32, bool, u32, u32);

/// The n-grams that a table is of.
fn ngrams_of((buckets, minn, maxn, of_eos, hashes, seed): NgramTable) -> Ngrams {
    let scheme = if hashes == 0 { Scheme::FastText } else { Scheme::Floret { hashes, seed } };
    Ngrams { minn, maxn, buckets, of_eos, scheme }
}

/// A store in the making; let go before `finish`, it leaves nothing.
#[pyclass(frozen, module = "embmap._embmap")]
pub(crate) struct Writer {
    path: PathBuf,
    builder: Mutex<Option<Builder>>,
    /// The process that began it: a forked child has the same file open, and would write between its rows.
    process: u32,
}

impl Writer {
    /// Runs `work` without the GIL: another thread may hold the builder while it waits for the GIL.
    fn with_builder<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Builder) -> embmap::Result<T> + Send,
    ) -> PyResult<T> {
        self.is_ours()?;
        let done = detached(py, || self.builder.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(work))?;
        done.ok_or_else(|| self.closed())?.map_err(|error| raise(py, error))
    }

    fn take(&self, py: Python<'_>) -> PyResult<Option<Builder>> {
        detached(py, || self.builder.lock().unwrap_or_else(PoisonError::into_inner).take())
    }

    fn is_ours(&self) -> PyResult<()> {
        if self.process == std::process::id() {
            return Ok(());
        }
        let what = "begun by the process that this one was forked from, which alone writes it";
        Err(PyOSError::new_err(format!("{}: {what}", self.path.display())))
    }

    fn closed(&self) -> PyErr {
        PyValueError::new_err(format!("{}: the writer is closed", self.path.display()))
    }
}

#[pymethods]
impl Writer {
    #[new]
    #[allow(clippy::too_many_arguments)]
    #[pyo3(signature = (path, dim, *, dtype, duplicates, normalize, screen, metadata, ngrams=None, table=None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        dim: usize,
        dtype: &str,
        duplicates: &str,
        normalize: bool,
        screen: bool,
        metadata: &str,
        ngrams: Option<&Store>,
        table: Option<NgramTable>,
    ) -> PyResult<Writer> {
        let metadata = serde_json::from_str(metadata).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let options = BuilderOptions {
            dtype: choose("dtype", dtype, Dtype::ALL.map(|dtype| (dtype.name(), dtype)))?,
            duplicates: choose("duplicates", duplicates, Duplicates::ALL)?,
            normalize,
            screen,
            metadata,
            threads: None,
        };
        let path = std::path::absolute(&path).unwrap_or(path);
        let model = ngrams.map(Store::store).transpose()?;
        let builder = detached(py, || match (model, table) {
            (Some(model), _) => Builder::create_like(&path, &model, options),
            (None, Some(table)) => Builder::create_with(&path, dim, ngrams_of(table), options),
            (None, None) => Builder::create(&path, dim, options),
        })?;
        let builder = builder.map_err(|error| raise(py, error))?;
        Ok(Writer { path, builder: Mutex::new(Some(builder)), process: std::process::id() })
    }

    /// Append rows: words, and float32 numbers `[n, dim]`, C-contiguous.
    fn write(&self, py: Python<'_>, words: WordArgs<'_>, vectors: PyReadonlyArray2<'_, f32>) -> PyResult<()> {
        let (words, dim) = (words.to_list()?, vectors.shape()[1]);
        let words: Vec<&[u8]> = words.iter().collect();
        let values = vectors.as_slice()?;
        self.with_builder(py, |builder| {
            if builder.dim() != dim {
                return Err(embmap::Error::DimMismatch { expected: builder.dim(), found: dim });
            }
            builder.push(&words, values)
        })
    }

    /// Append rows of n-gram buckets, float32 `[n, dim]`, C-contiguous; all of them come before `finish`.
    fn write_buckets(&self, py: Python<'_>, rows: PyReadonlyArray2<'_, f32>) -> PyResult<()> {
        let values = rows.as_slice()?;
        self.with_builder(py, |builder| builder.push_buckets(values))
    }

    /// Append rows of another store by id, with their words, bit for bit.
    fn copy(&self, py: Python<'_>, store: &Store, ids: PyReadonlyArray1<'_, i64>) -> PyResult<()> {
        let (from, ids) = (store.store()?, ids.as_slice()?);
        self.with_builder(py, |builder| builder.copy(&from, ids))
    }

    /// Rows whose word was there before, so far.
    #[getter]
    fn duplicates(&self, py: Python<'_>) -> PyResult<u64> {
        self.with_builder(py, |builder| Ok(builder.duplicates()))
    }

    /// Publish the store, with what is known of it only now, a JSON object; returns what `WriteReport` holds.
    #[pyo3(signature = (metadata="{}"))]
    fn finish<'py>(&self, py: Python<'py>, metadata: &str) -> PyResult<Bound<'py, PyDict>> {
        let more: serde_json::Map<_, _> =
            serde_json::from_str(metadata).map_err(|error| PyValueError::new_err(error.to_string()))?;
        self.is_ours()?;
        let mut builder = self.take(py)?.ok_or_else(|| self.closed())?;
        builder.metadata_mut().extend(more);
        let dim = builder.dim();
        let built = ticking(py, None, raise, |tick| builder.finish(&mut || tick(0, 0)))?;
        let report = PyDict::new(py);
        report.set_item("path", &self.path)?;
        report.set_item("rows", built.rows)?;
        report.set_item("dim", dim)?;
        report.set_item("bytes_written", built.bytes_written)?;
        report.set_item("seconds", built.seconds)?;
        report.set_item("sync_seconds", built.sync_seconds)?;
        report.set_item("duplicates", built.duplicates)?;
        Ok(report)
    }

    /// Leave nothing behind. Does nothing once the store is published.
    fn abandon(&self, py: Python<'_>) -> PyResult<()> {
        self.take(py).map(drop)
    }
}
