//! Which index? Five designs over the same words, the same hash and the same batched, prefetching look-up.
//!
//! `cargo bench -p embmap-kernels-bench --bench index_designs -- [FOLDER OF vocabulary_*.txt]`. Every design lies in a
//! memory-mapped file, as it would in a store, answers the same million queries, and is checked against the true ids.

mod buckets;
mod design;
mod perfect;

use std::{hint::black_box, time::Instant};

use buckets::{Inline, SideBySide, Tags};
use design::{BATCH, Design};
use embmap::unstable::{WordList, hash};
use embmap_kernels_bench::vocabulary;
use perfect::{Displaced, Perfect};

const QUERIES: usize = 1_000_000;

fn measure<D: Design>(words: &WordList, queries: &[(&str, WordList, Vec<i64>)]) {
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
        let mut words = WordList::default();
        let mut others = WordList::default();
        for i in 0..all.len() {
            if i % (all.len() / 100_000) == 1 && others.len() < 100_000 {
                assert!(others.push(all.get(i)));
            } else if words.len() < n {
                assert!(words.push(all.get(i)));
            }
        }
        let queries: Vec<(&str, WordList, Vec<i64>)> = [("known", 0), ("90% unknown", 9), ("Zipf", 0)]
            .into_iter()
            .map(|(name, unknown)| {
                let (mut asked, mut truth) = (WordList::default(), Vec::new());
                for i in 0..QUERIES as u64 {
                    let random = hash(&i.to_le_bytes(), 3);
                    if random % 10 < unknown {
                        assert!(asked.push(others.get((random >> 8) as usize % others.len())));
                        truth.push(-1);
                    } else {
                        let uniform = (random >> 11) as f64 / (1u64 << 53) as f64;
                        let share = if name == "Zipf" {
                            (words.len() as f64).powf(uniform) - 1.0
                        } else {
                            uniform * words.len() as f64
                        };
                        assert!(asked.push(words.get(share as usize)));
                        truth.push(share as i64);
                    }
                }
                (name, asked, truth)
            })
            .collect();
        println!(
            "{} words, {:.1} bytes each; ns a word, one thread, median of 7 ± half the middle spread",
            words.len(),
            words.bytes().len() as f64 / words.len() as f64
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
