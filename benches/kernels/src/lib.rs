//! What the kernel benchmarks run on: words, real ones where a vocabulary is at hand, others made from them; and text.

pub mod text;

use std::collections::HashSet;

use embmap::unstable::{WordList, hash};

/// The real words of `folder` first, then pairs of them joined by `_`, until there are `n` different ones.
pub fn vocabulary(folder: Option<&str>, n: usize) -> WordList {
    let mut real: Vec<Vec<u8>> = Vec::new();
    let mut files: Vec<_> = folder
        .and_then(|folder| std::fs::read_dir(folder).ok())
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    for file in files {
        let text = std::fs::read(file).expect("a readable vocabulary");
        real.extend(text.split(|&b| b == b'\n').filter(|w| !w.is_empty()).map(<[u8]>::to_vec));
    }
    if real.is_empty() {
        real.extend((0..200_000u64).map(|i| format!("w{:x}", hash(&i.to_le_bytes(), 0) >> 40).into_bytes()));
    }
    let mut words = WordList::default();
    let mut seen = HashSet::new();
    let pairs = (0u64..).map(|i| {
        let pick = |salt| &real[(hash(&i.to_le_bytes(), salt) % real.len() as u64) as usize];
        [pick(1).as_slice(), pick(2).as_slice()].concat()
    });
    for word in real.iter().cloned().chain(pairs) {
        if words.len() == n {
            break;
        }
        if seen.insert(word.clone()) {
            assert!(words.push(&word), "4 GiB of words");
        }
    }
    words
}
