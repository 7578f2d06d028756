//! `embmap._embmap`: type conversion, the GIL, exceptions and who owns what. The algorithms are in the `embmap` crate.

mod arrays;
mod arrow_stream;
mod convert;
mod errors;
mod export;
mod neighbors;
mod shards;
mod store;
mod ticks;
mod words;
mod writer;

use std::num::NonZeroU32;

use embmap::{Ngrams, Scheme};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadwriteArray2, PyUntypedArrayMethods};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{
    errors::{detached, raise},
    words::WordArgs,
};

/// Fills row `i` of `out` with the normal deviates of `words[i]` under `seed`.
#[pyfunction]
fn fill_normal(
    py: Python<'_>,
    words: WordArgs<'_>,
    seed: u64,
    mean: PyReadonlyArray1<'_, f64>,
    deviation: PyReadonlyArray1<'_, f64>,
    mut out: PyReadwriteArray2<'_, f32>,
) -> PyResult<()> {
    if !out.is_c_contiguous() {
        return Err(PyValueError::new_err("out must be C-contiguous"));
    }
    let (mean, deviation, out) = (mean.as_slice()?, deviation.as_slice()?, out.as_slice_mut()?);
    let words = words.to_list()?;
    let words: Vec<&[u8]> = words.iter().collect();
    detached(py, || embmap::unstable::fill_rows(&words, seed, mean, deviation, out))?.map_err(|error| raise(py, error))
}

type Ids<'py> = Bound<'py, PyArray1<i64>>;

/// The different ids of a batch but those below `known`, and where among all rows that are at hand each of the batch is.
#[pyfunction]
fn distinct<'py>(py: Python<'py>, ids: PyReadonlyArray1<'py, i64>, known: i64) -> PyResult<(Ids<'py>, Ids<'py>)> {
    let ids = ids.as_slice()?;
    let (once, places) = detached(py, || embmap::unstable::distinct(ids, known))?;
    Ok((once.into_pyarray(py), places.into_pyarray(py)))
}

/// The keys by which spaCy knows words.
#[pyfunction]
fn spacy_keys<'py>(py: Python<'py>, words: WordArgs<'py>) -> PyResult<Bound<'py, PyArray1<u64>>> {
    let words = words.to_list()?;
    Ok(words.iter().map(|word| embmap::unstable::murmur64a(word, 1)).collect::<Vec<_>>().into_pyarray(py))
}

/// The buckets of the n-grams of words under fastText's scheme, one word's after the other's, and how many each word has.
#[pyfunction]
fn ngram_buckets<'py>(
    py: Python<'py>,
    words: WordArgs<'py>,
    minn: u32,
    maxn: u32,
    buckets: NonZeroU32,
) -> PyResult<(Ids<'py>, Ids<'py>)> {
    let ngrams = Ngrams { minn, maxn, buckets: buckets.get(), of_eos: true, scheme: Scheme::FastText };
    let (mut found, mut counts, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
    for word in words.to_list()?.iter() {
        let before = found.len();
        ngrams.each(word, &mut scratch, |bucket| found.push(i64::from(bucket)));
        counts.push((found.len() - before) as i64);
    }
    Ok((found.into_pyarray(py), counts.into_pyarray(py)))
}

/// The words of anything that holds words, as `str`.
#[pyfunction]
fn strings<'py>(py: Python<'py>, words: WordArgs<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    words.strings(py, |_| true)
}

#[pymodule]
mod _embmap {
    #[pymodule_export]
    use super::{
        convert::{convert, model_files},
        distinct, fill_normal, ngram_buckets,
        shards::{find_in_shards, shard_of},
        spacy_keys,
        store::Store,
        strings,
        writer::Writer,
    };

    use pyo3::{prelude::*, types::PyBytes};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", embmap::VERSION)?;
        module.add("FORMAT_VERSION", embmap::format::VERSION)?;
        module.add("MAGIC", PyBytes::new(module.py(), &embmap::format::MAGIC))
    }
}
