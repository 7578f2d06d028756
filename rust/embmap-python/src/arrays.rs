//! NumPy arrays over mapped memory.

use std::sync::Arc;

use embmap::{Dtype, Map, Store, format::Kind};
use half::f16;
use numpy::{Element, PyArray2, PyArrayMethods, PyUntypedArray, ndarray::ArrayView2};
use pyo3::prelude::*;

/// Keeps a mapping alive for as long as an array shows it.
#[pyclass(frozen, module = "embmap._embmap")]
struct Owner {
    store: Arc<Store<Map>>,
}

/// The matrix as an array of its stored type over the mapping of `store`, which [`Store::again`] has made; marked read-only.
pub(crate) fn readonly<'py>(py: Python<'py>, store: Arc<Store<Map>>) -> PyResult<Bound<'py, PyUntypedArray>> {
    let array = writable(py, store)?;
    array.call_method1("setflags", (false,))?;
    Ok(array)
}

/// The same, to be written to.
pub(crate) fn writable(py: Python<'_>, store: Arc<Store<Map>>) -> PyResult<Bound<'_, PyUntypedArray>> {
    let rows = store.len();
    array_over(py, store, rows)
}

/// The same with one more row, of zeros: its bytes are those of what the file has behind the matrix, in pages of this mapping
/// alone. `None` where the file has too little there.
pub(crate) fn with_spare_row(py: Python<'_>, store: Arc<Store<Map>>) -> PyResult<Option<Bound<'_, PyUntypedArray>>> {
    let header = store.header();
    let end = header.section(Kind::Matrix).range().end;
    let row = store.dim() * header.dtype.size();
    if store.data().len().saturating_sub(end) < row {
        return Ok(None);
    }
    let rows = store.len();
    let array = array_over(py, store, rows + 1)?;
    array.set_item(rows, 0)?;
    Ok(Some(array))
}

/// NumPy has no bfloat16: its numbers are shown as the sixteen bits they are.
fn array_over(py: Python<'_>, store: Arc<Store<Map>>, rows: usize) -> PyResult<Bound<'_, PyUntypedArray>> {
    match store.header().dtype {
        Dtype::Float32 => Ok(array_of::<f32>(py, store, rows)?.as_untyped().clone()),
        Dtype::Float16 => Ok(array_of::<f16>(py, store, rows)?.as_untyped().clone()),
        Dtype::BFloat16 => Ok(array_of::<u16>(py, store, rows)?.as_untyped().clone()),
        Dtype::Int8 => Ok(array_of::<i8>(py, store, rows)?.as_untyped().clone()),
    }
}

/// `T` must be the type that the store's numbers are shown as.
#[allow(unsafe_code)]
fn array_of<T: Element + bytemuck::AnyBitPattern>(
    py: Python<'_>,
    store: Arc<Store<Map>>,
    rows: usize,
) -> PyResult<Bound<'_, PyArray2<T>>> {
    assert_eq!(size_of::<T>(), store.header().dtype.size(), "numbers of another size");
    let shape = (rows, store.dim());
    let bytes = rows * store.dim() * size_of::<T>();
    let matrix = store.header().section(Kind::Matrix).range();
    let owner = Bound::new(py, Owner { store })?;
    let map = owner.get().store.data();
    assert!(bytes <= map.len() - matrix.start, "rows behind the end of the file");
    // SAFETY: `Header::decode`, which every `Store` has passed, found `matrix` inside the mapping and aligned to a page, and
    // `bytes` from there on lie inside it too, so the pointer and the shape describe readable `T`, of which every bit pattern
    // is one. A mapping that is handed out is private and writable, so a write through the array, whatever its flags say, can
    // neither fault nor reach the file; nothing else reads that mapping's matrix through a reference. `owner` becomes the
    // array's base object and holds the mapping until the last view is gone.
    let array = unsafe {
        let start = map.as_mut_ptr().add(matrix.start).cast::<T>();
        PyArray2::borrow_from_array(&ArrayView2::from_shape_ptr(shape, start), owner.into_any())
    };
    Ok(array)
}
