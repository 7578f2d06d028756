//! Which index? Four designs over the same words, the same hash and the same batched, prefetching look-up.
//!
//! `cargo bench -p embmap-kernels-bench --bench index_designs -- [FOLDER OF vocabulary_*.txt]`. Every design lies in a
//! memory-mapped file, as it would in a store, answers the same million queries, and is checked against the true ids.

use std::{collections::HashSet, hint::black_box, io::Write, time::Instant};

use embmap::{
    hash::hash,
    index::{BuiltIndex, Index},
    words::WordList,
};
use memmap2::Mmap;
use ptr_hash::{DefaultPtrHash, PtrHashParams};

const SEED: u64 = 0x1234_5678_9abc_def1;
const BATCH: usize = 32;
const QUERIES: usize = 1_000_000;

/// Words end to end in one buffer, word `i` at `ends[i]..ends[i + 1]`.
struct Words {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Words {
    fn new() -> Self {
        Words { bytes: Vec::new(), ends: vec![0] }
    }
    fn push(&mut self, word: &[u8]) {
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len() as u32);
    }
    fn len(&self) -> usize {
        self.ends.len() - 1
    }
    fn get(&self, i: usize) -> &[u8] {
        &self.bytes[self.ends[i] as usize..self.ends[i + 1] as usize]
    }
}

fn mapped(bytes: &[u8]) -> Mmap {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("room for the index");
    // SAFETY: the file is unlinked and ours alone.
    unsafe { Mmap::map(&file).expect("a map") }
}

#[inline(always)]
fn prefetch(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint; it reads nothing and cannot fault.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(at).cast());
    }
}

fn bucket_of(hash: u64, buckets: usize) -> usize {
    ((u128::from(hash) * buckets as u128) >> 64) as usize
}
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// A design answers a batch of at most `BATCH` words with their ids, -1 for unknown ones.
trait Design {
    const NAME: &'static str;
    fn build(words: &Words) -> Self;
    fn nbytes(&self) -> usize;
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]);
}

/// Places each entry in the first free slot at or after its bucket.
fn place(table: &mut [u8], entry: usize, slots: usize, mut bucket: usize, buckets: usize, write: impl Fn(&mut [u8])) {
    loop {
        for slot in 0..slots {
            let at = bucket * 64 + slot * entry;
            if table[at..at + 4] == [0; 4] {
                write(&mut table[at..at + entry]);
                return;
            }
        }
        bucket = (bucket + 1) % buckets;
    }
}

/// Eight (id + 1, tag) pairs a line; then the offsets, then the bytes: three lines for a known word.
struct Tags {
    table: Mmap,
    offsets: Mmap,
    bytes: Mmap,
    buckets: usize,
}
impl Design for Tags {
    const NAME: &'static str = "tag + id, 8 a line";
    fn build(words: &Words) -> Self {
        let buckets = words.len() * 10 / (8 * 8) + 1;
        let mut table = vec![0; buckets * 64];
        for i in 0..words.len() {
            let h = hash(words.get(i), SEED);
            place(&mut table, 8, 8, bucket_of(h, buckets), buckets, |entry| {
                entry[..4].copy_from_slice(&(i as u32 + 1).to_le_bytes());
                entry[4..].copy_from_slice(&(h as u32).to_le_bytes());
            });
        }
        let offsets: Vec<u8> = words.ends.iter().flat_map(|end| end.to_le_bytes()).collect();
        Tags { table: mapped(&table), offsets: mapped(&offsets), bytes: mapped(&words.bytes), buckets }
    }
    fn nbytes(&self) -> usize {
        self.table.len()
    }
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]) {
        let mut hashes = [0; BATCH];
        let mut first = [0u32; BATCH];
        for (h, key) in hashes.iter_mut().zip(keys) {
            *h = hash(key, SEED);
            prefetch(&self.table, bucket_of(*h, self.buckets) * 64);
        }
        for j in 0..keys.len() {
            let line = bucket_of(hashes[j], self.buckets) * 64;
            for slot in 0..8 {
                if u32_at(&self.table, line + slot * 8 + 4) == hashes[j] as u32 {
                    first[j] = u32_at(&self.table, line + slot * 8);
                    prefetch(&self.offsets, first[j] as usize * 4);
                }
            }
        }
        for &id in &first[..keys.len()] {
            if id != 0 {
                prefetch(&self.bytes, u32_at(&self.offsets, (id as usize - 1) * 4) as usize);
            }
        }
        for j in 0..keys.len() {
            ids[j] = self.probe(hashes[j], keys[j]);
        }
    }
}
impl Tags {
    fn probe(&self, h: u64, key: &[u8]) -> i64 {
        let mut bucket = bucket_of(h, self.buckets);
        loop {
            for slot in 0..8 {
                let at = bucket * 64 + slot * 8;
                let id = u32_at(&self.table, at);
                if id == 0 {
                    return -1;
                }
                if u32_at(&self.table, at + 4) == h as u32 {
                    let o = (id as usize - 1) * 4;
                    let range = u32_at(&self.offsets, o) as usize..u32_at(&self.offsets, o + 4) as usize;
                    if &self.bytes[range] == key {
                        return i64::from(id) - 1;
                    }
                }
            }
            bucket = (bucket + 1) % self.buckets;
        }
    }
}

