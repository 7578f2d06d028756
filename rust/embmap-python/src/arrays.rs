//! NumPy arrays over mapped memory.

use std::sync::Arc;

use embmap::{Dtype, Map, Store, format::Kind};
use half::f16;
use numpy::{Element, PyArray2, PyArrayMethods, PyUntypedArray, ndarray::ArrayView2};
use pyo3::prelude::*;

use crate::errors::os_error;

/// Keeps a mapping alive for as long as an array shows it.
#[pyclass(frozen, module = "embmap._embmap")]
struct Owner {
    store: Arc<Store<Map>>,
}

/// The matrix of `store` as a read-only array of its stored type, without a copy.
pub(crate) fn readonly<'py>(py: Python<'py>, store: &Arc<Store<Map>>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let array = array_over(py, store.clone())?;
    array.call_method1("setflags", (false,))?;
    Ok(array)
}

/// The matrix of `store` as a writable array over a mapping of its own: what is written stays in that mapping's pages.
pub(crate) fn writable<'py>(py: Python<'py>, store: &Store<Map>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let path = store.data().path();
    let map = store.data().again().map_err(|error| os_error(path, &error))?;
    let again = Store::from_bytes(map).map_err(|error| crate::errors::raise_format(py, path, error))?;
    if again.header() != store.header() {
        let changed = embmap::FormatError::Corrupt("the file has changed since it was opened".into());
        return Err(crate::errors::raise_format(py, path, changed));
    }
    array_over(py, Arc::new(again))
}

/// NumPy has no bfloat16: its numbers are shown as the sixteen bits they are.
fn array_over(py: Python<'_>, store: Arc<Store<Map>>) -> PyResult<Bound<'_, PyUntypedArray>> {
    match store.header().dtype {
        Dtype::Float32 => Ok(array_of::<f32>(py, store)?.as_untyped().clone()),
        Dtype::Float16 => Ok(array_of::<f16>(py, store)?.as_untyped().clone()),
        Dtype::BFloat16 => Ok(array_of::<u16>(py, store)?.as_untyped().clone()),
        Dtype::Int8 => Ok(array_of::<i8>(py, store)?.as_untyped().clone()),
    }
}

/// `T` must be the type that the store's numbers are shown as.
#[allow(unsafe_code)]
fn array_of<T: Element + bytemuck::AnyBitPattern>(
    py: Python<'_>,
    store: Arc<Store<Map>>,
) -> PyResult<Bound<'_, PyArray2<T>>> {
    assert_eq!(size_of::<T>(), store.header().dtype.size(), "numbers of another size");
    let shape = (store.len(), store.dim());
    let matrix = store.header().section(Kind::Matrix).range();
    let owner = Bound::new(py, Owner { store })?;
    let map = owner.get().store.data();
    // SAFETY: `Header::decode`, which every `Store` has passed, found `matrix` inside the mapping, aligned to a page and
    // `rows * dim` times the size of its numbers long, which is the size of `T`, so the pointer and the shape describe
    // readable `T`, of which every bit pattern is one. The mapping is private and writable, so a write through the array,
    // whatever its flags say, can neither fault nor reach the file. `owner` becomes the array's base object and holds the
    // mapping until the last view is gone.
    let array = unsafe {
        let start = map.as_mut_ptr().add(matrix.start).cast::<T>();
        PyArray2::borrow_from_array(&ArrayView2::from_shape_ptr(shape, start), owner.into_any())
    };
    Ok(array)
}
