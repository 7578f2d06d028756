//! Texts to tokens: a tokenizer is asked for the pieces that it has not cut yet, and for words, where the store has its tokens.

use std::{
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use embmap::unstable::{self, Parting};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    pybacked::PyBackedStr,
    types::{PyList, PyString},
};

use crate::{
    errors::{raise, raise_format},
    store::Store,
    words::not_str,
};

/// Pieces that are kept for the next call: some 10 MB.
const KEPT: usize = 1 << 16;
/// Texts or pieces between two looks at Ctrl-C.
const SIGNALS_EACH: usize = 4096;
/// Pieces that are made words as one text, as each call has a price.
const TOGETHER: usize = 64;

/// Tokens of pieces, and how many each has.
type Tokens<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<usize>>);

#[pyclass(frozen, module = "embmap._embmap")]
pub(crate) struct Pieces {
    parting: Parting,
    /// Empty while a call has them; another, meanwhile, begins anew.
    known: Mutex<Option<unstable::Pieces>>,
}

#[pymethods]
impl Pieces {
    #[new]
    #[pyo3(signature = (at = "blanks", whole = ""))]
    fn new(at: &str, whole: &str) -> PyResult<Self> {
        let parting = match at {
            "blanks" => Parting::blanks(),
            "punctuation" => Parting::punctuation(),
            "words" => Parting::words(),
            _ => return Err(PyValueError::new_err(format!("at must be blanks, punctuation or words, not {at:?}"))),
        };
        Ok(Pieces { parting: parting.but_whole(whole.as_bytes()), known: Mutex::default() })
    }

    fn tokens<'py>(
        &self,
        py: Python<'py>,
        texts: Vec<Bound<'py, PyAny>>,
        longest: Option<usize>,
        cut: &Bound<'py, PyAny>,
    ) -> PyResult<Tokens<'py>> {
        let mut known = self.known().take().unwrap_or_default();
        let (mut numbers, mut ends, mut new) = (Vec::new(), Vec::with_capacity(texts.len()), Vec::new());
        for (position, text) in texts.iter().enumerate() {
            let text = text.cast::<PyString>().map_err(|_| not_str(text, position))?;
            known.number(&self.parting, text.to_str()?, &mut numbers, &mut new);
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
            *self.known() = Some(known);
        }
        Ok((tokens.into_pyarray(py), lengths.into_pyarray(py)))
    }
}

impl Pieces {
    fn known(&self) -> MutexGuard<'_, Option<unstable::Pieces>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pyclass(frozen, module = "embmap._embmap")]
pub(crate) struct TokenModel {
    store: Py<Store>,
    model: unstable::Model,
}

#[pymethods]
impl TokenModel {
    #[staticmethod]
    fn read(py: Python<'_>, store: Py<Store>, file: PathBuf) -> PyResult<Option<(TokenModel, String)>> {
        let opened = store.get().store()?;
        let found = py.detach(|| unstable::Model::read(&file, &*opened)).map_err(|error| raise(py, error))?;
        Ok(found.map(|(model, rest)| (TokenModel { store, model }, rest)))
    }

    #[getter]
    fn tokens(&self) -> u32 {
        self.model.tokens()
    }

    #[getter]
    fn unknown(&self) -> u32 {
        self.model.unknown()
    }

    #[pyo3(signature = (pieces, normalize, divide, words = None))]
    fn cut<'py>(
        &self,
        py: Python<'py>,
        pieces: Vec<PyBackedStr>,
        normalize: Option<Bound<'py, PyAny>>,
        divide: &Bound<'py, PyAny>,
        words: Option<PyRef<'py, Pieces>>,
    ) -> PyResult<Tokens<'py>> {
        let store = self.store.get().store()?;
        let (mut ids, mut counts) = (Vec::new(), vec![0; pieces.len()]);
        let mut add = |piece: usize, word: &str| {
            let before = ids.len();
            self.model.cut(&store, word, &mut ids).map_err(|error| raise_format(py, store.data().path(), error))?;
            counts[piece] += ids.len() - before;
            PyResult::Ok(())
        };
        let kind_of = |piece: &str| {
            if words.as_ref().is_some_and(|words| words.parting.leaves(piece)) {
                Kind::Word
            } else if piece.bytes().all(|byte| byte.is_ascii_graphic()) {
                Kind::Plain
            } else {
                Kind::Other
            }
        };
        let mut first = 0;
        while first < pieces.len() {
            let kind = kind_of(&pieces[first]);
            let most = if kind == Kind::Other { 1 } else { TOGETHER };
            let several = pieces[first..].iter().take(most).take_while(|piece| kind_of(piece) == kind).count();
            let text = pieces[first..first + several].join(" ");
            let normalized = match &normalize {
                Some(normalize) => normalize.call1((&text,))?.extract()?,
                None => PyBackedStr::try_from(PyString::new(py, &text))?,
            };
            if kind != Kind::Other && !(normalized.is_ascii() && normalized.len() == text.len()) {
                return Err(PyValueError::new_err("the normalizer makes more than other letters of plain text"));
            }
            let mut starts = pieces[first..first + several].iter().scan(0, |next, piece| {
                let start = *next;
                *next += piece.len() + 1;
                Some(start)
            });
            if kind == Kind::Word {
                for (piece, start) in (first..).zip(starts) {
                    add(piece, &normalized[start..start + pieces[piece].len()])?;
                }
            } else {
                let mut piece = first;
                starts.next();
                let mut next = starts.next();
                for (word, (start, _)) in
                    divide.call1((&normalized,))?.extract::<Vec<(PyBackedStr, (usize, usize))>>()?
                {
                    while next.is_some_and(|next| start >= next) {
                        piece += 1;
                        next = starts.next();
                    }
                    add(piece, &word)?;
                }
            }
            first += several;
            if first % SIGNALS_EACH < several {
                py.check_signals()?;
            }
        }
        Ok((ids.into_pyarray(py), counts.into_pyarray(py)))
    }
}

/// What can be done with pieces before they are words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Once it is normalized it is a word.
    Word,
    /// A normalizer leaves it as long as it is, so that several can go as one text, and each word has its piece by its place.
    Plain,
    /// What becomes of it, it alone tells.
    Other,
}