/// Four sixteen-byte entries a line, words of at most eleven bytes inside: one line, two for a longer word.
struct Inline {
    table: Mmap,
    bytes: Mmap,
    buckets: usize,
}
fn packed(key: &[u8]) -> [u8; 12] {
    let mut entry = [0; 12];
    entry[0] = key.len() as u8;
    let n = key.len();
    if n >= 8 {
        entry[1..9].copy_from_slice(&key[..8]);
        entry[n - 7..=n].copy_from_slice(&key[n - 8..]);
    } else if n >= 4 {
        entry[1..5].copy_from_slice(&key[..4]);
        entry[n - 3..=n].copy_from_slice(&key[n - 4..]);
    } else if n > 0 {
        entry[1] = key[0];
        entry[1 + n / 2] = key[n / 2];
        entry[n] = key[n - 1];
    }
    entry
}
impl Design for Inline {
    const NAME: &'static str = "inline, 4 a line";
    fn build(words: &Words) -> Self {
        let buckets = words.len() * 10 / (4 * 8) + 1;
        let mut table = vec![0; buckets * 64];
        for i in 0..words.len() {
            let key = words.get(i);
            let h = hash(key, SEED);
            place(&mut table, 16, 4, bucket_of(h, buckets), buckets, |entry| {
                entry[..4].copy_from_slice(&(i as u32 + 1).to_le_bytes());
                if key.len() <= 11 {
                    entry[4..].copy_from_slice(&packed(key));
                } else {
                    entry[4..8].copy_from_slice(&(h as u32 | 0xff).to_le_bytes());
                    entry[8..12].copy_from_slice(&words.ends[i].to_le_bytes());
                    entry[12..].copy_from_slice(&(key.len() as u32).to_le_bytes());
                }
            });
        }
        Inline { table: mapped(&table), bytes: mapped(&words.bytes), buckets }
    }
    fn nbytes(&self) -> usize {
        self.table.len()
    }
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]) {
        let mut hashes = [0; BATCH];
        for (h, key) in hashes.iter_mut().zip(keys) {
            *h = hash(key, SEED);
            prefetch(&self.table, bucket_of(*h, self.buckets) * 64);
        }
        for j in 0..keys.len() {
            if keys[j].len() > 11 {
                let line = bucket_of(hashes[j], self.buckets) * 64;
                for slot in 0..4 {
                    let at = line + slot * 16;
                    if u32_at(&self.table, at + 4) == (hashes[j] as u32 | 0xff) {
                        prefetch(&self.bytes, u32_at(&self.table, at + 8) as usize);
                    }
                }
            }
        }
        for j in 0..keys.len() {
            ids[j] = self.probe(hashes[j], keys[j]);
        }
    }
}
impl Inline {
    fn probe(&self, h: u64, key: &[u8]) -> i64 {
        let mut bucket = bucket_of(h, self.buckets);
        let short = key.len() <= 11;
        let want = if short { packed(key) } else { [0; 12] };
        loop {
            for slot in 0..4 {
                let at = bucket * 64 + slot * 16;
                let id = u32_at(&self.table, at);
                if id == 0 {
                    return -1;
                }
                if short {
                    if self.table[at + 4..at + 16] == want {
                        return i64::from(id) - 1;
                    }
                } else if u32_at(&self.table, at + 4) == (h as u32 | 0xff) {
                    let (start, n) = (u32_at(&self.table, at + 8) as usize, u32_at(&self.table, at + 12) as usize);
                    if n == key.len() && &self.bytes[start..start + n] == key {
                        return i64::from(id) - 1;
                    }
                }
            }
            bucket = (bucket + 1) % self.buckets;
        }
    }
}

/// Half tag, half length.
fn check_of(h: u64, n: usize) -> u32 {
    (h as u32) << 16 | n.min(0xffff) as u32
}

