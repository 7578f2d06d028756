//! Nearest rows: arrays in, arrays out.

use embmap::{Map, Neighbor, RowSelection, Store};
use numpy::{
    PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyReadonlyArray3, PyUntypedArrayMethods,
};
use pyo3::{
    exceptions::{PyIndexError, PyValueError},
    prelude::*,
};

use crate::{
    errors::{detached, raise},
    ticks::ticking,
};

/// Ids and cosines, a row for each query.
pub(crate) type Nearest<'py> = (Bound<'py, PyArray2<i64>>, Bound<'py, PyArray2<f64>>);

/// Ids and cosines of the `k` rows nearest to each query, of the `first` rows or of `only` some.
pub(crate) fn nearest<'py>(
    py: Python<'py>,
    store: &Store<Map>,
    queries: &PyReadonlyArray2<'_, f32>,
    k: usize,
    first: usize,
    only: Option<PyReadonlyArray1<'_, i64>>,
) -> PyResult<Nearest<'py>> {
    let numbers = queries.as_slice()?;
    among(py, store, queries.shape(), k, first, only, |candidates, go_on| store.nearest(numbers, k, candidates, go_on))
}

/// Ids and scores of the `k` rows best by 3CosMul for each question, `[n, each, dim]`, of the `first` rows or of `only` some.
pub(crate) fn nearest_quotients<'py>(
    py: Python<'py>,
    store: &Store<Map>,
    questions: &PyReadonlyArray3<'_, f32>,
    toward: usize,
    k: usize,
    first: usize,
    only: Option<PyReadonlyArray1<'_, i64>>,
) -> PyResult<Nearest<'py>> {
    let (each, numbers) = (questions.shape()[1], questions.as_slice()?);
    among(py, store, questions.shape(), k, first, only, |candidates, go_on| {
        store.nearest_quotients(numbers, each, toward, k, candidates, go_on)
    })
}

/// What `search` finds for each query of an array of that shape, among the `first` rows or `only` some.
fn among<'py>(
    py: Python<'py>,
    store: &Store<Map>,
    shape: &[usize],
    k: usize,
    first: usize,
    only: Option<PyReadonlyArray1<'_, i64>>,
    search: impl FnOnce(RowSelection, &mut dyn FnMut() -> bool) -> embmap::Result<Vec<Vec<Neighbor>>> + Send,
) -> PyResult<Nearest<'py>> {
    let (n, dim) = (shape[0], shape[shape.len() - 1]);
    if dim != store.dim() {
        return Err(PyValueError::new_err(format!("queries of {dim} numbers, rows of {}", store.dim())));
    }
    let only = only.as_ref().map(rows).transpose()?;
    let candidates = only.as_deref().map_or(RowSelection::First(first), RowSelection::Only);
    let found = ticking(py, None, raise, |tick| search(candidates, &mut || tick(0, 0)))?;
    arrays(py, &found, n, k)
}

/// Ids and cosines of the `k` nearest to each query, among the candidates of each, `[n, many]`, of which at least `k` are not -1.
pub(crate) fn nearest_among<'py>(
    py: Python<'py>,
    store: &Store<Map>,
    queries: &PyReadonlyArray2<'_, f32>,
    candidates: &PyReadonlyArray2<'_, i64>,
    k: usize,
) -> PyResult<Nearest<'py>> {
    let [n, dim] = [queries.shape()[0], queries.shape()[1]];
    if dim != store.dim() || candidates.shape()[0] != n {
        let found = (queries.shape(), candidates.shape());
        return Err(PyValueError::new_err(format!("queries and candidates of {found:?}, rows of {}", store.dim())));
    }
    let (queries, candidates) = (queries.as_slice()?, candidates.as_slice()?);
    let found = detached(py, || store.nearest_among(queries, candidates, k))?.map_err(|error| raise(py, error))?;
    if found.iter().any(|found| found.len() != k) {
        return Err(PyValueError::new_err(format!("a query has fewer than {k} candidates")));
    }
    arrays(py, &found, n, k)
}

/// Ids and scores of each query.
fn arrays<'py>(py: Python<'py>, found: &[Vec<Neighbor>], n: usize, k: usize) -> PyResult<Nearest<'py>> {
    let k = found.first().map_or(k, Vec::len);
    let ids = found.iter().flatten().map(|neighbor| i64::from(neighbor.id)).collect();
    let cosines = found.iter().flatten().map(|neighbor| neighbor.cosine).collect();
    Ok((PyArray1::from_vec(py, ids).reshape([n, k])?, PyArray1::from_vec(py, cosines).reshape([n, k])?))
}

/// Rows that Python names; those of a store are numbered by `u32`.
pub(crate) fn rows(named: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<u32>> {
    let row = |&id: &i64| u32::try_from(id).map_err(|_| PyIndexError::new_err(format!("{id} is not a row")));
    named.as_slice()?.iter().map(row).collect()
}
