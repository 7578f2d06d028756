//! Any bytes as a store: opening, looking up, reading and verifying end in an answer or an error, never in a panic.
//!
//! A wrong length or checksum would stop nearly every input at the door, so the header's are made right (docs/format.md
//! says where they are); and, for a second store of the same bytes, those of the sections too.

#![no_main]

use embmap::{
    Store,
    format::{CRC_AT, FILE_LENGTH_AT, HEADER_LEN, Kind},
};
use libfuzzer_sys::fuzz_target;

/// The bytes of a whole file, aligned as those of a map are.
struct Aligned {
    words: Vec<u64>,
    length: usize,
}

impl Aligned {
    fn new(bytes: &[u8]) -> Aligned {
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_ne_bytes(word)
        };
        Aligned { words: bytes.chunks(8).map(word).collect(), length: bytes.len() }
    }
}

impl AsRef<[u8]> for Aligned {
    fn as_ref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[..self.length]
    }
}

fuzz_target!(|input: &[u8]| {
    let mut file = input.to_vec();
    if let Some(page) = file.first_chunk_mut::<{ HEADER_LEN as usize }>() {
        page[FILE_LENGTH_AT..][..8].copy_from_slice(&(input.len() as u64).to_le_bytes());
        page[CRC_AT..][..4].fill(0);
        let crc = crc32fast::hash(page);
        page[CRC_AT..][..4].copy_from_slice(&crc.to_le_bytes());
    }
    let Ok(store) = Store::from_bytes(Aligned::new(&file)) else { return };
    read(&store);
    let mut header = store.header().clone();
    for kind in Kind::ALL {
        header.section_mut(kind).crc = crc32fast::hash(store.section(kind));
    }
    file[..HEADER_LEN as usize].copy_from_slice(&header.encode());
    if let Ok(store) = Store::from_bytes(Aligned::new(&file)) {
        read(&store);
        if let Ok(true) = store.verify(|| true) {
            // What is promised of a store that is proved whole.
            for i in 0..store.len() {
                let word = store.words().get_str(i).expect("a word");
                assert_eq!(store.index().find(word.as_bytes()).expect("an index"), Some(i as u32));
            }
        }
    }
});

/// Every way to read a store.
fn read(store: &Store<Aligned>) {
    let words = store.words();
    let some: Vec<&[u8]> =
        (0..store.len().min(64)).filter_map(|i| words.get(i).ok()).chain([&b"king"[..], b""]).collect();
    for word in &some {
        let _ = store.index().find(word);
    }
    let mut ids = vec![0; some.len()];
    let _ = store.find_all(&some, -1, &mut ids);
    ids.extend([0, -1, i64::MAX]);
    // A row that would not fit is as wide as the file is long.
    let mut rows = vec![0.0; ids.len() * store.dim().min(store.data().as_ref().len())];
    let _ = store.gather(&ids, &mut rows);
    let _ = (store.vectors(), store.inverse_norms(), store.statistics(), store.metadata());
    let _ = (0..store.len().min(64)).map(|i| words.get_str(i)).filter(Result::is_err).count();
    let _ = store.verify(|| true);
}