/// Five checks (half tag, half length), ids and offsets side by side in a line and compared at once, and a word that says
/// whether anything overflowed: two lines for a known word.
struct SideBySide {
    table: Mmap,
    bytes: Mmap,
    buckets: usize,
}
impl Design for SideBySide {
    const NAME: &'static str = "tag + reference, 5 a line";
    fn build(words: &Words) -> Self {
        let buckets = words.len() * 100 / (5 * 85) + 1;
        let mut table = vec![0; buckets * 64];
        for i in 0..words.len() {
            let key = words.get(i);
            let h = hash(key, SEED);
            let mut bucket = bucket_of(h, buckets);
            loop {
                let line = &mut table[bucket * 64..][..64];
                if let Some(slot) = (0..5).find(|slot| u32_at(line, 20 + slot * 4) == 0) {
                    line[slot * 4..][..4].copy_from_slice(&check_of(h, key.len()).to_le_bytes());
                    line[20 + slot * 4..][..4].copy_from_slice(&(i as u32 + 1).to_le_bytes());
                    line[40 + slot * 4..][..4].copy_from_slice(&words.ends[i].to_le_bytes());
                    break;
                }
                line[60] = 1;
                bucket = (bucket + 1) % buckets;
            }
        }
        SideBySide { table: mapped(&table), bytes: mapped(&words.bytes), buckets }
    }
    fn nbytes(&self) -> usize {
        self.table.len()
    }
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]) {
        let mut hashes = [0; BATCH];
        for (h, key) in hashes.iter_mut().zip(keys) {
            *h = hash(key, SEED);
            prefetch(&self.table, bucket_of(*h, self.buckets) * 64);
        }
        for j in 0..keys.len() {
            let line: &[u8; 64] =
                self.table[bucket_of(hashes[j], self.buckets) * 64..][..64].try_into().expect("a line");
            let slot = Self::matches(line, check_of(hashes[j], keys[j].len())).trailing_zeros() as usize;
            prefetch(&self.bytes, u32_at(line, 40 + (slot & 7).min(5) * 4) as usize);
        }
        for j in 0..keys.len() {
            ids[j] = self.probe(hashes[j], keys[j]);
        }
    }
}
impl SideBySide {
    #[inline(always)]
    fn matches(line: &[u8; 64], check: u32) -> u32 {
        let mut mask = 0;
        for slot in 0..8 {
            mask |= u32::from(u32_at(line, slot * 4) == check) << slot;
        }
        mask & 31
    }
    #[inline(always)]
    fn probe(&self, h: u64, key: &[u8]) -> i64 {
        let mut bucket = bucket_of(h, self.buckets);
        let check = check_of(h, key.len());
        loop {
            let line: &[u8; 64] = self.table[bucket * 64..][..64].try_into().expect("a line");
            let mut mask = Self::matches(line, check);
            while mask != 0 {
                let slot = mask.trailing_zeros() as usize;
                let start = u32_at(line, 40 + slot * 4) as usize;
                if &self.bytes[start..start + key.len()] == key {
                    return i64::from(u32_at(line, 20 + slot * 4)) - 1;
                }
                mask &= mask - 1;
            }
            if line[60] == 0 {
                return -1;
            }
            bucket = (bucket + 1) % self.buckets;
        }
    }
}

/// A minimal perfect hash to a slot that holds (id, offset, length, tag); the word is compared.
struct Perfect {
    function: DefaultPtrHash,
    slots: Mmap,
    bytes: Mmap,
}
impl Design for Perfect {
    const NAME: &'static str = "minimal perfect hash";
    fn build(words: &Words) -> Self {
        let hashes: Vec<u64> = (0..words.len()).map(|i| hash(words.get(i), SEED)).collect();
        let function = DefaultPtrHash::new(&hashes, PtrHashParams::default());
        let mut slots = vec![0; words.len() * 12];
        for (i, h) in hashes.iter().enumerate() {
            let at = function.index(h) * 12;
            slots[at..at + 4].copy_from_slice(&(i as u32).to_le_bytes());
            slots[at + 4..at + 8].copy_from_slice(&check_of(*h, words.get(i).len()).to_le_bytes());
            slots[at + 8..at + 12].copy_from_slice(&words.ends[i].to_le_bytes());
        }
        Perfect { function, slots: mapped(&slots), bytes: mapped(&words.bytes) }
    }
    fn nbytes(&self) -> usize {
        self.slots.len() + self.slots.len() / 12 * 3 / 8
    }
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]) {
        let mut hashes = [0; BATCH];
        for (h, key) in hashes.iter_mut().zip(keys) {
            *h = hash(key, SEED);
        }
        let mut places = [0; BATCH];
        for (place, slot) in places.iter_mut().zip(self.function.index_batch::<BATCH, _>(hashes)) {
            *place = slot * 12;
            prefetch(&self.slots, *place);
        }
        for j in 0..keys.len() {
            if u32_at(&self.slots, places[j] + 4) == check_of(hashes[j], keys[j].len()) {
                prefetch(&self.bytes, u32_at(&self.slots, places[j] + 8) as usize);
            }
        }
        for j in 0..keys.len() {
            let (at, key) = (places[j], keys[j]);
            let start = u32_at(&self.slots, at + 8) as usize;
            let known = u32_at(&self.slots, at + 4) == check_of(hashes[j], key.len())
                && &self.bytes[start..start + key.len()] == key;
            ids[j] = if known { i64::from(u32_at(&self.slots, at)) } else { -1 };
        }
    }
}

