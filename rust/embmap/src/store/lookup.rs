//! The rows of many words, on several threads: of words that lie ready, or that one thread is still reading.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Condvar, Mutex, PoisonError},
    thread,
};

use crate::{
    error::FormatError,
    format::index::Index,
    store::Store,
    sys::threads::{in_parts, join_all, spawn, threads},
};

/// Words that are worth a thread of their own.
const WORDS_PER_THREAD: usize = 8192;
/// Words that are read, and looked up, together.
const BLOCK_WORDS: usize = 2048;
/// Blocks that a thread may have waiting for it; with more, whoever reads looks some up as well.
const WAITING_BLOCKS: usize = 2;

impl<D: AsRef<[u8]> + Sync> Store<D> {
    /// The rows of words, `missing` for those that are not there, on several threads when there are many.
    ///
    /// # Panics
    ///
    /// Where there is not one id for each word.
    pub fn find_all(&self, words: &[&[u8]], missing: i64, ids: &mut [i64]) -> Result<(), FormatError> {
        assert_eq!(words.len(), ids.len(), "one id for each word");
        let index = self.index();
        in_parts(words, ids, 1, WORDS_PER_THREAD, |_, words, ids| index.find_all(words, missing, ids))
    }

    /// The rows of words that any thread can read: `read` calls what it is given with the words of that range.
    pub fn find_ranges(
        &self,
        missing: i64,
        ids: &mut [i64],
        read: impl Fn(Range<usize>, &mut Find) -> Result<(), FormatError> + Sync,
    ) -> Result<(), FormatError> {
        let index = self.index();
        let starts: Vec<usize> = (0..ids.len()).step_by(BLOCK_WORDS).collect();
        let mut blocks: Vec<&mut [i64]> = ids.chunks_mut(BLOCK_WORDS).collect();
        in_parts(&starts, &mut blocks, 1, WORDS_PER_THREAD / BLOCK_WORDS, |_, starts, blocks| {
            starts.iter().zip(blocks).try_for_each(|(&start, ids)| {
                read(start..start + ids.len(), &mut |words| index.find_all(words, missing, ids))
            })
        })
    }

    /// The rows of words that only the calling thread can read: `read` appends those of that range. Other threads look words
    /// up while it reads on.
    pub fn find_while_reading<'w, E: From<FormatError> + Send>(
        &self,
        missing: i64,
        ids: &mut [i64],
        mut read: impl FnMut(Range<usize>, &mut Vec<&'w [u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let parts = ids.len() / WORDS_PER_THREAD;
        let helpers = if parts <= 1 { 0 } else { threads(None).min(parts) - 1 };
        let waiting = Waiting::default();
        let index = self.index();
        thread::scope(|scope| {
            let work = || waiting.work(&index, missing).map_err(E::from);
            let ended = EndsWhenDropped(&waiting);
            let running: Vec<_> = (0..helpers).map_while(|_| spawn(scope, work)).collect();
            let helpers = running.len();
            let mut start = 0;
            let result = ids.chunks_mut(BLOCK_WORDS).try_for_each(|ids| {
                let mut block = LookupBlock { words: waiting.room(), ids };
                read(start..start + block.ids.len(), &mut block.words)?;
                assert_eq!(block.words.len(), block.ids.len(), "one word for each id");
                start += block.ids.len();
                match waiting.add(block, helpers * WAITING_BLOCKS) {
                    Some(block) => waiting.find(block, &index, missing).map_err(E::from),
                    None => Ok(()),
                }
            });
            drop(ended);
            join_all(result.and_then(|()| work()), running)
        })
    }
}

/// Looks up some words whose place is known.
pub type Find<'a> = dyn FnMut(&[&[u8]]) -> Result<(), FormatError> + 'a;

/// Words that have been read, and the place of their rows.
struct LookupBlock<'w, 'i> {
    words: Vec<&'w [u8]>,
    ids: &'i mut [i64],
}

/// Blocks that nobody has looked up yet.
#[derive(Default)]
struct Waiting<'w, 'i> {
    state: Mutex<State<'w, 'i>>,
    changed: Condvar,
}

