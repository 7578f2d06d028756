//! Any bytes as word2vec's binary records: whatever the blocks, the words and numbers are those that a plain reading finds.
//!
//! The first byte says how many bytes the numbers of a record take, the second how large a block is.

#![no_main]

use embmap::unstable::records;
use libfuzzer_sys::fuzz_target;

type Found = Vec<(u64, Vec<u8>, Vec<u8>)>;

fuzz_target!(|input: &[u8]| {
    let [width, size, bytes @ ..] = input else { return };
    let (width, size) = (usize::from(*width) + 1, usize::from(*size) + 1);
    let mut found = Found::new();
    // No input is so long that a word in it is too long.
    records(bytes, width, size, |place, word, numbers| found.push((place, word.to_vec(), numbers.to_vec())))
        .expect("words that end");
    assert_eq!(found, plain(bytes, width));
});

fn plain(bytes: &[u8], width: usize) -> Found {
    let (mut found, mut at) = (Found::new(), 0);
    while let Some(newlines) = bytes[at..].iter().position(|&byte| byte != b'\n') {
        let word = at + newlines;
        let space = bytes[word..].iter().position(|&byte| byte == b' ').map(|length| word + length);
        let Some(space) = space.filter(|space| bytes.len() - space > width) else {
            found.push((word as u64, bytes[word..].to_vec(), Vec::new()));
            break;
        };
        at = space + 1 + width;
        found.push((word as u64, bytes[word..space].to_vec(), bytes[space + 1..at].to_vec()));
    }
    found
}
