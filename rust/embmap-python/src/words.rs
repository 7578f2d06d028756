//! Words that Python hands over.

use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyList, PyString, PyTuple},
};

/// A list, a tuple or any iterable of `str`. The objects are held, so that threads may read their text without the GIL.
pub(crate) struct WordArgs<'py> {
    words: Vec<Bound<'py, PyString>>,
}

impl<'py> WordArgs<'py> {
    /// The UTF-8 of each word. A word with a lone surrogate has none and is in no store: it counts as empty, as no word is.
    pub(crate) fn bytes(&self) -> Vec<&[u8]> {
        self.words.iter().map(|word| word.to_str().map_or(&b""[..], str::as_bytes)).collect()
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for WordArgs<'py> {
    type Error = PyErr;

    fn extract(argument: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let tuple = if let Ok(list) = argument.cast::<PyList>() {
            // A copy: another thread may change the list while this one reads it.
            list.to_tuple()
        } else if let Ok(tuple) = argument.cast::<PyTuple>() {
            tuple.to_owned()
        } else if argument.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("expected words, found one str; pass [word]"));
        } else {
            PyTuple::new(argument.py(), argument.try_iter()?.collect::<PyResult<Vec<_>>>()?)?
        };
        let mut words = Vec::with_capacity(tuple.len());
        for (position, word) in tuple.iter().enumerate() {
            let word = word.cast_into::<PyString>().map_err(|error| {
                let found = error.into_inner().get_type();
                let name = found.name().map_or_else(|_| "?".into(), |name| name.to_string());
                PyTypeError::new_err(format!("expected str, found {name} at position {position}"))
            })?;
            words.push(word);
        }
        Ok(WordArgs { words })
    }
}
