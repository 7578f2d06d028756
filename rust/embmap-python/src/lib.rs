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
mod tokens;
mod words;
mod writer;

use embmap::{Ngrams, Scheme};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyReadwriteArray2, PyUntypedArrayMethods};
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

/// Makes of row `i` of `rows`, the own row of `words[i]`, what gensim does: its mean with the rows of the word's n-grams, which are
/// in `table`. gensim divides, where fastText multiplies by a quotient.
#[pyfunction]
fn add_ngrams(
    py: Python<'_>,
    words: WordArgs<'_>,
    mut rows: PyReadwriteArray2<'_, f32>,
    table: PyReadonlyArray2<'_, f32>,
    minn: u32,
    maxn: u32,
) -> PyResult<()> {
    let (buckets, dim) = (table.shape()[0], table.shape()[1]);
    let words = words.to_list()?;
    let words: Vec<&[u8]> = words.iter().collect();
    if buckets == 0 || dim == 0 || rows.shape() != [words.len(), dim] {
        return Err(PyValueError::new_err(format!("rows of shape {:?} for {} words", rows.shape(), words.len())));
    }
    let ngrams = Ngrams { minn, maxn, buckets: u32::try_from(buckets)?, of_eos: true, scheme: Scheme::FastText };
    let (rows, table) = (rows.as_slice_mut()?, table.as_slice()?);
    let mut scratch = Vec::new();
    for (i, (word, row)) in words.iter().zip(rows.chunks_exact_mut(dim)).enumerate() {
        let mut count = 1u32;
        ngrams.each(word, &mut scratch, |bucket| {
            let shared = &table[bucket as usize * dim..][..dim];
            row.iter_mut().zip(shared).for_each(|(sum, x)| *sum += x);
            count += 1;
        });
        row.iter_mut().for_each(|x| *x /= count as f32);
        if i % SIGNALS_EACH == 0 {
            py.check_signals()?;
        }
    }
    Ok(())
}

/// Words between two looks at Ctrl-C.
const SIGNALS_EACH: usize = 256;

/// The words of anything that holds words, as `str`.
#[pyfunction]
fn strings<'py>(py: Python<'py>, words: WordArgs<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    words.strings(py, |_| true)
}

#[pymodule]
mod _embmap {
    #[pymodule_export]
    use super::{
        add_ngrams,
        convert::{convert, model_files},
        distinct, fill_normal,
        shards::{find_in_shards, shard_of, shards_of},
        spacy_keys,
        store::Store,
        strings,
        tokens::{Pieces, TokenModel},
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