#[derive(Default)]
struct State<'w, 'i> {
    blocks: VecDeque<LookupBlock<'w, 'i>>,
    /// Lists that have been used, to be used again.
    rooms: Vec<Vec<&'w [u8]>>,
    ended: bool,
}

/// Lets the others stop waiting, also where reading panics.
struct EndsWhenDropped<'a, 'w, 'i>(&'a Waiting<'w, 'i>);

impl Drop for EndsWhenDropped<'_, '_, '_> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl<'w, 'i> Waiting<'w, 'i> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State<'w, 'i>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self) -> Vec<&'w [u8]> {
        self.lock().rooms.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK_WORDS))
    }

    /// Leaves a block for others, or gives it back where so many wait already.
    fn add(&self, block: LookupBlock<'w, 'i>, most: usize) -> Option<LookupBlock<'w, 'i>> {
        let mut state = self.lock();
        if state.blocks.len() >= most {
            return Some(block);
        }
        state.blocks.push_back(block);
        self.changed.notify_one();
        None
    }

    fn find(&self, mut block: LookupBlock<'w, 'i>, index: &Index, missing: i64) -> Result<(), FormatError> {
        index.find_all(&block.words, missing, block.ids)?;
        block.words.clear();
        self.lock().rooms.push(block.words);
        Ok(())
    }

    /// Looks up what waits until there will be no more.
    fn work(&self, index: &Index, missing: i64) -> Result<(), FormatError> {
        let mut state = self.lock();
        loop {
            if let Some(block) = state.blocks.pop_front() {
                drop(state);
                self.find(block, index, missing)?;
                state = self.lock();
            } else if state.ended {
                return Ok(());
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, convert, format::hash::seed_from};
    use std::fmt::Write;

    const ROWS: usize = 5_000;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut text = String::new();
        (0..ROWS).for_each(|i| writeln!(text, "w{i} {i}").expect("memory"));
        std::fs::write(folder.path().join("v.txt"), text).expect("room");
        let target = folder.path().join("v.embmap");
        let options = Options { dim: Some(1), ..Options::default() };
        convert(&folder.path().join("v.txt"), &target, &options, &mut |_, _| true).expect("vectors");
        let store = Store::open(&target).expect("a store");
        (folder, store)
    }

    #[test]
    fn all_ways_find_the_same_rows() {
        let (_folder, store) = store();
        for count in [0, 1, BLOCK_WORDS, 2 * WORDS_PER_THREAD - 1, 2 * WORDS_PER_THREAD, 5 * WORDS_PER_THREAD + 3] {
            let words: Vec<String> = (0..count as u64).map(|i| format!("w{}", seed_from(i, 0) % 6_000)).collect();
            let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            let expected: Vec<i64> = words
                .iter()
                .map(|word| store.index().find(word).expect("a whole index").map_or(-2, i64::from))
                .collect();
            let mut ids = vec![0; count];
            store.find_all(&words, -2, &mut ids).expect("a whole index");
            assert_eq!(ids, expected);
            ids.fill(0);
            store.find_ranges(-2, &mut ids, |range, find| find(&words[range])).expect("a whole index");
            assert_eq!(ids, expected);
            ids.fill(0);
            let read = |range: Range<usize>, room: &mut Vec<_>| {
                room.extend(&words[range]);
                Ok::<(), FormatError>(())
            };
            store.find_while_reading(-2, &mut ids, read).expect("a whole index");
            assert_eq!(ids, expected);
        }
    }

    #[test]
    fn what_cannot_be_read_ends_the_search() {
        let (_folder, store) = store();
        let mut ids = vec![0; 4 * WORDS_PER_THREAD];
        let read = |range: Range<usize>, room: &mut Vec<&[u8]>| {
            room.resize(range.len(), b"w1");
            if range.contains(&(3 * WORDS_PER_THREAD)) { Err(FormatError::Corrupt("no word".into())) } else { Ok(()) }
        };
        let error = store.find_while_reading(-1, &mut ids, read).expect_err("a word that cannot be read");
        assert_eq!(error, FormatError::Corrupt("no word".into()));
    }
}
