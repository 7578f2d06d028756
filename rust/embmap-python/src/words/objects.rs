//! `str` objects in a list or tuple, read where they lie.
//!
//! Neither the objects' reference counts nor a copy of the list are touched: in a large list of shared words that would cost
//! more than the look-up. The text of a `str` never changes or moves, and the object cannot go away while nothing runs that
//! could take it out of the list. So the thread that holds the GIL reads the texts' addresses, others look words up meanwhile,
//! and Python waits until a span of words is through.

use embmap::{Map, Store};
use pyo3::{
    exceptions::PyRuntimeError,
    ffi,
    prelude::*,
    types::{PyList, PyString, PyTuple},
};

use super::{LookupError, not_str};
use crate::errors::caught;

/// Items ahead of the one that is read whose objects are asked for.
const PREFETCH_ITEMS: usize = 32;
/// Words that are looked up before Python may run again: some ten milliseconds.
const SPAN_WORDS: usize = 1 << 18;

/// A list or a tuple.
pub(crate) struct Objects<'py> {
    items: Items<'py>,
    len: usize,
}

enum Items<'py> {
    List(Bound<'py, PyList>),
    Tuple(Bound<'py, PyTuple>),
}

impl<'py> Objects<'py> {
    pub(crate) fn of_list(list: Bound<'py, PyList>) -> Self {
        // Without a GIL another thread may change the list at any time.
        if cfg!(Py_GIL_DISABLED) {
            return Self::of_tuple(list.to_tuple());
        }
        Objects { len: list.len(), items: Items::List(list) }
    }

    pub(crate) fn of_tuple(tuple: Bound<'py, PyTuple>) -> Self {
        Objects { len: tuple.len(), items: Items::Tuple(tuple) }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Calls `each` with each word; one with a lone surrogate is empty.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&[u8]) -> PyResult<()>) -> PyResult<()> {
        let py = match &self.items {
            Items::List(list) => list.py(),
            Items::Tuple(tuple) => tuple.py(),
        };
        (0..self.len).try_for_each(|i| each(text(self.get(py, i)?.as_borrowed(), i)?))
    }

    /// The `i`-th object.
    pub(crate) fn get<'a>(&self, py: Python<'a>, i: usize) -> PyResult<Bound<'a, PyAny>> {
        let item = match &self.items {
            Items::List(list) if i < list.len() => list.get_item(i)?,
            Items::List(_) => return Err(changed()),
            Items::Tuple(tuple) => tuple.get_item(i)?,
        };
        Ok(item.unbind().into_bound(py))
    }

    #[allow(unsafe_code)]
    pub(crate) fn find(
        &self,
        py: Python<'_>,
        store: &Store<Map>,
        missing: i64,
        ids: &mut [i64],
    ) -> Result<(), LookupError> {
        for (span, ids) in ids.chunks_mut(SPAN_WORDS).enumerate() {
            let first = span * SPAN_WORDS;
            if first > 0 {
                py.check_signals()?;
                py.detach(|| ());
            }
            let _quiet = NoCollection::new(py);
            let find = || {
                store.find_while_reading(missing, ids, |range, texts| {
                    // SAFETY: the texts are used until `find_while_reading` returns. This thread holds the GIL all the while
                    // (or there is none, and the items are a tuple's) and runs no Python: it reads, looks up, and waits for
                    // threads that do the same. The exceptions it may make are C's, and `_quiet` keeps the collection that
                    // making them could start, with finalizers written in Python, from starting.
                    unsafe { self.lend(first + range.start..first + range.end, texts) }.map_err(LookupError::Words)
                })
            };
            caught(find)??;
        }
        Ok(())
    }

    /// Appends the texts of some items, an empty one for a lone surrogate.
    ///
    /// # Safety
    ///
    /// As long as the texts are used, no item may leave the list: no Python may run, nor another thread that holds the GIL.
    #[allow(unsafe_code)]
    unsafe fn lend<'w>(&'w self, range: std::ops::Range<usize>, texts: &mut Vec<&'w [u8]>) -> PyResult<()> {
        match &self.items {
            Items::List(list) => {
                if list.len() < range.end {
                    return Err(changed());
                }
                let py = list.py();
                // SAFETY: `i` is below the list's length, so that this gives a reference that the list owns; as this
                // function demands, it owns it as long as the borrow is used.
                let item = |i: usize| unsafe {
                    Borrowed::<'w, 'py, PyAny>::from_ptr(py, ffi::PyList_GetItem(list.as_ptr(), i as isize))
                };
                read(range, item, texts)
            }
            Items::Tuple(tuple) => {
                // SAFETY: as above; a tuple's length does not change.
                let item = |i: usize| unsafe { tuple.get_borrowed_item_unchecked(i) };
                read(range, item, texts)
            }
        }
    }
}

/// Appends the texts of items `range`, whose objects are asked for some ahead.
fn read<'w, 'py: 'w>(
    range: std::ops::Range<usize>,
    item: impl Fn(usize) -> Borrowed<'w, 'py, PyAny>,
    texts: &mut Vec<&'w [u8]>,
) -> PyResult<()> {
    let asked = |i| {
        let item = item(i);
        embmap::unstable::prefetch_address(item.as_ptr().cast());
        item
    };
    let mut items = range.clone().map(asked);
    // The items between the one that is asked for and the one that is read.
    let mut between: [_; PREFETCH_ITEMS] = std::array::from_fn(|_| items.next());
    for (turn, i) in range.enumerate() {
        if let Some(item) = std::mem::replace(&mut between[turn % PREFETCH_ITEMS], items.next()) {
            texts.push(text(item, i)?);
        }
    }
    Ok(())
}

/// The UTF-8 of a `str`; nothing where it has none.
fn text<'w>(item: Borrowed<'w, '_, PyAny>, position: usize) -> PyResult<&'w [u8]> {
    match item.extract::<&str>() {
        Ok(text) => Ok(text.as_bytes()),
        Err(_) if item.is_instance_of::<PyString>() => Ok(b""),
        Err(_) => Err(not_str(&item, position)),
    }
}

fn changed() -> PyErr {
    PyRuntimeError::new_err("the list of words became shorter while it was read")
}

/// No garbage is collected while it lives.
struct NoCollection<'py> {
    _py: Python<'py>,
    was_enabled: bool,
}

impl<'py> NoCollection<'py> {
    #[allow(unsafe_code)]
    fn new(py: Python<'py>) -> Self {
        // SAFETY: `py` shows that this thread is attached, which is all that the call asks for.
        NoCollection { _py: py, was_enabled: unsafe { ffi::PyGC_Disable() } == 1 }
    }
}

impl Drop for NoCollection<'_> {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        if self.was_enabled {
            // SAFETY: the thread is attached, as `_py` shows.
            unsafe { ffi::PyGC_Enable() };
        }
    }
}
