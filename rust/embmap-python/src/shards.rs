//! Look-ups in a set of vectors that is split over several files.

use embmap::{Map, format};
use numpy::PyArray1;
use pyo3::{prelude::*, types::PyString};

use crate::{
    errors::{detached, raise_format},
    store::Store,
    words::WordArgs,
};

/// The rows of words in stores that split them, those of each store behind those of the stores before it; `missing` for words that
/// are in none.
#[pyfunction]
pub(crate) fn find_in_shards<'py>(
    py: Python<'py>,
    stores: Vec<PyRef<'py, Store>>,
    words: WordArgs<'py>,
    missing: i64,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let open = stores.iter().map(|store| store.store()).collect::<PyResult<Vec<_>>>()?;
    let words = words.to_list()?;
    let mut ids = vec![missing; words.len()];
    let found = detached(py, || {
        let count = open.len() as u32;
        let mut parts: Vec<(Vec<&[u8]>, Vec<usize>)> = vec![Default::default(); open.len()];
        for (position, word) in words.iter().enumerate() {
            let part = &mut parts[format::shard_of(word, count) as usize];
            part.0.push(word);
            part.1.push(position);
        }
        let mut first = 0;
        let mut rows = Vec::new();
        for (i, (store, (words, positions))) in open.iter().zip(&parts).enumerate() {
            rows.clear();
            rows.resize(words.len(), 0);
            store.find_all(words, -1, &mut rows).map_err(|error| (i, error))?;
            for (&position, &row) in positions.iter().zip(&rows).filter(|(_, row)| **row >= 0) {
                ids[position] = first + row;
            }
            first += store.len() as i64;
        }
        Ok::<(), (usize, embmap::FormatError)>(())
    })?;
    found.map_err(|(i, error)| {
        let store: &embmap::Store<Map> = &open[i];
        raise_format(py, store.data().path(), error)
    })?;
    Ok(PyArray1::from_vec(py, ids))
}

/// The number of the store that has a word, of so many that split the words; -1 for what is in none of any set.
#[pyfunction]
pub(crate) fn shard_of(word: &Bound<'_, PyAny>, count: u32) -> i64 {
    let word = word.cast::<PyString>().ok().and_then(|word| word.to_str().ok());
    word.map_or(-1, |word| i64::from(format::shard_of(word.as_bytes(), count)))
}

/// The same of each of many words, of anything that holds words.
#[pyfunction]
pub(crate) fn shards_of<'py>(py: Python<'py>, words: WordArgs<'_>, count: u32) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let words = words.to_list()?;
    Ok(PyArray1::from_iter(py, words.iter().map(|word| i64::from(format::shard_of(word, count)))))
}
