//! NumPy arrays over mapped memory: the only unsafe code of the binding.

use std::sync::Arc;

use embmap::{Map, Store, format::Kind};
use numpy::{PyArray2, PyArrayMethods, ndarray::ArrayView2};
use pyo3::prelude::*;

use crate::errors::os_error;

/// Keeps a mapping alive for as long as an array shows it.
#[pyclass(frozen, module = "embmap._embmap")]
struct Owner {
    store: Arc<Store<Map>>,
}

/// The matrix of `store` as a read-only array, without a copy.
pub(crate) fn readonly<'py>(py: Python<'py>, store: &Arc<Store<Map>>) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let array = array_over(py, store.clone())?;
    array.readwrite().make_nonwriteable();
    Ok(array)
}

/// The matrix of `store` as a writable array over a mapping of its own: what is written stays in that mapping's pages.
pub(crate) fn writable<'py>(py: Python<'py>, store: &Store<Map>) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let path = store.data().path();
    let map = store.data().again().map_err(|error| os_error(path, &error))?;
    let again = Store::from_bytes(map).map_err(|error| crate::errors::raise_format(py, path, error))?;
    if again.header() != store.header() {
        let changed = embmap::FormatError::Corrupt("the file has changed since it was opened".into());
        return Err(crate::errors::raise_format(py, path, changed));
    }
    array_over(py, Arc::new(again))
}

#[allow(unsafe_code)]
fn array_over(py: Python<'_>, store: Arc<Store<Map>>) -> PyResult<Bound<'_, PyArray2<f32>>> {
    let shape = (store.len(), store.dim());
    let matrix = store.header().section(Kind::Matrix).range();
    let owner = Bound::new(py, Owner { store })?;
    let map = owner.get().store.data();
    // SAFETY: `Header::decode`, which every `Store` has passed, found `matrix` inside the mapping, aligned to a page and
    // `rows * dim * 4` bytes long, so the pointer and the shape describe readable float32, of which every bit pattern is
    // one. The mapping is private and writable, so a write through the array, whatever its flags say, can neither fault
    // nor reach the file. `owner` becomes the array's base object and holds the mapping until the last view is gone.
    let array = unsafe {
        let start = map.as_mut_ptr().add(matrix.start).cast::<f32>();
        PyArray2::borrow_from_array(&ArrayView2::from_shape_ptr(shape, start), owner.into_any())
    };
    Ok(array)
}
