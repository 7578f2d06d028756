//! Texts to tokens: a tokenizer is asked for the pieces that it has not cut yet.

use std::sync::{Mutex, PoisonError};

use embmap::unstable;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyList, PyString},
};

use crate::words::not_str;

/// Pieces that are kept for the next call: some 10 MB.
const KEPT: usize = 1 << 16;
/// Texts between two looks at Ctrl-C.
const SIGNALS_EACH: usize = 4096;

/// Empty while a call has them; another, meanwhile, begins anew.
#[pyclass(frozen, module = "embmap._embmap")]
#[derive(Default)]
pub(crate) struct Pieces(Mutex<Option<unstable::Pieces>>);

type Tokens<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<usize>>);

#[pymethods]
impl Pieces {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn tokens<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<Bound<'py, PyAny>>,
        longest: Option<usize>,
        cut: &Bound<'py, PyAny>,
    ) -> PyResult<Tokens<'py>> {
        let mut known = self.kept().take().unwrap_or_default();
        let (mut numbers, mut ends, mut new) = (Vec::new(), Vec::with_capacity(texts.len()), Vec::new());
        for (position, text) in texts.iter().enumerate() {
            let text = text.cast::<PyString>().map_err(|_| not_str(text, position))?;
            known.number(text.to_str()?, &mut numbers, &mut new);
            ends.push(numbers.len());
            if position % SIGNALS_EACH == SIGNALS_EACH - 1 {
                py.check_signals()?;
            }
        }
        if !new.is_empty() {
            type Found<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, usize>);
            let (tokens, counts) = cut.call1((PyList::new(py, new)?,))?.extract::<Found<'py>>()?;
            known.learn(counts.as_slice()?, tokens.as_slice()?).map_err(PyValueError::new_err)?;
        }
        let (mut tokens, mut lengths, mut start) =
            (Vec::with_capacity(numbers.len()), Vec::with_capacity(ends.len()), 0);
        for end in ends {
            let before = tokens.len();
            for &number in &numbers[start..end] {
                tokens.extend_from_slice(known.tokens(number));
            }
            start = end;
            tokens.truncate(longest.map_or(tokens.len(), |longest| before.saturating_add(longest)));
            lengths.push(tokens.len() - before);
        }
        if known.count() <= KEPT {
            *self.kept() = Some(known);
        }
        Ok((tokens.into_pyarray(py), lengths.into_pyarray(py)))
    }
}

impl Pieces {
    fn kept(&self) -> std::sync::MutexGuard<'_, Option<unstable::Pieces>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
