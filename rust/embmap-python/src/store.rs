//! `Store`: the calls that must be fast; `embmap._store` builds the rest on them.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use embmap::{Access, Dtype, Error, Map, Pooling, RowSelection, format::Kind};
use half::{bf16, f16};
use numpy::{
    Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3,
    PyReadwriteArray2, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::{
    exceptions::{PyIndexError, PyKeyError, PyOverflowError, PyValueError},
    prelude::*,
    sync::PyOnceLock,
    types::{PyBytes, PyCapsule, PyDict, PyInt, PyString},
};

use crate::{
    arrays, arrow_stream,
    convert::choose,
    errors::{detached, raise, raise_format},
    export, neighbors,
    ticks::ticking,
    words::{LookupError, WordArgs},
};

/// Rows, and words that have none.
type FoundAndMissing<'py> = (Bound<'py, PyArray1<i64>>, Vec<Bound<'py, PyAny>>);

/// A store that is open.
///
/// Answers come from the mapping of `store`, which nobody is given. What is handed out comes from others, made when they are
/// first asked for, so that what C code writes through NumPy's read-only flag changes no answer.
struct Open {
    store: Arc<embmap::Store<Map>>,
    /// Whose rows are given out one by one.
    rows: PyOnceLock<Py<PyUntypedArray>>,
    /// What is given out as a whole, to NumPy and Arrow.
    whole: PyOnceLock<(Arc<embmap::Store<Map>>, Py<PyUntypedArray>)>,
    /// What tensors that nobody writes share.
    shared: PyOnceLock<Py<PyUntypedArray>>,
}

impl Open {
    fn of(store: Arc<embmap::Store<Map>>) -> Open {
        Open { store, rows: PyOnceLock::new(), whole: PyOnceLock::new(), shared: PyOnceLock::new() }
    }

    /// The store over a mapping of its own, to be handed out.
    fn again(&self, py: Python<'_>) -> PyResult<Arc<embmap::Store<Map>>> {
        self.store.again().map(Arc::new).map_err(|error| raise(py, error))
    }

    /// The matrix whose rows are given out.
    fn rows<'o, 'py>(&'o self, py: Python<'py>) -> PyResult<&'o Bound<'py, PyUntypedArray>> {
        let make = || arrays::readonly(py, self.again(py)?).map(Bound::unbind);
        Ok(self.rows.get_or_try_init(py, make)?.bind(py))
    }

    /// The store that is given out as a whole, and its matrix.
    fn whole(&self, py: Python<'_>) -> PyResult<&(Arc<embmap::Store<Map>>, Py<PyUntypedArray>)> {
        self.whole.get_or_try_init(py, || {
            let store = self.again(py)?;
            let matrix = arrays::readonly(py, store.clone())?.unbind();
            Ok((store, matrix))
        })
    }

    /// Whether NumPy can show the stored numbers as the values they are.
    fn shows_values(&self) -> bool {
        matches!(self.store.header().dtype, Dtype::Float32 | Dtype::Float16)
    }
}

/// A read-only mapping word -> vector over one memory-mapped file.
#[pyclass(frozen, subclass, module = "embmap._embmap")]
pub(crate) struct Store {
    path: PathBuf,
    open: RwLock<Option<Arc<Open>>>,
}

impl Store {
    fn open(&self) -> PyResult<Arc<Open>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| PyValueError::new_err(format!("{}: the store is closed", self.path.display())))
    }

    /// The store, kept alive for as long as it is used.
    pub(crate) fn store(&self) -> PyResult<Arc<embmap::Store<Map>>> {
        Ok(self.open()?.store.clone())
    }

    fn find(&self, py: Python<'_>, open: &Open, word: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
        let Ok(word) = word.cast::<PyString>() else { return Ok(None) };
        let Ok(word) = word.to_str() else { return Ok(None) };
        open.store.index().find(word.as_bytes()).map_err(|error| raise_format(py, &self.path, error))
    }

    /// The error for a word that is not there: with the form of it that is, or with the way to what is no word.
    fn missing(&self, py: Python<'_>, open: &Open, word: &Bound<'_, PyAny>) -> PyResult<PyErr> {
        let Ok(text) = word.cast::<PyString>() else {
            let way = if word.is_instance_of::<PyInt>() || word.hasattr("__index__")? {
                "a row by its number is take([number])"
            } else if word.hasattr("__iter__")? && word.hash().is_err() {
                "the rows of many words are lookup(words)"
            } else {
                return Ok(PyKeyError::new_err((word.clone().unbind(),)));
            };
            return Ok(PyKeyError::new_err(format!("{} is no word; {way}", word.repr()?)));
        };
        for form in ["lower", "title", "upper", "casefold", "strip"] {
            let near = text.call_method0(form)?;
            if !near.eq(text)? && self.find(py, open, &near)?.is_some() {
                return Ok(PyKeyError::new_err(format!("{} is missing; {} is there", text.repr()?, near.repr()?)));
            }
        }
        Ok(PyKeyError::new_err((word.clone().unbind(),)))
    }

    fn find_all(&self, py: Python<'_>, words: &WordArgs<'_>, missing: i64) -> PyResult<Vec<i64>> {
        words.find(py, &self.open()?.store, missing).map_err(|error| match error {
            LookupError::Words(error) => error,
            LookupError::Store(error) => raise_format(py, &self.path, error),
        })
    }

    fn row<'py>(&self, py: Python<'py>, open: &Open, id: u32) -> PyResult<Bound<'py, PyAny>> {
        if open.shows_values() {
            return open.rows(py)?.as_any().get_item(id);
        }
        let row = self.decoded(py, open, id as usize..id as usize + 1)?.reshape([open.store.dim()])?;
        row.readwrite().make_nonwriteable();
        Ok(row.into_any())
    }

    /// The values of rows, copied.
    fn decoded<'py>(
        &self,
        py: Python<'py>,
        open: &Open,
        ids: std::ops::Range<usize>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let ids: Vec<i64> = (ids.start as i64..ids.end as i64).collect();
        // NumPy's own call raises MemoryError where there is none.
        let values = py.import("numpy")?.call_method1("empty", ((ids.len(), open.store.dim()), "float32"))?;
        let values = values.cast_into::<PyArray2<f32>>()?;
        let mut writing = values.readwrite();
        let out = writing.as_slice_mut()?;
        detached(py, || open.store.gather(&ids, out))?.map_err(|error| raise(py, error))?;
        drop(writing);
        Ok(values)
    }
}