/// What the stores have: this crate's displacement hash.
struct Displaced {
    seed: u64,
    pilots: Mmap,
    slots: Mmap,
    bytes: Mmap,
    offsets: Mmap,
}
impl Design for Displaced {
    const NAME: &'static str = "embmap's index";
    fn build(words: &Words) -> Self {
        let mut list = WordList::default();
        (0..words.len()).for_each(|i| assert!(list.push(words.get(i))));
        let built = BuiltIndex::build(&list).expect("distinct words");
        let offsets: Vec<u8> = words.ends.iter().flat_map(|end| end.to_le_bytes()).collect();
        Displaced {
            seed: built.seed,
            pilots: mapped(&built.pilots),
            slots: mapped(&built.slots),
            bytes: mapped(&words.bytes),
            offsets: mapped(&offsets),
        }
    }
    fn nbytes(&self) -> usize {
        self.pilots.len() + self.slots.len()
    }
    fn find(&self, keys: &[&[u8]], ids: &mut [i64]) {
        let words = embmap::words::Words::new(&self.bytes, &self.offsets);
        Index::new(self.seed, &self.pilots, &self.slots, words).find_all(keys, -1, ids).expect("a whole index");
    }
}

/// The real words of `folder` first, then pairs of them joined by `_`, until there are `n` different ones.
fn vocabulary(folder: Option<&str>, n: usize) -> Words {
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
    let mut words = Words::new();
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
            words.push(&word);
        }
    }
    words
}

fn measure<D: Design>(words: &Words, queries: &[(&str, Words, Vec<i64>)]) {
    let start = Instant::now();
    let design = D::build(words);
    let built = start.elapsed().as_secs_f64();
    print!("  {:<26}{:>7.1}{:>9.0}", D::NAME, design.nbytes() as f64 / words.len() as f64, built * 1e3);
    for (_, asked, truth) in queries {
        let keys: Vec<&[u8]> = (0..asked.len()).map(|i| asked.get(i)).collect();
        let mut ids = vec![0; keys.len()];
        let mut times: Vec<f64> = (0..7)
            .map(|_| {
                let start = Instant::now();
                for (keys, ids) in keys.chunks(BATCH).zip(ids.chunks_mut(BATCH)) {
                    design.find(keys, ids);
                }
                black_box(&ids);
                start.elapsed().as_secs_f64() * 1e9 / keys.len() as f64
            })
            .collect();
        assert!(ids == *truth, "{} answers wrongly", D::NAME);
        times.sort_by(f64::total_cmp);
        print!("{:>9.1} ±{:<5.1}", times[3], (times[5] - times[1]) / 2.0);
    }
    println!();
}

fn main() {
    let folder = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    for n in [400_000, 3_000_000] {
        let all = vocabulary(folder.as_deref(), n + 100_000);
        let mut words = Words::new();
        let mut others = Words::new();
        for i in 0..all.len() {
            if i % (all.len() / 100_000) == 1 && others.len() < 100_000 {
                others.push(all.get(i));
            } else if words.len() < n {
                words.push(all.get(i));
            }
        }
        let queries: Vec<(&str, Words, Vec<i64>)> = [("known", 0), ("90% unknown", 9), ("Zipf", 0)]
            .into_iter()
            .map(|(name, unknown)| {
                let (mut asked, mut truth) = (Words::new(), Vec::new());
                for i in 0..QUERIES as u64 {
                    let random = hash(&i.to_le_bytes(), 3);
                    if random % 10 < unknown {
                        asked.push(others.get((random >> 8) as usize % others.len()));
                        truth.push(-1);
                    } else {
                        let uniform = (random >> 11) as f64 / (1u64 << 53) as f64;
                        let share = if name == "Zipf" {
                            (words.len() as f64).powf(uniform) - 1.0
                        } else {
                            uniform * words.len() as f64
                        };
                        asked.push(words.get(share as usize));
                        truth.push(share as i64);
                    }
                }
                (name, asked, truth)
            })
            .collect();
        println!(
            "{} words, {:.1} bytes each; ns a word, one thread, median of 7 ± half the middle spread",
            words.len(),
            words.bytes.len() as f64 / words.len() as f64
        );
        print!("  {:<26}{:>7}{:>9}", "design", "B/word", "build ms");
        queries.iter().for_each(|(name, ..)| print!("{name:>16}"));
        println!();
        measure::<Tags>(&words, &queries);
        measure::<Inline>(&words, &queries);
        measure::<SideBySide>(&words, &queries);
        measure::<Displaced>(&words, &queries);
        measure::<Perfect>(&words, &queries);
    }
}
