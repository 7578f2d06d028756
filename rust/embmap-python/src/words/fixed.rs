//! NumPy's strings of one width: `U`, four bytes a character, and `S`, UTF-8.

use std::{convert::Infallible, ops::Range};

use embmap::{FormatError, Map, Store};
use numpy::{PyArrayDescrMethods, PyReadonlyArray1, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::{prelude::*, types::IntoPyDict};

use super::LookupError;
use crate::errors::detached;

/// An array of such strings, contiguous, in this machine's byte order.
pub(crate) struct Fixed<'py> {
    bytes: PyReadonlyArray1<'py, u8>,
    len: usize,
    width: usize,
    unicode: bool,
}

/// Its words, for any thread.
#[derive(Clone, Copy)]
pub(crate) struct FixedWords<'a> {
    bytes: &'a [u8],
    width: usize,
    unicode: bool,
}

impl<'py> Fixed<'py> {
    /// The words of an array with one dimension; `None` where its strings are not of one width.
    pub(crate) fn of(array: &Bound<'py, PyUntypedArray>) -> PyResult<Option<Self>> {
        let (dtype, kind) = (array.dtype(), array.dtype().kind());
        if !matches!(kind, b'U' | b'S') {
            return Ok(None);
        }
        let (len, width, unicode) = (array.len(), dtype.itemsize(), kind == b'U');
        let numpy = array.py().import("numpy")?;
        let native = dtype.call_method1("newbyteorder", ("=",))?;
        let words =
            numpy.call_method("ascontiguousarray", (array,), Some(&[("dtype", native)].into_py_dict(array.py())?))?;
        // Strings of width 0 have no bytes to view.
        let bytes = if width == 0 || len == 0 {
            numpy.call_method1("empty", (0, "uint8"))?
        } else {
            words.call_method1("view", ("uint8",))?
        };
        Ok(Some(Fixed { bytes: bytes.extract()?, len, width, unicode }))
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn words(&self) -> PyResult<FixedWords<'_>> {
        Ok(FixedWords { bytes: self.bytes.as_slice()?, width: self.width, unicode: self.unicode })
    }

    pub(crate) fn find(
        &self,
        py: Python<'_>,
        store: &Store<Map>,
        missing: i64,
        ids: &mut [i64],
    ) -> Result<(), LookupError> {
        let words = self.words()?;
        let read = |range: Range<usize>, find: &mut embmap::Find| {
            let (mut text, mut ends) = (Vec::with_capacity(range.len() * 8), Vec::with_capacity(range.len()));
            let copied: Result<(), Infallible> = words.for_each(range, |word| {
                text.extend_from_slice(word);
                ends.push(text.len());
                Ok(())
            });
            let Ok(()) = copied;
            let mut start = 0;
            let words: Vec<&[u8]> = ends.iter().map(|&end| &text[std::mem::replace(&mut start, end)..end]).collect();
            find(&words)
        };
        detached(py, || store.find_ranges(missing, ids, read))?.map_err(|error: FormatError| error.into())
    }
}

impl FixedWords<'_> {
    /// Calls `each` with the UTF-8 of each word; one with a lone surrogate is empty.
    pub(crate) fn for_each<E>(
        &self,
        range: Range<usize>,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut text = String::new();
        for i in range {
            let word = self.bytes.get(i * self.width..(i + 1) * self.width).unwrap_or_default();
            if !self.unicode {
                each(&word[..word.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)])?;
                continue;
            }
            let characters = word.chunks_exact(4).map(|c| u32::from_ne_bytes([c[0], c[1], c[2], c[3]]));
            let length = word.len() / 4 - characters.clone().rev().take_while(|&c| c == 0).count();
            text.clear();
            let whole = characters.take(length).try_for_each(|c| {
                text.push(char::from_u32(c)?);
                Some(())
            });
            each(if whole.is_some() { text.as_bytes() } else { b"" })?;
        }
        Ok(())
    }
}