/// Bytes of rows that are gathered between two looks at Ctrl-C: a tenth of a second, where all is new memory.
const GATHERED_BYTES: usize = 64 << 20;

/// Has `gather` fill `out`, without the GIL, where it has room for the rows of `ids` and is none of the store's own memory.
fn gather_into<T: Element + Send>(
    py: Python<'_>,
    store: &embmap::Store<Map>,
    ids: &PyReadonlyArray1<'_, i64>,
    mut out: PyReadwriteArray2<'_, T>,
    gather: impl Fn(&[i64], &mut [T]) -> embmap::Result<()> + Sync,
) -> PyResult<()> {
    let needed = [ids.len(), store.dim()];
    if out.shape() != needed {
        return Err(PyValueError::new_err(format!("out has shape {:?}, these rows need {needed:?}", out.shape())));
    }
    if !out.is_c_contiguous() {
        return Err(PyValueError::new_err("out must be C-contiguous"));
    }
    let (ids, out) = (ids.as_slice()?, out.as_slice_mut()?);
    if store.data().as_ptr_range().contains(&out.as_ptr().cast()) {
        return Err(PyValueError::new_err("out is the store's own memory"));
    }
    // Rows that are not there are told before any is written. Then piece by piece, so that Ctrl-C is answered in time.
    let rows = store.len();
    if let Some(position) = ids.iter().position(|&id| id < -1 || id >= rows as i64) {
        return Err(raise(py, Error::NoSuchRow { id: ids[position], position, rows }));
    }
    let piece = (GATHERED_BYTES / (store.dim() * size_of::<T>())).max(1);
    for (ids, out) in ids.chunks(piece).zip(out.chunks_mut(piece * store.dim())) {
        detached(py, || gather(ids, out))?.map_err(|error| raise(py, error))?;
        py.check_signals()?;
    }
    Ok(())
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (path, *, copy=false, shared=None))]
    fn new(py: Python<'_>, path: PathBuf, copy: bool, shared: Option<PyRef<'_, Store>>) -> PyResult<Store> {
        let path = std::path::absolute(&path).unwrap_or(path);
        if let Some(other) = shared {
            let store = other.open()?.store.clone();
            return Ok(Store { path, open: RwLock::new(Some(Arc::new(Open::of(store)))) });
        }
        let store = if copy {
            ticking(py, None, raise, |tick| embmap::Store::copied(&path, &mut || tick(0, 0)))?
        } else {
            detached(py, || embmap::Store::open(&path))?.map_err(|error| raise(py, error))?
        };
        Ok(Store { path, open: RwLock::new(Some(Arc::new(Open::of(Arc::new(store))))) })
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.open()?.store.len())
    }

    fn __contains__(&self, py: Python<'_>, word: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.find(py, &*self.open()?, word)?.is_some())
    }

    fn __getitem__<'py>(&self, py: Python<'py>, word: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let open = self.open()?;
        match self.find(py, &open, word)? {
            Some(id) => self.row(py, &open, id),
            None => Err(self.missing(py, &open, word)?),
        }
    }

    /// A word's vector, or `default` where it is missing.
    #[pyo3(signature = (word, default=None))]
    fn get<'py>(
        &self,
        py: Python<'py>,
        word: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let open = self.open()?;
        match self.find(py, &open, word)? {
            Some(id) => self.row(py, &open, id),
            None => Ok(default.unwrap_or_else(|| py.None().into_bound(py))),
        }
    }

    /// The row of a word; KeyError where it is missing.
    fn index(&self, py: Python<'_>, word: &Bound<'_, PyAny>) -> PyResult<u32> {
        let open = self.open()?;
        match self.find(py, &open, word)? {
            Some(id) => Ok(id),
            None => Err(self.missing(py, &open, word)?),
        }
    }

    /// The word of row `i`, counted from the end where negative; IndexError where there is none.
    fn word<'py>(&self, py: Python<'py>, i: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
        let open = self.open()?;
        let rows = open.store.len();
        let none = || PyIndexError::new_err(format!("row {i} of {rows}"));
        // A number that is larger than any row is none, too.
        let i: isize = i
            .extract()
            .map_err(|error: PyErr| if error.is_instance_of::<PyOverflowError>(py) { none() } else { error })?;
        let place = if i < 0 { i.checked_add_unsigned(rows) } else { Some(i) };
        let Some(id) = place.and_then(|place| usize::try_from(place).ok()).filter(|&id| id < rows) else {
            return Err(none());
        };
        let word = open.store.words().get_str(id).map_err(|error| raise_format(py, &self.path, error))?;
        Ok(PyString::new(py, &word))
    }

    /// The rows of words, `int64[n]`, `missing` for those that are not there.
    ///
    /// `words` is a list, a tuple or any iterable of `str`; a one-dimensional NumPy array of them (`U`, `StringDType`, object,
    /// or `S`, UTF-8); or an Arrow column (string, large_string, string_view or a dictionary of them, in one piece or
    /// several), as pyarrow, polars, pandas and duckdb offer. TypeError, with the position, for an item that is no `str`.
    #[pyo3(signature = (words, missing=-1), text_signature = "($self, words, missing=-1)")]
    fn indices<'py>(&self, py: Python<'py>, words: WordArgs<'py>, missing: i64) -> PyResult<Bound<'py, PyArray1<i64>>> {
        Ok(PyArray1::from_vec(py, self.find_all(py, &words, missing)?))
    }

    /// The rows of words, -1 for those that are not there, and the words that are not.
    #[pyo3(name = "_find")]
    fn found_and_missing<'py>(&self, py: Python<'py>, words: WordArgs<'py>) -> PyResult<FoundAndMissing<'py>> {
        let ids = self.find_all(py, &words, -1)?;
        let missing = words.strings(py, |i| ids[i] < 0)?;
        Ok((PyArray1::from_vec(py, ids), missing))
    }

    /// Rows by id into `out`; -1 gives zeros. They become float32 or float16, or, in an array of uint16, the bits of bfloat16. An
    /// array of int8 takes the codes of a store of int8.
    #[pyo3(name = "_gather")]
    fn gather(&self, py: Python<'_>, ids: PyReadonlyArray1<'_, i64>, out: &Bound<'_, PyAny>) -> PyResult<()> {
        let open = self.open()?;
        let (store, rows) = (&open.store, open.store.rows());
        let no_float32 = match out.extract::<PyReadwriteArray2<'_, f32>>() {
            Ok(out) => return gather_into(py, store, &ids, out, |ids, out| rows.gather(ids, out)),
            Err(error) => error,
        };
        if let Ok(out) = out.extract::<PyReadwriteArray2<'_, f16>>() {
            gather_into(py, store, &ids, out, |ids, out| rows.gather(ids, out))
        } else if let Ok(out) = out.extract::<PyReadwriteArray2<'_, u16>>() {
            gather_into(py, store, &ids, out, |ids, out| rows.gather::<bf16>(ids, bytemuck::cast_slice_mut(out)))
        } else if store.header().dtype == Dtype::Int8
            && let Ok(out) = out.extract::<PyReadwriteArray2<'_, i8>>()
        {
            gather_into(py, store, &ids, out, |ids, out| rows.gather_stored(ids, bytemuck::cast_slice_mut(out)))
        } else {
            Err(no_float32)
        }
    }

    /// What one whole number is worth in those rows of a store of int8; 0 for -1.
    #[pyo3(name = "_scales")]
    fn scales<'py>(&self, py: Python<'py>, ids: PyReadonlyArray1<'_, i64>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let open = self.open()?;
        let scales = open.store.rows().scales();
        let scale = |&id: &i64| match usize::try_from(id) {
            Ok(id) => scales.get(id).copied(),
            Err(_) => (id == -1).then_some(0.0),
        };
        let found: Option<Vec<f32>> = ids.as_slice()?.iter().map(scale).collect();
        Ok(PyArray1::from_vec(py, found.ok_or_else(|| PyIndexError::new_err("no such rows"))?))
    }

    /// What the n-grams of words give, into `out`, `[n, dim]`; ValueError where the store has none.
    #[pyo3(name = "_subword_vectors")]
    fn subword_vectors(
        &self,
        py: Python<'_>,
        words: WordArgs<'_>,
        mut out: PyReadwriteArray2<'_, f32>,
    ) -> PyResult<()> {
        let open = self.open()?;
        let subwords = open.store.subwords().map_err(|error| raise_format(py, &self.path, error))?;
        let Some(subwords) = subwords else {
            return Err(PyValueError::new_err(format!("{}: the store has no n-gram buckets", self.path.display())));
        };
        let words = words.to_list()?;
        let words: Vec<&[u8]> = words.iter().collect();
        if out.shape() != [words.len(), open.store.dim()] {
            let needed = [words.len(), open.store.dim()];
            return Err(PyValueError::new_err(format!("out has shape {:?}, these words need {needed:?}", out.shape())));
        }
        let out = out.as_slice_mut()?;
        detached(py, || subwords.vectors(&words, out))?.map_err(|error| raise(py, error))
    }

    /// Whether there are n-gram buckets.
    #[getter(_has_subwords)]
    fn has_subwords(&self, py: Python<'_>) -> PyResult<bool> {
        let open = self.open()?;
        let subwords = open.store.subwords().map_err(|error| raise_format(py, &self.path, error))?;
        Ok(subwords.is_some())
    }

    /// What stores with the same n-grams have alike, and others do not; `None` of one without any.
    #[pyo3(name = "_ngrams")]
    fn ngrams(&self) -> PyResult<Option<(usize, u32, u32)>> {
        let open = self.open()?;
        let header = open.store.header();
        let (buckets, subwords) = (header.section(Kind::Buckets), header.section(Kind::Subwords));
        Ok((subwords.offset != 0).then_some((open.store.dim(), buckets.crc, subwords.crc)))
    }

    /// One row for the next `lengths[i]` of `ids` each: their sum or mean, -1 passed over.
    #[pyo3(name = "_pool")]
    fn pool<'py>(
        &self,
        py: Python<'py>,
        ids: PyReadonlyArray1<'_, i64>,
        lengths: PyReadonlyArray1<'_, usize>,
        weights: Option<PyReadonlyArray1<'_, f32>>,
        mean: bool,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let open = self.open()?;
        // NumPy's own call raises MemoryError where there is none.
        let out = py.import("numpy")?.call_method1("zeros", ((lengths.len(), open.store.dim()), "float32"))?;
        let out = out.cast_into::<PyArray2<f32>>()?;
        let mut writing = out.readwrite();
        let (ids, lengths, sums) = (ids.as_slice()?, lengths.as_slice()?, writing.as_slice_mut()?);
        let weights = weights.as_ref().map(PyReadonlyArray1::as_slice).transpose()?;
        let pooling = if mean { Pooling::Mean } else { Pooling::Sum };
        let rows = open.store.rows();
        detached(py, || rows.pool(ids, lengths, weights, pooling, sums))?.map_err(|error| raise(py, error))?;
        drop(writing);
        Ok(out)
    }

    /// The matrix, `[rows, dim]`, read-only: without a copy where NumPy has its type, a float32 copy otherwise.
    #[getter]
    fn vectors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyUntypedArray>> {
        let open = self.open()?;
        if open.shows_values() {
            return Ok(open.whole(py)?.1.bind(py).clone());
        }
        let values = self.decoded(py, &open, 0..open.store.len())?;
        values.readwrite().make_nonwriteable();
        Ok(values.as_untyped().clone())
    }

    /// Values of the rows from `start` to `stop`, to be read here and not given out: a view where NumPy has their type, a float32
    /// copy otherwise.
    #[pyo3(name = "_block")]
    fn block<'py>(&self, py: Python<'py>, start: usize, stop: usize) -> PyResult<Bound<'py, PyAny>> {
        let open = self.open()?;
        if open.shows_values() {
            let part = pyo3::types::PySlice::new(py, start as isize, stop as isize, 1);
            return arrays::readonly(py, open.store.clone())?.as_any().get_item(part);
        }
        Ok(self.decoded(py, &open, start..stop)?.into_any())
    }

    /// The matrix as it is stored once more, writable: what is written stays in this array.
    #[pyo3(name = "_vectors_cow")]
    fn vectors_cow<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyUntypedArray>> {
        arrays::writable(py, self.open()?.again(py)?)
    }

    /// The same with one more row, of zeros, behind the others; None where the file has no room for it.
    #[pyo3(name = "_vectors_cow_padded")]
    fn vectors_cow_padded<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyUntypedArray>>> {
        arrays::with_spare_row(py, self.open()?.again(py)?)
    }

    /// The matrix as it is stored once more, writable: one array for all who ask, and none of the store's own pages.
    #[pyo3(name = "_vectors_shared")]
    fn vectors_shared<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyUntypedArray>> {
        let open = self.open()?;
        let make = || arrays::writable(py, open.again(py)?).map(Bound::unbind);
        Ok(open.shared.get_or_try_init(py, make)?.bind(py).clone())
    }

    /// The matrix as it is stored, in the mapping that answers look-ups: for a device to read, and not given out.
    #[pyo3(name = "_vectors_in_place")]
    fn vectors_in_place<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyUntypedArray>> {
        arrays::readonly(py, self.open()?.store.clone())
    }

    /// The rows nearest to queries: ids and cosines, best first.
    #[pyo3(name = "_nearest")]
    fn nearest<'py>(
        &self,
        py: Python<'py>,
        queries: PyReadonlyArray2<'_, f32>,
        k: usize,
        first: usize,
        only: Option<PyReadonlyArray1<'_, i64>>,
    ) -> PyResult<neighbors::Nearest<'py>> {
        neighbors::nearest(py, &self.open()?.store, &queries, k, first, only)
    }

    /// The rows best by 3CosMul: ids and scores, best first.
    #[pyo3(name = "_nearest_quotients")]
    fn nearest_quotients<'py>(
        &self,
        py: Python<'py>,
        questions: PyReadonlyArray3<'_, f32>,
        toward: usize,
        k: usize,
        first: usize,
        only: Option<PyReadonlyArray1<'_, i64>>,
    ) -> PyResult<neighbors::Nearest<'py>> {
        neighbors::nearest_quotients(py, &self.open()?.store, &questions, toward, k, first, only)
    }

    /// The nearest among candidates of each query: ids and cosines, best first.
    #[pyo3(name = "_nearest_among")]
    fn nearest_among<'py>(
        &self,
        py: Python<'py>,
        queries: PyReadonlyArray2<'_, f32>,
        candidates: PyReadonlyArray2<'_, i64>,
        k: usize,
    ) -> PyResult<neighbors::Nearest<'py>> {
        neighbors::nearest_among(py, &self.open()?.store, &queries, &candidates, k)
    }

    /// 1 / length of the rows, from `start` to `stop`.
    #[pyo3(name = "_inverse_norms")]
    fn inverse_norms<'py>(&self, py: Python<'py>, start: usize, stop: usize) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let open = self.open()?;
        let norms = open.store.inverse_norms();
        let part = norms.get(start..stop).ok_or_else(|| PyIndexError::new_err("no such rows"))?;
        Ok(PyArray1::from_slice(py, part))
    }

    /// Mean and standard deviation of each dimension, `[2, dim]`.
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let open = self.open()?;
        let statistics = open.store.statistics();
        if statistics.is_empty() {
            return Err(PyValueError::new_err(format!("{}: the store has no statistics", self.path.display())));
        }
        PyArray1::from_slice(py, statistics).reshape([2, open.store.dim()])
    }

    /// The metadata, JSON.
    #[pyo3(name = "_metadata_json")]
    fn metadata_json(&self, py: Python<'_>) -> PyResult<String> {
        let open = self.open()?;
        open.store.metadata().map_err(|error| raise_format(py, &self.path, error))
    }

    /// Numbers a row.
    #[getter]
    fn dim(&self) -> PyResult<usize> {
        Ok(self.open()?.store.dim())
    }

    #[getter(_dtype_name)]
    fn dtype_name(&self) -> PyResult<&'static str> {
        Ok(self.open()?.store.header().dtype.name())
    }

    /// Bytes of the file.
    #[getter]
    fn nbytes(&self) -> PyResult<u64> {
        Ok(self.open()?.store.header().file_length)
    }

    /// Sixteen bytes that tell files with other contents apart.
    #[getter]
    fn identity<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.open()?.store.header().identity))
    }

    /// The file, absolute.
    #[getter]
    fn path(&self) -> &Path {
        &self.path
    }

    /// Whether `close` has been called.
    #[getter]
    fn closed(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// The kind of network file system that the file lies on, where it does.
    #[pyo3(name = "_network")]
    fn network(&self) -> PyResult<Option<String>> {
        Ok(self.open()?.store.data().network())
    }

    /// Prove the file whole: checksums, index, norms, words. Reads all of it; FormatError where something is wrong.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        let open = self.open()?;
        let raise = |py: Python<'_>, error| raise_format(py, &self.path, error);
        ticking(py, None, raise, |tick| open.store.verify(|| tick(0, 0))).map(|_| ())
    }

    /// The `first` rows, or `only` some, as a file of another format.
    #[pyo3(name = "_export")]
    #[allow(clippy::too_many_arguments)]
    fn export<'py>(
        &self,
        py: Python<'py>,
        target: PathBuf,
        format: &str,
        first: usize,
        only: Option<PyReadonlyArray1<'_, i64>>,
        threads: Option<usize>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let only = only.as_ref().map(neighbors::rows).transpose()?;
        let selection = match &only {
            Some(only) => RowSelection::Only(only),
            None => RowSelection::First(first),
        };
        export::export(py, &self.open()?.store, &target, format, selection, threads, progress)
    }

    /// Words and vectors as a stream of Arrow record batches, for whatever reads Arrow's PyCapsule interface.
    ///
    /// The columns are `word`, text, and `vector`, a list of `dim` float32, or float16 where the store keeps that. A schema that is
    /// asked for is not looked at: the reader converts.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let _ = requested_schema;
        arrow_stream::capsule(py, &self.open()?.whole(py)?.0, usize::MAX, None)
    }

    /// The stream of the `first` rows, or of `only` some.
    #[pyo3(name = "_arrow_stream")]
    fn arrow_stream<'py>(
        &self,
        py: Python<'py>,
        first: usize,
        only: Option<PyReadonlyArray1<'_, i64>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let only = only.as_ref().map(neighbors::rows).transpose()?;
        arrow_stream::capsule(py, &self.open()?.whole(py)?.0, first, only)
    }

    /// Bring the whole file into memory, several parts at once; returns when it is there.
    fn preload(&self, py: Python<'_>) -> PyResult<()> {
        let open = self.open()?;
        detached(py, || open.store.data().preload())?.map_err(|error| raise(py, error))
    }

    /// Tell the system how the file will be read: "normal", "random", "sequential" or "willneed".
    fn advise(&self, py: Python<'_>, access: &str) -> PyResult<()> {
        let access = choose(
            "access",
            access,
            [
                ("normal", Access::Normal),
                ("random", Access::Random),
                ("sequential", Access::Sequential),
                ("willneed", Access::WillNeed),
            ],
        )?;
        self.open()?.store.data().advise(access).map_err(|error| raise(py, error))
    }

    /// Let go of the file. Arrays and tensors that were handed out stay valid.
    fn close(&self) {
        *self.open.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
