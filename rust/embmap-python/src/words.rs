//! Words that Python hands over.

use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyList, PyString, PyTuple},
};

/// Words ahead of the one that is read whose objects are asked for.
const AHEAD: usize = 16;

/// A list, a tuple or any iterable of `str`. The tuple holds the objects, so that threads may read their text without the
/// GIL.
pub(crate) struct WordArgs<'py> {
    words: Bound<'py, PyTuple>,
}

impl WordArgs<'_> {
    /// The UTF-8 of each word, TypeError for what is no `str`. A word with a lone surrogate has none and is in no store: it
    /// counts as empty, as no word is.
    pub(crate) fn bytes(&self) -> PyResult<Vec<&[u8]>> {
        let mut texts = Vec::with_capacity(self.words.len());
        let mut ahead = self.words.iter_borrowed().skip(AHEAD);
        for (position, word) in self.words.iter_borrowed().enumerate() {
            if let Some(later) = ahead.next() {
                embmap::prefetch::prefetch_address(later.as_ptr().cast());
            }
            match word.extract::<&str>() {
                Ok(text) => texts.push(text.as_bytes()),
                Err(_) if word.is_instance_of::<PyString>() => texts.push(b""),
                Err(_) => {
                    let found = word.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
                    return Err(PyTypeError::new_err(format!("expected str, found {found} at position {position}")));
                }
            }
        }
        Ok(texts)
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for WordArgs<'py> {
    type Error = PyErr;

    fn extract(argument: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let words = if let Ok(list) = argument.cast::<PyList>() {
            // A copy: another thread may change the list while this one reads it.
            list.to_tuple()
        } else if let Ok(tuple) = argument.cast::<PyTuple>() {
            tuple.to_owned()
        } else if argument.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("expected words, found one str; pass [word]"));
        } else {
            PyTuple::new(argument.py(), argument.try_iter()?.collect::<PyResult<Vec<_>>>()?)?
        };
        Ok(WordArgs { words })
    }
}
