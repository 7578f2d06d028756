//! Words that Python hands over: lists and tuples of `str`, NumPy arrays, Arrow columns, any other iterable.

mod arrow;
mod fixed;
mod objects;

use embmap::{FormatError, Map, Store, unstable::WordList};
use numpy::{PyUntypedArray, PyUntypedArrayMethods};
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    types::{PyBytes, PyList, PyString, PyTuple},
};

use crate::errors::detached;
use arrow::Column;
use fixed::Fixed;
use objects::Objects;

/// Words, wherever they lie.
pub(crate) enum WordArgs<'py> {
    Objects(Objects<'py>),
    Fixed(Fixed<'py>),
    Column(Column),
}

/// Why words cannot be looked up.
pub(crate) enum LookupError {
    /// They cannot be read.
    Words(PyErr),
    /// The store is broken.
    Store(FormatError),
}

impl From<FormatError> for LookupError {
    fn from(error: FormatError) -> Self {
        LookupError::Store(error)
    }
}

impl From<PyErr> for LookupError {
    fn from(error: PyErr) -> Self {
        LookupError::Words(error)
    }
}

impl WordArgs<'_> {
    /// How many.
    pub(crate) fn len(&self) -> usize {
        match self {
            WordArgs::Objects(objects) => objects.len(),
            WordArgs::Fixed(fixed) => fixed.len(),
            WordArgs::Column(column) => column.len(),
        }
    }

    /// The row of each in `store`, `missing` for those that are not there: a word with a lone surrogate is in no store.
    pub(crate) fn find(&self, py: Python<'_>, store: &Store<Map>, missing: i64) -> Result<Vec<i64>, LookupError> {
        let mut ids = vec![0; self.len()];
        match self {
            WordArgs::Objects(objects) => objects.find(py, store, missing, &mut ids)?,
            WordArgs::Fixed(fixed) => fixed.find(py, store, missing, &mut ids)?,
            WordArgs::Column(column) => detached(py, || column.find(store, missing, &mut ids))??,
        }
        Ok(ids)
    }

    /// The words that are `wanted`, by position, as `str`.
    pub(crate) fn strings<'py>(
        &self,
        py: Python<'py>,
        wanted: impl Fn(usize) -> bool,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        if let WordArgs::Objects(objects) = self {
            return (0..objects.len()).filter(|&i| wanted(i)).map(|i| objects.get(py, i)).collect();
        }
        let (mut strings, mut position) = (Vec::new(), 0);
        let push = |word: &[u8]| {
            if wanted(position) {
                strings.push(PyString::new(py, &String::from_utf8_lossy(word)).into_any());
            }
            position += 1;
            Ok(())
        };
        self.for_each(push)?;
        Ok(strings)
    }

    /// A copy of the words, those with a lone surrogate empty.
    pub(crate) fn to_list(&self) -> PyResult<WordList> {
        let mut list = WordList::default();
        self.for_each(|word| {
            list.push(word).then_some(()).ok_or_else(|| PyValueError::new_err("the words are more than 4 GiB"))
        })?;
        Ok(list)
    }

    fn for_each(&self, mut each: impl FnMut(&[u8]) -> PyResult<()>) -> PyResult<()> {
        match self {
            WordArgs::Objects(objects) => objects.for_each(each),
            WordArgs::Fixed(fixed) => fixed.words()?.for_each(0..fixed.len(), each),
            WordArgs::Column(column) => column.for_each(&mut each),
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for WordArgs<'py> {
    type Error = PyErr;

    fn extract(argument: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(list) = argument.cast::<PyList>() {
            return Ok(WordArgs::Objects(Objects::of_list(list.to_owned())));
        }
        if let Ok(tuple) = argument.cast::<PyTuple>() {
            return Ok(WordArgs::Objects(Objects::of_tuple(tuple.to_owned())));
        }
        if argument.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("expected words, found one str; pass [word]"));
        }
        if let Ok(array) = argument.cast::<PyUntypedArray>() {
            return of_array(&array.to_owned());
        }
        if let Some(column) = Column::of(&argument)? {
            return Ok(WordArgs::Column(column));
        }
        let items = PyList::new(argument.py(), argument.try_iter()?.collect::<PyResult<Vec<_>>>()?)?;
        Ok(WordArgs::Objects(Objects::of_list(items)))
    }
}

/// Of NumPy's strings, those of one width are read where they lie, others become `str` first.
fn of_array<'py>(array: &Bound<'py, PyUntypedArray>) -> PyResult<WordArgs<'py>> {
    if array.ndim() != 1 {
        let what = format!("expected a one-dimensional array of words, found {} dimensions", array.ndim());
        return Err(PyTypeError::new_err(what));
    }
    if let Some(fixed) = Fixed::of(array)? {
        return Ok(WordArgs::Fixed(fixed));
    }
    let items = array.call_method0("tolist")?.cast_into::<PyList>()?;
    if items.get_item(0).is_ok_and(|first| first.is_instance_of::<PyBytes>()) {
        // What TensorFlow makes of strings.
        for (i, item) in items.iter().enumerate() {
            if let Ok(bytes) = item.cast::<PyBytes>() {
                let word = std::str::from_utf8(bytes.as_bytes()).map_err(|error| {
                    PyValueError::new_err(format!("the bytes at position {i} are no UTF-8: {error}"))
                })?;
                items.set_item(i, word)?;
            }
        }
    }
    Ok(WordArgs::Objects(Objects::of_list(items)))
}

/// An object where a word or a text is expected.
pub(crate) fn not_str(item: &Bound<'_, PyAny>, position: usize) -> PyErr {
    no_str(&item.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string()), position)
}

/// An item that is no word.
fn no_str(found: &str, position: usize) -> PyErr {
    PyTypeError::new_err(format!("expected str, found {found} at position {position}"))
}
